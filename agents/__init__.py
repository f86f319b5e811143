"""Learners: PPO and SAC for the two sides of one market, set policies for every market, policy files, evaluation."""

from agents.policy import (
    FollowerPolicy,
    FollowerSetPolicy,
    JointPolicy,
    LeaderPolicy,
    LeaderSetPolicy,
    LevelSetPolicy,
    load_policy,
)
from aigc_market_env._matplotlib import without_missing_backend
from aigc_market_env._name_clash import check_packages

__all__ = [
    "FollowerPolicy",
    "FollowerSetPolicy",
    "JointPolicy",
    "LeaderPolicy",
    "LeaderSetPolicy",
    "LevelSetPolicy",
    "load_policy",
]

check_packages("experiments", beside=__file__)
without_missing_backend()  # before a module that draws is imported
