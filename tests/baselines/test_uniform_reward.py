import numpy as np
import pytest
from markets import preset_market

from aigc_market_env import Scenario, follower_response
from baselines import MECHANISMS

UNIFORM = MECHANISMS["uniform_reward"]


@pytest.mark.parametrize(("preset", "load", "seed"), [("campus", 1.0, 0), ("campus", 4.0, 1), ("random", 0.3, 2)])
def test_no_mu_gains_by_another_uniform_reward(preset, load, seed):
    market = Scenario.preset(preset, load=load, num_mus=4, num_asps=3).sample(seed)
    outcome = UNIFORM.run(market, np.random.default_rng(0)).outcome
    assert np.ptp(outcome.rewards, axis=1).max() == 0.0
    shares = np.linspace(1e-3, 1.0, 4000)
    for m in range(4):
        rewards = np.repeat(outcome.rewards[None], len(shares), axis=0)
        rewards[:, m] = shares[:, None] * market.reward_bound[m]
        response = follower_response(market, rewards)
        tried = market.outcome(rewards, response.compute, response.bandwidth).mu_utility[:, m]
        assert tried.max() <= outcome.mu_utility[m] + 1e-4 * outcome.mu_utility.mean()
        # The grid comes close to it, so that it is a best response and not merely better than what was tried.
        assert tried.max() >= outcome.mu_utility[m] - 1e-3 * outcome.mu_utility.mean()


def test_with_one_asp_it_is_the_personalised_equilibrium():
    market = preset_market(3, 4, 1, 0.05)  # nothing binds, so there are no kinks
    ours = UNIFORM.run(market, np.random.default_rng(0)).outcome
    personal = MECHANISMS["oracle"].run(market, np.random.default_rng(0)).outcome
    assert ours.mu_utility == pytest.approx(personal.mu_utility, rel=1e-3)
    assert ours.throughput == pytest.approx(personal.throughput, rel=1e-2)
