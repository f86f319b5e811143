"""What acts: policies of either side, for one market or for every market, and their files."""

from agents.policy.files import LeaderPolicy, load_one_side, load_policy, save_policy
from agents.policy.follower_set import FollowerSetPolicy
from agents.policy.followers import FollowerPolicy
from agents.policy.joint import JointPolicy
from agents.policy.leader_set import LeaderSetPolicy

__all__ = [
    "FollowerPolicy",
    "FollowerSetPolicy",
    "JointPolicy",
    "LeaderPolicy",
    "LeaderSetPolicy",
    "load_one_side",
    "load_policy",
    "save_policy",
]
