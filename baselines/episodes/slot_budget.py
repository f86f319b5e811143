"""A single slot in which MUs may pay no more than a budget; whatever comes later does not matter."""

from aigc_market_env import Market, Wallet, solve_wallet_equilibrium
from aigc_market_env.model.parameters import FloatArray


def equilibrium_on_budget(market: Market, budget: FloatArray) -> FloatArray:
    """Rewards (M, N) at the equilibrium of a slot in which no MU may pay more than its budget, credits. (M,).

    That of an episode of one slot (:func:`~aigc_market_env.solve_wallet_equilibrium`), not certified.
    """
    return solve_wallet_equilibrium(Market.stack([market]), Wallet(budget), certify=False).rewards[0]
