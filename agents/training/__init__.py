"""Training on one market: of mobile users, of providers, or of both against each other."""

from agents.config import FollowerConfig, JointConfig, LeaderConfig
from agents.training.both import train_both
from agents.training.one_side import train_followers, train_leaders

__all__ = ["FollowerConfig", "JointConfig", "LeaderConfig", "train_both", "train_followers", "train_leaders"]
