"""How good policies are: regrets and what is paid, delivered and used, beside best responses and the equilibrium."""

from agents.evaluation.both import JointEvaluation, evaluate_both
from agents.evaluation.followers import FollowerEvaluation, evaluate_followers
from agents.evaluation.leaders import LeaderEvaluation, evaluate_leaders, judge_rewards

__all__ = [
    "FollowerEvaluation",
    "JointEvaluation",
    "LeaderEvaluation",
    "evaluate_both",
    "evaluate_followers",
    "evaluate_leaders",
    "judge_rewards",
]
