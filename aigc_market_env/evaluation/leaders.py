"""How far learned pricing is from equilibrium: regret on slots unseen in training, with confidence intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from aigc_market_env import (
    BatchedMarketEnv,
    Equilibrium,
    Market,
    Outcome,
    Scenario,
    follower_response,
    leader_best_response,
    solve_equilibrium,
)
from aigc_market_env.evaluation.intervals import CONFIDENCE, ratio_interval
from aigc_market_env.evaluation.reward_sources import Posting
from aigc_market_env.evaluation.side_regret import SideRegret, side_regret
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.model.qoe import QOE_DIMENSIONS
from aigc_market_env.views import ViewName

#: Seeds of evaluation markets start here, beyond those that training takes for any seed of 32 bits.
EVALUATION_SEED = 10**15
#: Slots played before the one that is measured, so that price boards and channels are those of a running market.
WARM_UP_SLOTS = 8


@dataclass(frozen=True, eq=False)
class LeaderEvaluation:
    """Learned rewards on S evaluation slots, one from each of S independent episodes, beside the oracle.

    Attributes:
        market: the slots' markets. batch (S,)
        rewards: posted by the policy, credits per QoE. (S, M, N)
        outcome: at those rewards, the ASPs responding exactly. batch (S,)
        best_rewards: each MU's best response to the others' posted rewards, credits per QoE. (S, M, N)
        best_utility: what that deviation would earn it, credits per slot. (S, M)
        follower_gap: bound on each ASP's regret from the duality gap, credits per slot. (S, N)
        equilibrium: of the slots' markets, with a certificate if that was asked for; then mixed where no pure one is
            found. batch (S,)
    """

    #: Who was measured, as agents and figures are named.
    group: ClassVar[Literal["mu"]] = "mu"
    regret_name: ClassVar[str] = "leader_regret_relative"
    #: Nothing was measured beside equilibrium; see :attr:`~aigc_market_env.evaluation.JointEvaluation.near`.
    near: ClassVar[None] = None

    market: Market
    rewards: FloatArray
    outcome: Outcome
    best_rewards: FloatArray
    best_utility: FloatArray
    follower_gap: FloatArray
    equilibrium: Equilibrium

    @property
    def leaders(self) -> Self:
        """The evaluation of the MUs, which this is."""
        return self

    @property
    def followers(self) -> None:
        """No policy of the ASPs was measured."""

    @property
    def payoffs(self) -> FloatArray:
        """Utility of each MU in each slot, credits per slot. (S, M)."""
        return self.outcome.mu_utility

    @property
    def regret(self) -> FloatArray:
        """Regret of each MU in each slot, credits per slot. (S, M)."""
        regret: FloatArray = np.maximum(self.best_utility - self.outcome.mu_utility, 0.0)
        return regret

    @property
    def relative(self) -> SideRegret:
        """The MUs' regret relative to utility at equilibrium: of all of them, and of the worst relative to its own."""
        return side_regret(self.market, self.regret, self.equilibrium.outcome.mu_utility, "mu")

    @property
    def followers_relative(self) -> SideRegret:
        """The bounds on the ASPs' regret, relative to best profits."""
        best = self.outcome.asp_profit + self.follower_gap
        return side_regret(self.market, self.follower_gap, best, "asp")

    @property
    def leader_regret_relative(self) -> float:
        """Mean regret over the mean utility at equilibrium, over all MUs and slots."""
        return self.relative.mean

    @property
    def follower_regret_relative(self) -> float:
        """Mean bound on the ASPs' regret over their mean best profit."""
        return self.followers_relative.mean

    @property
    def nash_conv(self) -> FloatArray:
        """Sum of all regrets in each slot, credits per slot. (S,)."""
        total: FloatArray = self.regret.sum(axis=-1) + self.follower_gap.sum(axis=-1)
        return total

    @property
    def utility_ratio(self) -> float:
        """Mean utility of the MUs over that at equilibrium; 1 when there is nothing to gain or lose."""
        reference = float(self.equilibrium.outcome.mu_utility.mean())
        return float(self.outcome.mu_utility.mean()) / reference if reference > 0.0 else 1.0

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Bootstrap interval (BCa, over slots) of the relative leader regret; None for a single slot, which has none.

        Where BCa is not defined, as when all slots have the same regret, it is the percentile interval.
        """
        reference = self.equilibrium.outcome.mu_utility
        point = self.leader_regret_relative
        return ratio_interval(self.regret.mean(axis=1), reference.mean(axis=1), point, confidence)

    def point(self) -> dict[str, float]:
        """The figures that a learning curve is made of."""
        regret = self.relative
        return {
            "leader_regret_relative": regret.mean,
            "leader_regret_worst": regret.worst,
            "nash_conv": float(self.nash_conv.mean()),
            "utility_ratio": self.utility_ratio,
            "mu_utility_learned": float(self.outcome.mu_utility.mean()),
            "mu_utility_at_equilibrium": float(self.equilibrium.outcome.mu_utility.mean()),
        }

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``."""
        interval, certificate, regret = self.interval(), self.equilibrium.certificate, self.relative
        return {
            "slots": len(self.rewards),
            **regret.figures("leader_regret_relative"),
            "leader_regret_relative_interval_95": None if interval is None else list(interval),
            **self.followers_relative.figures("follower_regret_relative"),
            "nash_conv": float(self.nash_conv.mean()),
            "utility_ratio": self.utility_ratio,
            "mu_best_response_utility": float(self.best_utility.mean()),
            "equilibrium_certified": None if certificate is None else float(certificate.converged.mean()),
            "equilibrium_mixed": None if certificate is None else float((self.equilibrium.kind == "mixed").mean()),
            "learned": outcome_means(self.outcome),
            "equilibrium": outcome_means(self.equilibrium.outcome),
            "regret_by_mu": self.regret.mean(axis=0).tolist(),
            "regret_relative_by_mu": regret.by_agent(),
        }


def evaluate_leaders(
    policy: Posting,
    scenario: Scenario,
    num_slots: int,
    seed: int | Sequence[int] = EVALUATION_SEED,
    *,
    certify: bool = False,
    view: ViewName = "board",
    oracle: Callable[[Market], Equilibrium] | None = None,
) -> LeaderEvaluation:
    """Play a policy of the MUs against exact ASPs, and compare it with best responses and the equilibrium.

    Args:
        policy: from observations (S, M, D) to rewards as shares of ω/q (S, M, N).
        scenario: where markets come from.
        num_slots: S, slots measured, each in an episode of its own.
        seed: of the first episode, the others follow; or of all of them.
        certify: whether to certify the equilibria, and to look for mixed ones where no pure one is certified, which
            takes longer than to find them.
        view: what the MUs observe; see :mod:`aigc_market_env.views`.
        oracle: gives the equilibria of the slots' markets, where they are known.
    """
    env = BatchedMarketEnv(scenario, num_slots, asps="best_response", max_cycles=None, view=view)
    observations, _ = env.reset(seed=seed)
    for _ in range(WARM_UP_SLOTS):
        observations, _, _, _, _ = env.step({"mu": policy(observations["mu"])})
    market = env.market
    rewards = np.clip(policy(observations["mu"]), 0.0, 1.0) * market.reward_bound[..., None]
    return judge_rewards(market, rewards, certify=certify, oracle=oracle)


def judge_rewards(
    market: Market,
    rewards: FloatArray,
    *,
    certify: bool = False,
    oracle: Callable[[Market], Equilibrium] | None = None,
) -> LeaderEvaluation:
    """Compare rewards posted in S markets, credits per QoE (S, M, N), with best responses and the equilibrium.

    Args:
        market: the markets. batch (S,)
        rewards: what is posted, credits per QoE. (S, M, N)
        certify: see :func:`evaluate_leaders`.
        oracle: likewise.
    """
    response = follower_response(market, rewards)
    best_rewards, best_utility = leader_best_response(market, rewards)
    return LeaderEvaluation(
        market=market,
        rewards=rewards,
        outcome=market.outcome(rewards, response.compute, response.bandwidth),
        best_rewards=best_rewards,
        best_utility=best_utility,
        follower_gap=response.duality_gap,
        equilibrium=solve_equilibrium(market, certify=certify, mixed=certify) if oracle is None else oracle(market),
    )


def outcome_means(outcome: Outcome) -> dict[str, float]:
    """What an outcome comes to, as means over slots and MUs or ASPs; welfare is that of the whole market."""
    terms = outcome.qoe_terms.sum(axis=-2)  # (S, M, 3)
    figures = {
        "mu_utility": outcome.mu_utility,
        "mu_service_cost": outcome.service_cost,
        "mu_qoe": outcome.qoe.sum(axis=-1),
        **{f"qoe_{name}": terms[..., j] for j, name in enumerate(QOE_DIMENSIONS)},
        "asp_profit": outcome.asp_profit,
        "asp_cost": outcome.asp_cost,
        "utilisation_compute": outcome.utilisation[..., 0],
        "utilisation_bandwidth": outcome.utilisation[..., 1],
        "welfare": outcome.welfare,
    }
    return {name: float(values.mean()) for name, values in figures.items()}
