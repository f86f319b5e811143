"""The wallets that episodes begin with, in credits (private)."""

from collections.abc import Callable

from aigc_market_env.equilibrium import solve_equilibrium
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.wallets import Wallet, WalletRange


class WalletDraws:
    """Makes the wallets of a scenario's episodes.

    Args:
        scenario: where wallets come from.

    Attributes:
        num_draws: uniform numbers that the wallets of one episode are made from.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.num_draws = 3 * scenario.num_mus if isinstance(scenario.wallet, WalletRange) else 0
        self._same: FloatArray | None = None  # what MUs spend where all markets are one

    def of(self, uniforms: FloatArray, markets: Callable[[], Market]) -> Wallet:
        """Wallets in credits, of arrays that fit (B, M).

        Args:
            uniforms: numbers in (0, 1), (B, num_draws).
            markets: the markets that the episodes begin from, (B,), in case they are needed.
        """
        wallet = self._scenario.wallet
        if isinstance(wallet, WalletRange):
            wallet = wallet.draw(uniforms.reshape(len(uniforms), 3, -1))
        assert wallet is not None
        return wallet.in_credits(self._spending(markets)) if wallet.unit == "spending" else wallet

    def _spending(self, markets: Callable[[], Market]) -> FloatArray:
        """What every MU pays in a slot at the markets' equilibria; the solver's points, where none is certified."""
        if self._scenario.num_draws:
            return _payments(markets())
        if self._same is None:
            self._same = _payments(markets()[:1])
        return self._same


def _payments(market: Market) -> FloatArray:
    return solve_equilibrium(market, certify=False).outcome.service_cost
