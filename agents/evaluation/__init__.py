"""How good trained policies are; what holds of any policy is in :mod:`aigc_market_env.evaluation`."""

from aigc_market_env.evaluation import (
    FollowerEvaluation,
    JointEvaluation,
    LeaderEvaluation,
    evaluate_both,
    evaluate_followers,
    evaluate_leaders,
    judge_rewards,
)

__all__ = [
    "FollowerEvaluation",
    "JointEvaluation",
    "LeaderEvaluation",
    "evaluate_both",
    "evaluate_followers",
    "evaluate_leaders",
    "judge_rewards",
]
