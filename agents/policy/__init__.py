"""What acts: policies of either side, for one market or for every market, and their files."""

from agents.policy.files import load_one_side, load_policy, save_policy
from agents.policy.follower_set import FollowerSetPolicy
from agents.policy.followers import FollowerPolicy
from agents.policy.joint import JointPolicy
from agents.policy.leader_set import LeaderSetPolicy
from agents.policy.leaders import LeaderPolicy
from agents.policy.level_set import LevelSetPolicy
from agents.policy.protocol import Policy

__all__ = [
    "FollowerPolicy",
    "FollowerSetPolicy",
    "JointPolicy",
    "LeaderPolicy",
    "LeaderSetPolicy",
    "LevelSetPolicy",
    "Policy",
    "load_one_side",
    "load_policy",
    "save_policy",
]
