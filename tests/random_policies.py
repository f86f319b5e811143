"""Policies with weights drawn at random."""

import torch

from agents.policy.follower_set import FollowerSetArchitecture, FollowerSetPolicy
from agents.policy.leader_set import LeaderSetArchitecture, LeaderSetPolicy


def make_policy(kind, width=8, layers=2, seed=0):
    """A policy with weights drawn at random, small enough to stay near its starting point.

    "outcomes" is a policy of leaders that sees no first-order conditions.
    """
    architecture = {
        "leader_set": LeaderSetArchitecture(width, layers),
        "outcomes": LeaderSetArchitecture(width, layers, first_order=False),
        "follower_set": FollowerSetArchitecture(width, layers),
    }[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture.network()
    with torch.no_grad():
        network.last.weight.mul_(0.3)
    return (FollowerSetPolicy if kind == "follower_set" else LeaderSetPolicy)(architecture, network)
