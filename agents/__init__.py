"""Learners: PPO and SAC for the two sides of one market, set policies for every market, policy files, evaluation."""

from agents.follower_policy import FollowerPolicy
from agents.follower_set_policy import FollowerSetPolicy
from agents.joint_policy import JointPolicy
from agents.policy import LeaderPolicy, load_policy
from agents.set_policy import LeaderSetPolicy
from aigc_market_env._matplotlib import without_missing_backend

__all__ = ["FollowerPolicy", "FollowerSetPolicy", "JointPolicy", "LeaderPolicy", "LeaderSetPolicy", "load_policy"]

without_missing_backend()  # before a module that draws is imported
