"""Policies with weights drawn at random."""

import torch

from agents.policy.follower_set import FollowerSetArchitecture
from agents.policy.leader_set import LeaderSetArchitecture
from agents.policy.level_set import LevelSetArchitecture


def make_policy(kind, width=8, layers=2, seed=0):
    """A policy with weights drawn at random, small enough to stay near its starting point.

    "outcomes" is a policy of leaders that sees no first-order conditions, "leader_levels" one of leaders with wallets.
    """
    architecture = {
        "leader_set": LeaderSetArchitecture(width, layers),
        "outcomes": LeaderSetArchitecture(width, layers, first_order=False),
        "follower_set": FollowerSetArchitecture(width, layers),
        "leader_levels": LevelSetArchitecture(width, layers, level_width=width, level_layers=layers),
    }[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture.network()
    parts = [network.levels, network.pricing] if kind == "leader_levels" else [network]
    with torch.no_grad():
        for part in parts:
            part.last.weight.mul_(0.3)
    return architecture.policy(network)
