"""Whoever plays a policy asks it whom it acts for, how and where, whatever its kind."""

import numpy as np
import pytest
import torch
from random_policies import make_policy

from agents import FollowerPolicy, JointPolicy, LeaderPolicy
from agents.policy.files import KINDS
from agents.policy.followers import FollowerArchitecture
from agents.policy.leaders import LeaderArchitecture
from aigc_market_env import BatchedMarketEnv, Scenario

DUO = Scenario.preset("duo")


def random_weights(policy):
    torch.manual_seed(0)
    weights = {name: 0.3 * torch.randn(tensor.shape) for name, tensor in policy.network.state_dict().items()}
    policy.network.load_state_dict(weights, assign=True)
    return policy


def make(kind):
    sizes = DUO.num_mus, DUO.num_asps
    slot_duration = float(DUO.sample(0).slot_duration)
    leaders, followers = LeaderArchitecture(*sizes, (8,)), FollowerArchitecture(*sizes, (8,), slot_duration)
    if kind == "leader_mlp":
        return random_weights(LeaderPolicy(leaders, leaders.network()))
    if kind == "follower_mlp":
        return random_weights(FollowerPolicy(followers, followers.network()))
    if kind == "both":
        return JointPolicy(make("leader_mlp"), make("follower_mlp"))
    return make_policy(kind)


EVERY = pytest.mark.parametrize("kind", [*KINDS, "both"])
#: Policies that act where MUs have wallets, and only there: tests/agents/policy/test_level_set.py.
WITHOUT_WALLETS = pytest.mark.parametrize("kind", [*(kind for kind in KINDS if kind != "leader_levels"), "both"])


@EVERY
def test_a_policy_acts_for_the_sides_that_it_says(kind):
    policy = make(kind)
    assert policy.kind == kind
    assert (policy.mus is not None, policy.asps is not None) == (
        not kind.startswith("follower"),
        not kind.startswith("leader"),
    )


@WITHOUT_WALLETS
def test_what_a_side_posts_and_serves_are_actions_of_the_batched_environment(kind):
    policy, env = make(kind), BatchedMarketEnv(DUO, 3, asps="agents", max_cycles=None, seed=0)
    observations, _ = env.reset()
    market = env.market
    links = (3, DUO.num_mus, DUO.num_asps)
    shares = np.full(links, 0.3) if policy.mus is None else policy.mus.post(market, observations["mu"])
    assert shares.shape == links
    assert ((shares >= 0.0) & (shares <= 1.0)).all()
    observations, *_ = env.step({"mu": shares})
    if policy.asps is None:
        return
    served = policy.asps.serve(market, shares * market.reward_bound[..., None], observations["asp"])
    assert served.shape == (3, DUO.num_asps, 2, DUO.num_mus)
    assert (served >= 0.0).all()
    assert (served.sum(axis=-1) <= 1.0 + 1e-9).all()
    env.step({"asp": served})


@WITHOUT_WALLETS
def test_a_policy_of_one_market_refuses_markets_of_another_size(kind):
    policy = make(kind)
    policy.check_fits(DUO)
    larger = Scenario.preset("campus")
    if policy.any_size:
        policy.check_fits(larger)
    else:
        with pytest.raises(ValueError, match=r"^a policy for markets of 2 MUs and 1 ASPs; campus has 8 and 4"):
            policy.check_fits(larger)


def test_providers_refuse_slots_of_another_length():
    architecture = FollowerArchitecture(DUO.num_mus, DUO.num_asps, (8,), 123.0)
    with pytest.raises(ValueError, match=r"^a policy of providers for slots of 123 s"):
        FollowerPolicy(architecture, architecture.network()).check_fits(DUO)
