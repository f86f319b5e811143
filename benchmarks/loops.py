"""Loops that play environments with actions drawn beforehand: our batches, and any PettingZoo environment."""

import itertools
import time
from typing import Any, Literal

import numpy as np

from aigc_market_env import BatchedMarketEnv, Scenario, market_v0
from benchmarks.floors import DoNothingParallelEnv
from benchmarks.turns import Play, rate_of

#: Steps in every contender's episodes; resets count.
EPISODE = 64
#: Sets of actions drawn beforehand for a batch and played in turn.
DRAWN = 8


class BatchedLoop:
    """A batch of our markets and actions to play.

    Args:
        num_envs: markets side by side.
        asps: as in :class:`~aigc_market_env.BatchedMarketEnv`.
        scenario: where markets come from.
    """

    def __init__(
        self, num_envs: int, asps: Literal["agents", "best_response"], scenario: str | Scenario = "campus"
    ) -> None:
        self.env = BatchedMarketEnv(scenario, num_envs, asps=asps, max_cycles=EPISODE, seed=0)
        self.env.reset()
        groups = {"mu": self.env.num_mus, "asp": self.env.num_asps}
        self.agents = sum(groups[name] for name in self.env.single_action_space)
        rng = np.random.default_rng(0)
        self.drawn = [
            {
                name: rng.random((num_envs, groups[name], *space.shape), dtype=np.float32)
                for name, space in self.env.single_action_space.items()
            }
            for _ in range(DRAWN)
        ]
        self._actions = itertools.cycle(self.drawn)

    def step(self) -> Any:
        """One step of all markets."""
        return self.env.step(next(self._actions))

    def play(self, seconds: float) -> float:
        """Agent-steps per second."""
        return rate_of(self.step, seconds) * self.env.num_envs * self.agents


class ParallelLoop:
    """A Parallel environment and actions to play."""

    def __init__(self, env: Any) -> None:
        self.env = env
        env.reset(seed=0)
        self.agents = len(env.agents)
        drawn = [{agent: env.action_space(agent).sample() for agent in env.agents} for _ in range(EPISODE)]
        self._actions = itertools.cycle(drawn)

    def step(self) -> None:
        """One step, after a reset where an episode has ended."""
        if not self.env.agents:
            self.env.reset()
        self.env.step(next(self._actions))

    def play(self, seconds: float) -> float:
        """Agent-steps per second."""
        return rate_of(self.step, seconds) * self.agents


class AecLoop:
    """An AEC environment and actions to play."""

    def __init__(self, env: Any) -> None:
        self.env = env
        env.reset(seed=0)
        self.actions = {agent: env.action_space(agent).sample() for agent in env.possible_agents}

    def play(self, seconds: float) -> float:
        """Agent-steps per second, in whole episodes."""
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.env.reset()
            for agent in self.env.agent_iter():
                _, _, terminated, truncated, _ = self.env.last()
                self.env.step(None if terminated or truncated else self.actions[agent])
                steps += 1
        return steps / (time.perf_counter() - began)


def parallel(asps: Literal["agents", "best_response"]) -> Play:
    """Our Parallel environment."""
    return ParallelLoop(market_v0.parallel_env(asps=asps, max_cycles=EPISODE)).play


def aec() -> Play:
    """Our AEC environment, all 12 agents."""
    return AecLoop(market_v0.env(max_cycles=EPISODE)).play


def floor() -> Play:
    """A Parallel environment with our 12 agents and their spaces that does nothing."""
    return ParallelLoop(DoNothingParallelEnv(market_v0.parallel_env(), EPISODE)).play
