"""Learners for the market: shared-parameter PPO for mobile users and for providers, policy files, evaluation."""

from agents.follower_policy import FollowerPolicy
from agents.joint_policy import JointPolicy
from agents.policy import LeaderPolicy, load_policy

__all__ = ["FollowerPolicy", "JointPolicy", "LeaderPolicy", "load_policy"]
