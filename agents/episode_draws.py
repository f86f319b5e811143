"""Fresh random episodes of MUs with wallets, of many sizes and loads."""

from typing import NamedTuple

import numpy as np

from agents.market_draws import MarketDistribution, Size
from agents.policy.level_features import Plan, plan_of
from aigc_market_env import BatchedMarketEnv, Market
from aigc_market_env.model.parameters import FIELDS


class Episodes(NamedTuple):
    """E episodes of T slots, whatever is played.

    Attributes:
        path: markets of the slots, batch (E, T).
        plan: what MUs know in each, of an MU that never spends. (E, T, M) each
    """

    path: Market
    plan: Plan


def drawn_episodes(
    distribution: MarketDistribution, rng: np.random.Generator, size: Size, count: int, horizon: int
) -> Episodes:
    """``count`` episodes of ``horizon`` slots of markets of a size, each with a base market and wallets of its own."""
    scenario, seed = distribution.scenario_of(*size), int(rng.integers(2**62))
    env = BatchedMarketEnv(scenario, count, asps="best_response", max_cycles=horizon, seed=seed)
    seen, _ = env.reset()
    nothing, markets, plans = np.zeros((count, *size)), [], []
    for slot in range(horizon):
        markets.append(env.market)
        plans.append(plan_of(markets[-1], seen["mu"], horizon))
        if slot < horizon - 1:
            seen, *_ = env.step({"mu": nothing})
    fields = {name: np.stack([getattr(market, name) for market in markets], axis=1) for name in FIELDS}
    return Episodes(Market(**fields), Plan(*(np.stack(entries, axis=1) for entries in zip(*plans, strict=True))))
