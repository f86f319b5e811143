"""The set policy, trained in the markets of any-v1 alone, by PPO or on exact conditions; it sees the market."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.algorithms.set_config import SetConfig
from agents.market_draws import MarketDistribution
from agents.torch_settings import one_torch_thread, usual_numerics
from aigc_market_env import Market
from aigc_market_env.scenarios.dynamics import faded_efficiency
from aigc_market_env.tasks import Task


@dataclass(frozen=True)
class TaskMarkets(MarketDistribution):
    """Training markets of a task, one of its sizes at a time, in fading.

    Attributes:
        task: whose.
    """

    task: Task | None = None

    @property
    def satiated(self) -> bool:
        """Whether MUs may have satiation."""
        return self._task.scenario.satiation

    @property
    def _task(self) -> Task:
        assert self.task is not None
        return self.task

    def sample(self, rng: np.random.Generator, links: int) -> Market:
        """A batch of markets of one size; see :meth:`MarketDistribution.sample`."""
        sizes = self._task.sizes[: self._task.trained_sizes]
        scenario = self._task.training_scenario(sizes[int(rng.integers(len(sizes)))])
        market = scenario.sample(rng, batch=(max(1, round(links / (scenario.num_mus * scenario.num_asps))),))
        shadow = rng.normal(0.0, scenario.dynamics.shadowing_db, market.spectral_efficiency.shape)
        return market.replace(spectral_efficiency=faded_efficiency(market.spectral_efficiency, shadow))


def learn(task: Task, seed: int, config: type[SetConfig], updates: int) -> tuple[Any, int]:
    """Train a set policy in the markets of a task.

    Args:
        task: any-v1.
        seed: of the weights and the markets.
        config: how.
        updates: for how long.

    Returns:
        The policy, and the transitions that it took.
    """
    with one_torch_thread(), usual_numerics():
        learner = config(markets=TaskMarkets(task=task), seed=seed, updates=updates).make_learner()
        while not learner.done:
            learner.step()
    return learner.policy(), learner.transitions
