import numpy as np
import pytest
from markets import preset_market

from aigc_market_env import Market, follower_regret, follower_response, leader_regret
from aigc_market_env.equilibrium import certify_rewards, nash_conv, solve_equilibrium


def test_nash_conv_is_the_sum_of_all_regrets():
    markets = Market.stack([preset_market(i, 4, 2, 1.0) for i in range(3)])
    rewards = 0.4 * np.repeat(markets.reward_bound[..., None], 2, axis=-1)
    response = follower_response(markets, rewards)
    compute, bandwidth = 0.5 * response.compute, 0.5 * response.bandwidth
    total = nash_conv(markets, rewards, compute, bandwidth)
    parts = leader_regret(markets, rewards).sum(-1) + follower_regret(markets, rewards, compute, bandwidth).sum(-1)
    assert total.shape == (3,)
    assert total == pytest.approx(parts)
    assert (total > 0).all()


def test_nash_conv_vanishes_at_an_equilibrium():
    market = preset_market(0, 4, 2, 0.3)
    found = solve_equilibrium(market)
    value = nash_conv(market, found.rewards, found.outcome.compute, found.outcome.bandwidth)
    assert value <= 1e-6 * found.outcome.mu_utility.sum()


def test_certificate_refuses_what_is_not_an_equilibrium():
    market = preset_market(0, 4, 2, 1.0)
    found = solve_equilibrium(market)
    assert found.certificate.converged
    assert not certify_rewards(market, 1.05 * found.rewards).converged
    assert certify_rewards(market, 1.05 * found.rewards, tolerance=1.0).converged
