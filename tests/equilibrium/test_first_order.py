import numpy as np
import pytest
from hypothesis import given
from markets import games, permuted, preset_market

from aigc_market_env import Scenario, follower_response, reward_gradient, solve_equilibrium
from aigc_market_env.equilibrium.first_order import first_order


@given(games(loads=(0.3, 1.0, 3.0)))
def test_the_step_and_the_gradient_say_the_same(game):
    """dU/dlog r = Q (1 + e) (r* - r), with e from r* = V e/(1 + e): the gradient is known from elsewhere."""
    market, rewards = game
    at, gradient = first_order(market, rewards), reward_gradient(market, rewards)
    served = (at.qoe > 0) & np.isfinite(at.step)
    worth = np.broadcast_to(at.worth[:, None], rewards.shape)[served]
    r, qoe = rewards[served], at.qoe[served]
    marked = r * np.exp(at.step[served])
    expected = qoe / (1 - marked / worth) * (marked - r)
    actual, tiny = gradient[served] * r, 1e-9 * np.abs(expected).max(initial=0)
    cornered = np.broadcast_to(has_all_of_an_asp(market, rewards, at.qoe), rewards.shape)[served]
    np.testing.assert_allclose(actual[~cornered], expected[~cornered], rtol=1e-6, atol=tiny)
    np.testing.assert_allclose(actual[cornered], expected[cornered], rtol=1e-2, atol=tiny)


def has_all_of_an_asp(market, rewards, qoe):
    """Whether an ASP has one MU alone, who fills both its capacities; there the system keeps θ below 1 (system.py)."""
    response = follower_response(market, rewards)
    full = [
        used.sum(axis=0) > (1 - 1e-6) * capacity
        for used, capacity in (
            (response.compute, market.compute_capacity),
            (response.bandwidth, market.bandwidth_capacity),
        )
    ]
    return full[0] & full[1] & ((qoe > 0).sum(axis=0) == 1)


def test_what_is_delivered_and_worth():
    market = preset_market(3, 6, 3, 1.0)
    rewards = 0.4 * market.reward_bound[:, None] * np.ones((6, 3))
    rewards[0] = 1e-9
    at, response = first_order(market, rewards), follower_response(market, rewards)
    qoe = market.outcome(rewards, response.compute, response.bandwidth).qoe
    np.testing.assert_allclose(at.qoe, qoe, rtol=1e-9)
    worth = market.satisfaction_scale / (market.qoe_requirement + qoe.sum(axis=-1))
    np.testing.assert_allclose(at.worth, worth, rtol=1e-9)
    np.testing.assert_allclose(at.step[0], np.log(worth[0] / rewards[0]), rtol=1e-9)


def test_no_step_is_left_at_an_equilibrium_without_kinks():
    market = Scenario.preset("campus", load=0.3).sample(0, batch=(8,))
    equilibrium = solve_equilibrium(market)
    free = (equilibrium.outcome.utilisation < 1 - 1e-6).all(axis=(-1, -2))
    assert free.sum() >= 4
    at = first_order(market, equilibrium.rewards)
    assert np.abs(at.step[free]).max() < 1e-6


def test_a_reward_of_zero_lacks_everything():
    market = preset_market(0, 3, 2, 1.0)
    at = first_order(market, np.zeros((3, 2)))
    assert (at.step == np.inf).all()
    assert (at.qoe == 0).all()
    np.testing.assert_allclose(at.worth, market.reward_bound)


@pytest.mark.parametrize("kink_width", [0.0, 0.2])
def test_the_order_of_players_does_not_matter(kink_width):
    market = preset_market(5, 6, 4, 2.0)
    rewards = 0.3 * market.reward_bound[:, None] * np.random.default_rng(0).uniform(0.5, 2, (6, 4))
    mus, asps = np.array([3, 1, 0, 5, 2, 4]), np.array([2, 0, 3, 1])
    at = first_order(market, rewards, kink_width=kink_width)
    other = first_order(permuted(market, mus, asps), rewards[np.ix_(mus, asps)], kink_width=kink_width)
    np.testing.assert_allclose(other.step, at.step[np.ix_(mus, asps)], rtol=1e-8)


def test_a_kink_width_makes_elasticities_continuous_where_a_capacity_starts_to_bind():
    market = Scenario.preset("duo").sample(0)
    shares = np.linspace(0.05, 0.6, 400)
    rewards = shares[:, None, None] * market.reward_bound[:, None]
    states = follower_response(market, rewards)
    assert (states.compute_price == 0).any()
    assert (states.compute_price > 0).any()
    jumps = {
        width: np.abs(np.diff(first_order(market, rewards, kink_width=width).step, axis=0)).max()
        for width in (0.0, 0.5)
    }
    assert jumps[0.5] < 0.3 * jumps[0.0]
    far = first_order(market, 0.05 * market.reward_bound[:, None], kink_width=0.5)
    np.testing.assert_allclose(far.step, first_order(market, 0.05 * market.reward_bound[:, None]).step)
