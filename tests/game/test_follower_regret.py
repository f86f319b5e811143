import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from markets import games, profit_scale, profits, random_market, random_rewards

from aigc_market_env import follower_regret, follower_response


def random_allocation(rng, market):
    shape = market.accuracy.shape
    shares = rng.dirichlet(np.full(market.num_mus + 1, 0.5), (2, *market.batch_shape, market.num_asps))[..., :-1]
    f, b = np.swapaxes(shares, -1, -2)
    assert f.shape == shape
    return f * market.compute_capacity[..., None, :], b * market.bandwidth_capacity[..., None, :]


@given(games(batch=(30,)), st.integers(0, 2**32 - 1))
def test_no_feasible_allocation_earns_more_than_the_dual_bound(game, seed):
    market, rewards = game
    rng = np.random.default_rng(seed)
    response = follower_response(market, rewards)
    bound = profits(market, rewards, response) + response.duality_gap
    near = np.exp(1e-3 * rng.standard_normal((2, *rewards.shape)))
    f, b = near[0] * response.compute, near[1] * response.bandwidth
    f = f / np.maximum(1, f.sum(-2, keepdims=True) / market.compute_capacity[..., None, :])
    b = b / np.maximum(1, b.sum(-2, keepdims=True) / market.bandwidth_capacity[..., None, :])
    for allocation in (random_allocation(rng, market), (f, b)):
        outcome = market.outcome(rewards, *allocation)
        scale = np.maximum(outcome.asp_cost, rewards.sum(-2))
        assert (outcome.asp_profit <= bound + 1e-14 * scale).all()
        regret = follower_regret(market, rewards, *allocation)
        assert regret.shape == (30, market.num_asps)
        assert (regret >= 0).all()
        np.testing.assert_allclose(regret, np.maximum(bound - outcome.asp_profit, 0), atol=1e-13 * scale.max())


@given(games(batch=(30,)))
def test_the_exact_response_has_no_regret(game):
    market, rewards = game
    response = follower_response(market, rewards)
    regret = follower_regret(market, rewards, response.compute, response.bandwidth)
    assert (regret <= 1e-9 * profit_scale(market, rewards, response)).all()


def test_regret_of_idling_is_the_best_profit():
    rng = np.random.default_rng(12)
    market = random_market(rng, 5, 3, 1.0)
    rewards = random_rewards(rng, market)
    best = profits(market, rewards, follower_response(market, rewards))
    assert best.max() > 0
    regret = follower_regret(market, rewards, np.zeros((5, 3)), np.zeros((5, 3)))
    np.testing.assert_allclose(regret, best, rtol=1e-10)
