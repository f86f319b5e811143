"""How far learned pricing is from equilibrium: regret on slots unseen in training, with confidence intervals."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import DegenerateDataWarning, bootstrap

from aigc_market_env import BatchedMarketEnv, Market, Outcome, Scenario, follower_response, leader_best_response
from aigc_market_env.market import FloatArray

#: Seeds of evaluation markets start here, beyond those that training takes for any seed of 32 bits.
EVALUATION_SEED = 10**15
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

    def interval(self, confidence: float = 0.95, seed: int = 0) -> tuple[float, float] | None:
        """Bootstrap interval (BCa, over slots) of the relative leader regret; None for a single slot, which has none.

        Where BCa is not defined, as when all slots have the same regret, it is the percentile interval.
        """
        if len(self.regret) < 2:
            return None
        per_slot = (self.regret.mean(axis=1), np.abs(self.best_utility).mean(axis=1))
        for method in ("BCa", "percentile"):
            with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
                warnings.simplefilter("ignore", DegenerateDataWarning)
                low, high = bootstrap(
                    per_slot,
                    _ratio_of_means,
                    paired=True,
                    vectorized=True,
                    confidence_level=confidence,
                    n_resamples=2000,
                    method=method,
                    rng=np.random.default_rng(seed),
                ).confidence_interval
            if np.isfinite([low, high]).all():
                break
        point = self.leader_regret_relative
        return min(float(low), point), max(float(high), point)

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``."""
        interval = self.interval()
        outcome = self.outcome
        return {
            "slots": len(self.rewards),
            "leader_regret_relative": self.leader_regret_relative,
            "leader_regret_relative_interval_95": None if interval is None else list(interval),
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


def _ratio_of_means(numerator: FloatArray, denominator: FloatArray, axis: int) -> FloatArray:
    above, below = numerator.mean(axis=axis), denominator.mean(axis=axis)
    ratio: FloatArray = np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
    return ratio
