"""Steps of markets with wallets, of the same markets without, and of the preset with all demand, by CPU time.

All but the last are of one market: where markets are drawn, an episode of wallets in units of spending begins with an
equilibrium that has to be found.
"""

import time
from functools import partial
from typing import Literal

from aigc_market_env import Scenario, Wallet, market_v0
from benchmarks.loops import EPISODE, BatchedLoop, ParallelLoop
from benchmarks.turns import Play, rate_of

#: The first is what the others are measured against.
SCENARIOS = {
    "none": Scenario.preset("campus").fix(0),
    "full": Scenario.preset("campus", wallet=Wallet(1e9, 1e9)).fix(0),
    "short": Scenario.preset("campus", wallet=Wallet(2.0, 0.6, 4.0, "spending")).fix(0),
    "prepaid": Scenario.preset("prepaid").fix(0),
    "prepaid, drawn": Scenario.preset("prepaid"),
}


def make(scenario: Scenario, asps: Literal["agents", "best_response"], size: int) -> Play:
    """A batch of so many markets, or a Parallel environment where it is one, in episodes whose beginnings count."""
    if size == 1:
        loop = ParallelLoop(market_v0.parallel_env(scenario, EPISODE, asps=asps))
        return partial(rate_of, loop.step, clock=time.process_time)
    return partial(_rate, BatchedLoop(size, asps, scenario), size)


def _rate(loop: BatchedLoop, size: int, seconds: float) -> float:
    return rate_of(loop.step, seconds, time.process_time) * size
