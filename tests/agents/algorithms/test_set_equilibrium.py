import numpy as np
import pytest

from agents.algorithms.set_equilibrium import EquilibriumConfig, draw_rewards
from agents.market_draws import MarketDistribution
from aigc_market_env import follower_regret, follower_response, leader_regret

SMALL = MarketDistribution(num_mus=(3, 5), num_asps=(2, 3))


def regret(policy, market):
    """Mean regret of a policy's side; followers', at rewards of many kinds."""
    if policy.kind == "leader_set":
        return leader_regret(market, policy.rewards(market, passes=1)).mean()
    rewards = draw_rewards(market, np.random.default_rng(0))
    return follower_regret(market, rewards, *policy.allocate(market, rewards)).mean()


@pytest.mark.parametrize("side", ["leaders", "followers"])
def test_training_lowers_regret_in_markets_of_another_size(side):
    config = EquilibriumConfig(side=side, markets=SMALL, updates=120, links=240, width=32, layers=2, warm_up=10)
    market = SMALL.sample_size(np.random.default_rng(99), 7, 4, 12)
    learner = config.make_learner()
    before = regret(learner.policy(), market)
    while not learner.done:
        learner.step()
    assert regret(learner.policy(), market) < 0.25 * before


def test_transitions_count_decisions_of_the_side_that_learns():
    only = MarketDistribution(num_mus=(4, 4), num_asps=(3, 3))
    for side, agents in (("leaders", 4), ("followers", 3)):
        config = EquilibriumConfig(side=side, markets=only, updates=2, links=60, width=8, layers=1)
        learner = config.make_learner()
        learner.step()
        assert learner.transitions == agents * 5


def test_followers_learn_from_rewards_within_the_bound():
    market = SMALL.sample(np.random.default_rng(0), 600)
    rewards = draw_rewards(market, np.random.default_rng(1))
    share = rewards / market.reward_bound[..., None]
    assert (share > 0).all()
    assert share.max() <= 1 + 1e-12
    response = follower_response(market, rewards)
    for used, capacity in (
        (response.compute, market.compute_capacity),
        (response.bandwidth, market.bandwidth_capacity),
    ):
        full = used.sum(axis=-2) > 0.999 * capacity
        assert 0.1 < full.mean() < 0.9
