"""How good policies are: regrets and what is paid, delivered and used, beside best responses and the equilibrium."""

from aigc_market_env.evaluation.both import JointEvaluation, evaluate_both
from aigc_market_env.evaluation.followers import FollowerEvaluation, evaluate_followers
from aigc_market_env.evaluation.leaders import LeaderEvaluation, evaluate_leaders, judge_rewards

__all__ = [
    "FollowerEvaluation",
    "JointEvaluation",
    "LeaderEvaluation",
    "evaluate_both",
    "evaluate_followers",
    "evaluate_leaders",
    "judge_rewards",
]
