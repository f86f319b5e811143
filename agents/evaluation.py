"""How far learned pricing is from equilibrium: regret on slots unseen in training, with confidence intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

from aigc_market_env import BatchedMarketEnv, Market, Outcome, Scenario, follower_response, leader_best_response
from aigc_market_env.market import FloatArray

#: Seeds of evaluation markets start here, far from those of training.
EVALUATION_SEED = 1_000_000
#: Slots played before the one that is measured, so that price boards and channels are those of a running market.
WARM_UP_SLOTS = 8

Policy = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class LeaderEvaluation:
    """Learned rewards on S evaluation slots, one from each of S independent episodes, and the best-response check.

    Attributes:
        market: the slots' markets. batch (S,)
        rewards: posted by the policy, credits per QoE. (S, M, N)
        outcome: at those rewards, the ASPs responding exactly. batch (S,)
        best_rewards: each MU's best response to the others' posted rewards, credits per QoE. (S, M, N)
        best_utility: what that deviation would earn it, credits per slot. (S, M)
        follower_gap: bound on each ASP's regret from the duality gap, credits per slot. (S, N)
    """

    market: Market
    rewards: FloatArray
    outcome: Outcome
    best_rewards: FloatArray
    best_utility: FloatArray
    follower_gap: FloatArray

    @property
    def regret(self) -> FloatArray:
        """Regret of each MU in each slot, credits per slot. (S, M)."""
        regret: FloatArray = np.maximum(self.best_utility - self.outcome.mu_utility, 0.0)
        return regret

    @property
    def leader_regret_relative(self) -> float:
        """Mean regret over the mean utility of the best responses, over all MUs and slots."""
        return relative(self.regret, self.best_utility)

    @property
    def follower_regret_relative(self) -> float:
        """Mean bound on the ASPs' regret over their mean profit."""
        return relative(self.follower_gap, self.outcome.asp_profit)

    def interval(self, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
        """Bootstrap interval (BCa, over slots) of the relative leader regret."""
        per_slot = (self.regret.mean(axis=1), self.best_utility.mean(axis=1))
        result = bootstrap(
            per_slot,
            lambda regret, utility, axis: regret.mean(axis=axis) / utility.mean(axis=axis),
            paired=True,
            vectorized=True,
            confidence_level=confidence,
            n_resamples=2000,
            rng=np.random.default_rng(seed),
        )
        return float(result.confidence_interval.low), float(result.confidence_interval.high)

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``."""
        low, high = self.interval()
        outcome = self.outcome
        return {
            "slots": len(self.rewards),
            "leader_regret_relative": self.leader_regret_relative,
            "leader_regret_relative_interval_95": [low, high],
            "follower_regret_relative": self.follower_regret_relative,
            "mu_utility": float(outcome.mu_utility.mean()),
            "mu_best_response_utility": float(self.best_utility.mean()),
            "mu_service_cost": float(outcome.service_cost.mean()),
            "mu_qoe": float(outcome.qoe.sum(axis=-1).mean()),
            "qoe_accuracy": float(outcome.qoe_terms[..., 0].sum(axis=-1).mean()),
            "qoe_token_count": float(outcome.qoe_terms[..., 1].sum(axis=-1).mean()),
            "qoe_timeliness": float(outcome.qoe_terms[..., 2].sum(axis=-1).mean()),
            "asp_profit": float(outcome.asp_profit.mean()),
            "asp_cost": float(outcome.asp_cost.mean()),
            "utilisation_compute": float(outcome.utilisation[..., 0].mean()),
            "utilisation_bandwidth": float(outcome.utilisation[..., 1].mean()),
            "welfare": float(outcome.welfare.mean()),
            "regret_by_mu": self.regret.mean(axis=0).tolist(),
        }


def evaluate_leaders(
    policy: Policy, scenario: Scenario, num_slots: int, seed: int = EVALUATION_SEED
) -> LeaderEvaluation:
    """Play a policy of the MUs against exact ASPs, and check it against best responses.

    Args:
        policy: from observations (S, M, D) to rewards as shares of ω/q (S, M, N).
        scenario: where markets come from.
        num_slots: S, slots measured, each in an episode of its own.
        seed: of the first episode; the others follow.
    """
    env = BatchedMarketEnv(scenario, num_slots, asps="best_response", max_cycles=None, seed=seed)
    observations, _ = env.reset()
    for _ in range(WARM_UP_SLOTS):
        observations, _, _, _, _ = env.step({"mu": policy(observations["mu"])})
    market = env.market
    rewards = np.clip(policy(observations["mu"]), 0.0, 1.0) * market.reward_bound[..., None]
    response = follower_response(market, rewards)
    best_rewards, best_utility = leader_best_response(market, rewards)
    return LeaderEvaluation(
        market=market,
        rewards=rewards,
        outcome=market.outcome(rewards, response.compute, response.bandwidth),
        best_rewards=best_rewards,
        best_utility=best_utility,
        follower_gap=response.duality_gap,
    )


def relative(regret: FloatArray, scale: FloatArray) -> float:
    """Mean regret over a mean utility or profit; zero when there is nothing to gain or lose."""
    mean = float(np.abs(scale).mean())
    return float(regret.mean()) / mean if mean > 0.0 else 0.0
