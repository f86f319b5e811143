"""Learners for the market: a shared-parameter PPO for mobile users, policy files, evaluation."""

from agents.policy import LeaderPolicy, load_policy

__all__ = ["LeaderPolicy", "load_policy"]
