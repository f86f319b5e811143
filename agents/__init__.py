"""Learners for the market: PPO for one market, set policies for every market, policy files, evaluation."""

from agents.follower_set_policy import FollowerSetPolicy
from agents.policy import LeaderPolicy, load_policy
from agents.set_policy import LeaderSetPolicy

__all__ = ["FollowerSetPolicy", "LeaderPolicy", "LeaderSetPolicy", "load_policy"]
