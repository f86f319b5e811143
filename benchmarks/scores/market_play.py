"""Policies that are told the market of the slot measured, whatever the task shows: privileged, but in any-v1."""

from collections.abc import Callable
from typing import Any

import numpy as np

from aigc_market_env import DualPerturbation, Market, leader_best_response, solve_equilibrium
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks import Task
from aigc_market_env.tasks.judged_slots import slots_of

#: From markets, batch (B,), and random numbers to rewards, credits per QoE. (B, M, N).
Pricing = Callable[[Market, np.random.Generator], FloatArray]
#: Best-response dynamics begin at this share of the bound, and are played for so many rounds.
FIRST_SHARE, ROUNDS = 0.2, 6


class MarketPlay:
    """Posts what a pricing makes of the market of the slot that is measured; before, a tenth of the bound.

    Nothing that is done moves a market, so that of the slot is known from the seeds of the test episodes.

    Args:
        task: of MUs, without wallets.
        pricing: what to post.
        seed: of its random numbers.
    """

    def __init__(self, task: Task, pricing: Pricing, seed: int) -> None:
        self._task, self._pricing, self._seed = task, pricing, seed

    def reset(self, num_envs: int, first: int) -> None:
        """Begin test episodes number ``first`` and those that follow."""
        self._count, self._first, self._slot = num_envs, first, 0

    def __call__(self, observations: Any) -> FloatArray:
        """Shares of ω/q. (B, M, N)."""
        rng = np.random.default_rng([self._seed, self._first])
        if isinstance(observations, Market):
            return self._shares(observations, rng)
        task, self._slot = self._task, self._slot + 1
        if self._slot <= task.warm_up:
            return np.full((*observations.shape[:2], task.scenario.num_asps), 0.1)
        seeds = list(task.test_seeds[0][self._first : self._first + self._count])
        return self._shares(slots_of(task.test_scenarios[0], seeds, task.warm_up), rng)

    def _shares(self, market: Market, rng: np.random.Generator) -> FloatArray:
        shares: FloatArray = self._pricing(market, rng) / market.reward_bound[..., None]
        return np.minimum(shares, 1.0)


def oracle(market: Market, rng: np.random.Generator) -> FloatArray:
    """An equilibrium; a draw where MUs mix."""
    return solve_equilibrium(market, mixed=True).sample(rng)


def best_response_dynamics(market: Market, rng: np.random.Generator) -> FloatArray:
    """Every MU's best response to what the others posted the round before, all at once."""
    rewards = FIRST_SHARE * np.broadcast_to(market.reward_bound[..., None], market.accuracy.shape)
    for _ in range(ROUNDS):
        rewards, _ = leader_best_response(market, rewards)
    return rewards


def dual_perturbation(market: Market, rng: np.random.Generator) -> FloatArray:
    """Learned in the market itself from the QoE that perturbed rewards bring: 400 probes of it."""
    return DualPerturbation().run(market, rng).rewards
