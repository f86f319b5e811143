"""What an episode goes through, whatever is played: its markets slot by slot, and the wallets that it begins with."""

import numpy as np

from aigc_market_env._engine.engine import Engine
from aigc_market_env.market import Market
from aigc_market_env.market_v0 import ScenarioLike
from aigc_market_env.model.options import check_seed, positive_integer
from aigc_market_env.scenarios import Scenario
from aigc_market_env.wallets.wallet import Wallet, WalletRange


def episode_path(
    scenario: ScenarioLike, seed: int, slots: int, *, wallet: Wallet | WalletRange | None = None
) -> tuple[Market, Wallet | None]:
    """The path of an episode: nothing that anybody does changes it.

    Args:
        scenario: a preset's name, a market file, a Scenario or a Market.
        seed: of the episode, as ``reset(seed=seed)`` of an environment takes it.
        slots: T.
        wallet: the MUs', instead of the scenario's own.

    Returns:
        The markets of the slots, with batch shape (T,), the same bits as ``env.market`` of an environment, and the
        wallets at the beginning, in credits, (M,); None where there are none.

    Raises:
        ValueError: an argument is not one of those above.

    Examples:
        >>> markets, wallet = episode_path("prepaid", seed=0, slots=64)
        >>> markets.batch_shape, wallet.money.shape
        ((64,), (8,))
    """
    if check_seed(seed) is None:
        raise ValueError("seed = None must be an integer >= 0: the path is that of the episode with this seed")
    engine = Engine(Scenario.of(scenario, wallet=wallet), 1)
    engine.reset([seed])
    begun = engine.wallet(lane=0)
    markets, nothing = [engine.market(lane=0)], np.zeros((1, engine.scenario.num_mus, engine.scenario.num_asps))
    for _ in range(positive_integer("slots", slots) - 1):
        engine.trade(nothing)
        markets.append(engine.market(lane=0))
    return Market.stack(markets), begun
