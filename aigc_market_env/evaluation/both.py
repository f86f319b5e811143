"""How far two learned sides are from equilibrium, and how much of it is the ASPs' imperfection.

What an MU could gain by deviating is computed exactly only where ASPs respond exactly. So leader regret is measured in
two worlds, with exact responses both times: where the ASPs are exact throughout, and where the learned ASPs have been
serving, so that what the MUs see and hence post is as it is when both sides are learned. What the MUs lose by being
served by learned ASPs is measured apart, on the very same slots and rewards.
"""

from dataclasses import dataclass
from typing import Any

from aigc_market_env import Scenario
from aigc_market_env.evaluation.followers import FollowerEvaluation, Serving, evaluate_followers
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, LeaderEvaluation, evaluate_leaders
from aigc_market_env.evaluation.reward_sources import NEAR, Posted, Posting


@dataclass(frozen=True, eq=False)
class JointEvaluation:
    """Both sides' policies on S evaluation slots.

    Attributes:
        leaders: the MUs among exact ASPs.
        followers: the ASPs serving what the learned MUs post among them.
        near: the ASPs serving rewards that miss those at equilibrium by a tenth.
    """

    leaders: LeaderEvaluation
    followers: FollowerEvaluation
    near: FollowerEvaluation

    @property
    def among_learned(self) -> LeaderEvaluation:
        """The rewards of ``followers``, as exact ASPs would have served them."""
        return self.followers.as_posted

    def figures(self) -> dict[str, Any]:
        """The figures in one line each; beside each regret that of the worst agent, and its name.

        ``leader_regret_relative``: of the MUs among exact ASPs. ``leader_regret_relative_learned_asps``: of the rewards
        that they post among learned ASPs, by exact responses. ``mu_utility_ratio_learned_asps``: what the MUs
        keep of their utility when learned ASPs serve, see :attr:`FollowerEvaluation.mu_utility_ratio`.
        ``follower_regret_relative``: of the learned ASPs on what the learned MUs post.
        ``follower_regret_relative_near``: on rewards near equilibrium.
        """
        return {
            **self.leaders.relative.figures("leader_regret_relative"),
            **self.followers.relative.figures("follower_regret_relative"),
            **self.of_mus(),
            **self.of_asps(),
        }

    def of_mus(self) -> dict[str, Any]:
        """Those figures that the evaluation of the MUs alone does not have."""
        return {
            **self.among_learned.relative.figures("leader_regret_relative_learned_asps"),
            "mu_utility_ratio_learned_asps": self.followers.mu_utility_ratio,
        }

    def of_asps(self) -> dict[str, Any]:
        """Those figures that the evaluation of the ASPs on what the MUs post does not have."""
        return self.near.relative.figures("follower_regret_relative_near")

    def point(self) -> dict[str, float]:
        """The figures that a learning curve is made of."""
        numbers = {name: value for name, value in self.figures().items() if not isinstance(value, str)}
        return self.leaders.point() | self.followers.point() | numbers

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``: those of each side under its name, the main ones on top."""
        return {
            "slots": len(self.leaders.rewards),
            **self.figures(),
            "leaders": self.leaders.summary(),
            "followers": self.followers.summary(),
        }


def evaluate_both(
    leaders: Posting,
    followers: Serving,
    scenario: Scenario,
    num_slots: int,
    seed: int = EVALUATION_SEED,
    *,
    certify: bool = False,
) -> JointEvaluation:
    """Measure a policy of the MUs and one of the ASPs, each against exact opponents and against the other.

    Args:
        leaders: from observations (S, M, D) to rewards as shares of ω/q (S, M, N).
        followers: from observations (S, N, D) to shares of compute and bandwidth (S, N, 2, M).
        scenario: where markets come from.
        num_slots: S, slots measured, each in an episode of its own.
        seed: of the first episode; the others follow.
        certify: whether to certify the equilibria, which takes longer than to find them.
    """
    return JointEvaluation(
        leaders=evaluate_leaders(leaders, scenario, num_slots, seed, certify=certify),
        followers=evaluate_followers(followers, scenario, num_slots, Posted(leaders), seed),
        near=evaluate_followers(followers, scenario, num_slots, NEAR, seed),
    )
