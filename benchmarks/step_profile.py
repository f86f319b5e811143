"""Where the time of a batched step goes, as far as can be told from outside, beside what memory alone would take.

What can be told: a step with frozen channels against one with fading (the difference is the dynamics, and the work that
changed channels make for the best response); the first step of a slot, in which MUs only post, against the second, in
which ASPs serve; and plain copies of what a step must read and return. The rest is compute.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from aigc_market_env import Scenario
from aigc_market_env.scenarios import Dynamics
from benchmarks.loops import BatchedLoop
from benchmarks.turns import Play, rate_of

#: Bytes of each of the two arrays that the copy bandwidth is measured with; far beyond any cache.
_COPIED = 1 << 28

FADING = "best response"
FROZEN = "best response, frozen channels"
POSTING = "agents, MUs post"
SERVING = "agents, ASPs serve"
COPIES = "copies of actions, observations and rewards"


def frozen_campus() -> Scenario:
    """The preset with channels and requests that stay."""
    still = Dynamics(shadowing_db=0.0, request_probability=0.0)
    return replace(Scenario.preset("campus"), dynamics=still)


class HalfSlots:
    """A batch with acting ASPs whose two kinds of steps are timed apart; one instance a kind.

    Args:
        num_envs: markets side by side.
        posting: whether to time the steps in which MUs post, instead of those in which ASPs serve.
    """

    def __init__(self, num_envs: int, *, posting: bool) -> None:
        self.loop = BatchedLoop(num_envs, "agents")
        self.timed = "mu" if posting else "asp"

    def play(self, seconds: float) -> float:
        """Market-steps per second of the timed kind."""
        steps, spent, began = 0, 0.0, time.perf_counter()
        while not steps or time.perf_counter() - began < seconds:
            acting, start = self.loop.env.acting, time.perf_counter()
            self.loop.step()
            if acting == self.timed:
                spent += time.perf_counter() - start
                steps += 1
        return steps * self.loop.env.num_envs / spent


def _whole_steps(num_envs: int, scenario: str | Scenario) -> Play:
    loop = BatchedLoop(num_envs, "best_response", scenario)
    return lambda seconds: rate_of(loop.step, seconds) * num_envs


def _copies(num_envs: int) -> Play:
    loop = BatchedLoop(num_envs, "best_response")
    observations, rewards, *_ = loop.step()
    actions = itertools.cycle(drawn["mu"] for drawn in loop.drawn)

    def step() -> tuple[Any, ...]:
        return next(actions).copy(), observations["mu"].copy(), rewards["mu"].copy()

    return lambda seconds: rate_of(step, seconds) * num_envs


def makers(num_envs: int) -> dict[str, Callable[[], Play]]:
    """Contenders whose rates are market-steps per second."""
    return {
        FADING: partial(_whole_steps, num_envs, "campus"),
        FROZEN: lambda: _whole_steps(num_envs, frozen_campus()),
        POSTING: lambda: HalfSlots(num_envs, posting=True).play,
        SERVING: lambda: HalfSlots(num_envs, posting=False).play,
        COPIES: partial(_copies, num_envs),
    }


def bytes_touched() -> dict[str, float]:
    """Bytes a market that a best-response step must read or write, by what they are.

    Every array is counted once, although those of the state that change are read and written: a lower bound.
    """
    lanes = 64
    loop = BatchedLoop(lanes, "best_response")
    observations, rewards, *_ = loop.step()
    before = loop.env.state()
    loop.step()
    after = loop.env.state()
    changed = {name for name, array in after.items() if not np.array_equal(array, before[name])}
    sizes = {
        "actions": loop.drawn[0]["mu"].nbytes,
        "observations": observations["mu"].nbytes,
        "rewards": rewards["mu"].nbytes,
        "state that changes": sum(after[name].nbytes for name in changed),
        "state that stays": sum(array.nbytes for name, array in after.items() if name not in changed),
    }
    return {name: size / lanes for name, size in sizes.items()}


def copy_bandwidth(threads: int, repeats: int = 5) -> float:
    """Bytes read and written per second by copies of a large array in as many slices as threads; the best of some."""
    source, target = np.ones(_COPIED, np.uint8), np.zeros(_COPIED, np.uint8)
    edges = [_COPIED * i // threads for i in range(threads + 1)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats):
            began = time.perf_counter()
            copies = [pool.submit(np.copyto, target[a:b], source[a:b]) for a, b in itertools.pairwise(edges)]
            for copy in copies:
                copy.result()
            best = max(best, 2 * _COPIED / (time.perf_counter() - began))
    return best
