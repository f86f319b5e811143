import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import games, permuted, random_market, random_rewards
from scipy.optimize import brentq, minimize

from aigc_market_env import (
    follower_response,
    leader_best_response,
    leader_regret,
    leader_regret_bound,
    reward_gradient,
)


def utilities(market, rewards):
    response = follower_response(market, rewards)
    return market.outcome(rewards, response.compute, response.bandwidth).mu_utility


def with_row(rewards, m, rows):
    """``rewards`` with MU ``m``'s row replaced by each of ``rows`` (..., N)."""
    made = np.broadcast_to(rewards, (*rows.shape[:-1], *rewards.shape)).copy()
    made[..., m, :] = rows
    return made


# Gradient


def difference_quotients(market, rewards, m, n, step):
    moved = np.stack([rewards] * 5)
    moved[:, m, n] *= 1 + step * np.arange(-2, 3)
    u = utilities(market, moved)[:, m]
    h = step * rewards[m, n]
    return (u[2] - u[1]) / h, (u[3] - u[2]) / h, (8 * (u[3] - u[1]) - (u[4] - u[0])) / (12 * h)


@pytest.mark.parametrize("load", [0.01, 0.3, 1.0, 10.0])
def test_gradient_agrees_with_central_differences(load):
    rng = np.random.default_rng(1)
    checked = kinks = 0
    for _ in range(25):
        market = random_market(rng, rng.integers(1, 7), rng.integers(1, 4), load)
        rewards = random_rewards(rng, market)
        gradient = reward_gradient(market, rewards)
        served = follower_response(market, rewards).throughput > 0
        assert (gradient[~served] == 0).all()
        qoe = market.outcome(rewards, *(lambda a: (a.compute, a.bandwidth))(follower_response(market, rewards))).qoe
        for m, n in np.argwhere(served):
            left, right, centre = difference_quotients(market, rewards, m, n, 1e-4)
            scale = abs(gradient[m, n]) + qoe[m, n]
            # Differences of the utility lose what rounding takes from it.
            rounding = 1e-12 * market.satisfaction_scale[m] / (1e-4 * rewards[m, n])
            if abs(left - right) > 1e-2 * scale + rounding:
                kinks += 1
                continue
            checked += 1
            assert abs(gradient[m, n] - centre) <= 1e-6 * scale + rounding
    assert checked > 40
    assert kinks <= 0.05 * checked


@given(games(batch=(20,)))
def test_priced_out_pairs_have_no_gradient(game):
    market, rewards = game
    served = follower_response(market, rewards).throughput > 0
    gradient = reward_gradient(market, rewards)
    assert (gradient[~served] == 0).all()
    assert np.isfinite(gradient).all()


def test_gradient_on_a_kink_is_the_one_towards_lower_rewards():
    market, kink = market_with_kink()
    above, below = (reward_gradient(market, np.array([[kink * (1 + s)]]))[0, 0] for s in (1e-7, -1e-7))
    assert below > 0 > above
    assert reward_gradient(market, np.array([[kink * (1 - 1e-12)]]))[0, 0] == pytest.approx(below, rel=1e-5)


# Best responses against brute force


def climb_by_brute_force(market, rewards, m, row, points=200):
    """Coordinate ascent over grids that close in; knows utilities alone, no derivative."""
    bound, best = market.reward_bound[m], -np.inf
    row = row.copy()
    for width in (None, None, 0.1, 0.01, 1e-3, 1e-4, 1e-5):
        for n in range(market.num_asps):
            grid = bound * np.geomspace(1e-5, 1, points)
            if width is not None:
                grid = np.clip(row[n] * np.exp(np.linspace(-width, width, points)), 0, bound)
            rows = np.tile(row, (points, 1))
            rows[:, n] = grid
            u = utilities(market, with_row(rewards, m, rows))[:, m]
            row[n], best = grid[u.argmax()], max(best, u.max())
    return best


@pytest.mark.parametrize("seed", range(12))
def test_no_reward_to_one_asp_beats_the_best_response(seed):
    rng = np.random.default_rng(seed)
    market = random_market(rng, 2, 1, 10 ** rng.uniform(-2, 2))
    rewards = random_rewards(rng, market)
    _, best = leader_best_response(market, rewards)
    for m in range(2):
        grid = market.reward_bound[m] * np.linspace(0, 1, 4001)[:, None]
        u = utilities(market, with_row(rewards, m, grid))[:, m]
        assert u.max() <= best[m] + 1e-9 * abs(best[m])
        near = np.clip(grid[u.argmax()] + market.reward_bound[m] / 4000 * np.linspace(-1, 1, 4001)[:, None], 0, None)
        refined = utilities(market, with_row(rewards, m, near))[:, m].max()
        assert refined == pytest.approx(best[m], rel=1e-6, abs=1e-12 * market.satisfaction_scale[m])


@pytest.mark.parametrize("seed", range(6))
def test_no_pair_of_rewards_beats_the_best_response(seed):
    rng = np.random.default_rng(seed)
    market = random_market(rng, 2, 2, 10 ** rng.uniform(-1, 1))
    rewards = random_rewards(rng, market)
    _, best = leader_best_response(market, rewards)
    for m in range(2):
        axis = market.reward_bound[m] * np.geomspace(1e-3, 1, 80)
        u = utilities(market, with_row(rewards, m, np.stack(np.meshgrid(axis, axis), -1)))[..., m]
        assert u.max() <= best[m] + 1e-9 * abs(best[m])
        assert u.max() >= best[m] - 0.05 * market.satisfaction_scale[m]


@pytest.mark.parametrize("seed", range(40))
def test_a_search_without_derivatives_finds_nothing_better(seed):
    rng = np.random.default_rng(1000 + seed)
    market = random_market(rng, rng.integers(1, 7), rng.integers(1, 4), 10 ** rng.uniform(-1, 2))
    rewards = random_rewards(rng, market)
    _, best = leader_best_response(market, rewards)
    m = rng.integers(market.num_mus)
    row = rng.uniform(0, 1, market.num_asps) * market.reward_bound[m]
    found = climb_by_brute_force(market, rewards, m, row)
    assert found <= best[m] + 1e-8 * abs(best[m]) + 1e-13 * market.satisfaction_scale[m]


# Markets whose best responses have several peaks: seed, factor on qoe_requirement, whether rewards are moved towards
# their bound, MU. A search with one multiplier for all ASPs and one peak for each missed 2e-5, 3e-6 and (at a kink)
# 3e-4 of the best utility.
PEAKS = [(20_496, 1.0, False, 2), (22_352, 1.0, True, 0), (52_354, 1e-3, False, 1)]


@pytest.mark.parametrize(("seed", "factor", "high", "m"), PEAKS)
def test_best_responses_with_several_peaks(seed, factor, high, m):
    rng = np.random.default_rng(seed)
    market = random_market(rng, int(rng.integers(1, 7)), int(rng.integers(1, 4)), 10 ** rng.uniform(-1, 2))
    market = market.replace(qoe_requirement=factor * market.qoe_requirement)
    rewards = random_rewards(rng, market)
    if high:
        rewards = np.sqrt(rewards * market.reward_bound[:, None])
    _, best = leader_best_response(market, rewards)
    starts = np.random.default_rng(0).uniform(0, 1, (4, market.num_asps)) * [[1.0], [1.0], [0.1], [0.01]]
    for row in starts * market.reward_bound[m]:
        assert climb_by_brute_force(market, rewards, m, row, 400) <= best[m] * (1 + 1e-8)


@pytest.mark.parametrize("seed", range(25))
def test_gradient_ascent_from_many_starts_finds_nothing_better(seed):
    rng = np.random.default_rng(500 + seed)
    market = random_market(rng, rng.integers(1, 6), rng.integers(1, 5), 10 ** rng.uniform(-1.5, 1.5))
    rewards = random_rewards(rng, market)
    response, best = leader_best_response(market, rewards)
    m = rng.integers(market.num_mus)
    bound, unit = market.reward_bound[m], market.satisfaction_scale[m]

    def loss(share):
        posted = with_row(rewards, m, share * bound)
        return -utilities(market, posted)[m] / unit, -reward_gradient(market, posted)[m] * bound / unit

    near = np.clip(response[m] / bound * np.exp(0.05 * rng.standard_normal(market.num_asps)), 0, 1)
    found = []
    for start in (near, *rng.uniform(0.01, 1, (5, market.num_asps)) ** 2):
        result = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * market.num_asps)
        found.append(-result.fun * unit)
    assert max(found) <= best[m] + 1e-8 * abs(best[m]) + 1e-13 * unit
    assert max(found) >= best[m] - 0.02 * unit


# What the answer claims of itself


@given(games(max_mus=6, loads=(0.01, 0.3, 1.0, 3.0, 100.0)))
def test_the_best_response_keeps_its_promise(game):
    market, rewards = game
    response, best = leader_best_response(market, rewards)
    assert (response >= 0).all()
    assert (response <= market.reward_bound[:, None] * (1 + 1e-15)).all()
    regret, before = leader_regret(market, rewards), utilities(market, rewards)
    unit = market.satisfaction_scale
    for m in range(market.num_mus):
        posted = with_row(rewards, m, response[m])
        promised = abs(utilities(market, posted)[m] - best[m])
        assert promised <= 1e-9 * abs(best[m]) + 1e-12 * unit[m]
        assert leader_regret(market, posted)[m] <= 1e-8 * abs(best[m]) + 1e-12 * unit[m]
        assert regret[m] >= 0
        assert abs(regret[m] - max(best[m] - before[m], 0)) <= 1e-10 * (abs(best[m]) + abs(before[m])) + 1e-12 * unit[m]


@given(games(max_mus=4, batch=(20,)), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_regret_bounds_the_gain_of_any_deviation(game, seed):
    market, rewards = game
    regret, before = leader_regret(market, rewards), utilities(market, rewards)
    assert (regret >= 0).all()
    others = random_rewards(np.random.default_rng(seed), market)
    for m in range(market.num_mus):
        deviation = rewards.copy()
        deviation[:, m] = others[:, m]
        gain = utilities(market, deviation)[:, m] - before[:, m]
        assert (gain <= regret[:, m] + 1e-9 * (abs(before[:, m]) + market.satisfaction_scale[:, m])).all()


# Cases solved by hand


def one_link(term, **changes):
    """One MU, one ASP, a single QoE term, capacity to spare."""
    market = random_market(np.random.default_rng(3), 1, 1, 1.0).replace(
        qoe_weights=np.eye(3)[[term]], compute_capacity=[1e9], bandwidth_capacity=[1e9]
    )
    v = {0: market.accuracy[0, 0], 1: 1.0, 2: market.patience[0] / (market.patience[0] + market.base_latency[0, 0])}
    k = {
        0: market.reasoning_tokens[0] / market.slot_duration,
        1: market.desired_tokens[0] / market.slot_duration,
        2: market.desired_tokens[0] / (market.patience[0] + market.base_latency[0, 0]),
    }
    kappa, sigma = market.flops_per_token[0], market.bits_per_token[0] / (market.spectral_efficiency[0, 0] * 1e6)
    bound = market.satisfaction_scale[0] / market.qoe_requirement[0]
    # Costs that put the entry threshold C k/v at 1 % of the reward bound, shared by compute and bandwidth.
    cost = 0.01 * bound * v[term] / k[term]
    market = market.replace(compute_cost=[0.25 * cost / kappa], bandwidth_cost=[0.25 * cost / sigma]).replace(**changes)
    return market, float(v[term]), float(k[term]), float(cost)


@pytest.mark.parametrize("term", [0, 1, 2])
def test_one_mu_one_asp_one_term_by_hand(term):
    market, v, k, cost = one_link(term)
    omega, q = market.satisfaction_scale[0], market.qoe_requirement[0]
    # The ASP serves x = √(r v k/C) - k, so Q = v - √(v k C/r): the MU maximises ω log(1 + Q/q) - r Q.

    def quality(r):
        return v - np.sqrt(v * k * cost / r)

    def derivative(r):
        rise = 0.5 * np.sqrt(v * k * cost) * r**-1.5
        return (omega / (q + quality(r)) - r) * rise - quality(r)

    reward = brentq(derivative, cost * k / v * (1 + 1e-12), omega / q, xtol=1e-15, rtol=1e-14)
    response, best = leader_best_response(market, [[0.5 * omega / q]])
    assert response[0, 0] == pytest.approx(reward, rel=1e-7)
    assert best[0] == pytest.approx(omega * np.log1p(quality(reward) / q) - reward * quality(reward), rel=1e-12)
    assert leader_regret(market, [[reward]])[0] <= 1e-12 * best[0]
    assert reward_gradient(market, [[2 * reward]])[0, 0] == pytest.approx(derivative(2 * reward), rel=1e-10)
    served = follower_response(market, [[reward]]).throughput[0, 0]
    assert served == pytest.approx(np.sqrt(reward * v * k / cost) - k, rel=1e-10)


def market_with_kink():
    """One link whose compute runs out exactly at a reward, 0.8 of the unconstrained best, where the MU then stops."""
    market, *_ = one_link(1)
    free = leader_best_response(market, [[0.0]])[0][0, 0]
    kink = 0.8 * free
    return market.replace(compute_capacity=follower_response(market, [[kink]]).compute[0]), kink


def test_the_leader_stops_where_a_capacity_starts_to_bind():
    market, kink = market_with_kink()
    for posted in (0.0, 0.5 * kink, kink, 5 * kink):
        response, best = leader_best_response(market, [[posted]])
        assert response[0, 0] == pytest.approx(kink, rel=1e-8)
        assert best[0] == pytest.approx(utilities(market, [[kink]])[0], rel=1e-8)
    assert leader_regret(market, [[kink]])[0] <= 1e-8 * best[0]
    assert leader_regret(market, [[1.1 * kink]])[0] > 1e-4 * best[0]


def test_nobody_is_worth_serving_at_huge_costs():
    market = random_market(np.random.default_rng(4), 4, 3, 1.0, (10,))
    market = market.replace(compute_cost=1e9 * market.compute_cost, bandwidth_cost=1e9 * market.bandwidth_cost)
    rewards = random_rewards(np.random.default_rng(5), market)
    _, best = leader_best_response(market, rewards)
    assert not best.any()
    assert not leader_regret(market, rewards).any()
    assert not reward_gradient(market, rewards).any()


def test_leaders_do_not_feel_one_another_when_capacity_is_plenty():
    rng = np.random.default_rng(6)
    market = random_market(rng, 4, 1, 1e-6)
    answers = [leader_best_response(market, random_rewards(rng, market)) for _ in range(5)]
    for response, best in answers[1:]:
        np.testing.assert_allclose(response, answers[0][0], rtol=1e-7)
        np.testing.assert_allclose(best, answers[0][1], rtol=1e-12)


def test_leaders_feel_one_another_when_capacity_is_scarce():
    rng = np.random.default_rng(6)
    market = random_market(rng, 4, 1, 10.0)
    rewards = random_rewards(rng, market)
    _, best = leader_best_response(market, rewards)
    _, worse = leader_best_response(market, 10 * rewards)
    assert (worse <= best * (1 + 1e-9)).all()
    assert (worse < 0.9 * best).any()


# Invariances


@given(games(max_mus=5, max_asps=3, loads=(0.1, 1.0, 10.0)), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_mus_and_asps_does_not_matter(game, random):
    market, rewards = game
    mus, asps = list(range(market.num_mus)), list(range(market.num_asps))
    random.shuffle(mus)
    random.shuffle(asps)
    other_market, other_rewards = permuted(market, mus, asps), rewards[np.ix_(mus, asps)]
    unit = market.satisfaction_scale[mus]
    best, other = leader_best_response(market, rewards)[1][mus], leader_best_response(other_market, other_rewards)[1]
    assert (abs(other - best) <= 1e-8 * abs(best) + 1e-12 * unit).all()
    gradient = reward_gradient(market, rewards)[np.ix_(mus, asps)]
    np.testing.assert_allclose(reward_gradient(other_market, other_rewards), gradient, rtol=1e-5, atol=1e-9)


@given(games(max_mus=5, max_asps=3), st.sampled_from([2.0**-20, 4.0, 2.0**30]))
@settings(max_examples=20)
def test_a_change_of_currency_changes_utilities_alone(game, rate):
    market, rewards = game
    money = ("satisfaction_scale", "compute_cost", "bandwidth_cost")
    other = market.replace(**{name: rate * getattr(market, name) for name in money})
    np.testing.assert_array_equal(reward_gradient(other, rate * rewards), reward_gradient(market, rewards))
    response, best = leader_best_response(market, rewards)
    other_response, other_best = leader_best_response(other, rate * rewards)
    np.testing.assert_allclose(other_best, rate * best, rtol=1e-9)
    np.testing.assert_allclose(utilities(other, rate * rewards), rate * utilities(market, rewards), rtol=1e-12)
    np.testing.assert_allclose(
        leader_regret(other, rate * rewards),
        rate * leader_regret(market, rewards),
        rtol=1e-8,
        atol=rate * 1e-9 * market.satisfaction_scale.max(),
    )
    assert other_response.shape == response.shape


@pytest.mark.parametrize("size", [(1, 1), (4, 2), (3, 5)])
def test_batches_answer_like_single_markets_bit_for_bit(size):
    rng = np.random.default_rng(7)
    market = random_market(rng, *size, 10 ** rng.uniform(-1, 1, (2, 40)), (2, 40))
    rewards = random_rewards(rng, market)
    together = (
        *leader_best_response(market, rewards),
        leader_regret(market, rewards),
        leader_regret_bound(market, rewards),
        reward_gradient(market, rewards),
    )
    for index in ((0, 0), (0, 39), (1, 3), (1, 22), (1, 39)):
        part = market[index], rewards[index]
        alone = (
            *leader_best_response(*part),
            leader_regret(*part),
            leader_regret_bound(*part),
            reward_gradient(*part),
        )
        for whole, single in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[index], single)


def test_one_market_broadcasts_against_many_rewards_and_many_markets_against_one():
    rng = np.random.default_rng(8)
    markets = random_market(rng, 3, 2, 1.0, (4,))
    rewards = random_rewards(rng, markets[0], (3, 1))
    for function in (leader_regret, reward_gradient, lambda *args: leader_best_response(*args)[0]):
        together = function(markets, rewards)
        assert together.shape[:2] == (3, 4)
        np.testing.assert_array_equal(function(markets[2], rewards)[:, 0], together[:, 2])
        np.testing.assert_array_equal(function(markets, rewards[1, 0]), together[1])


@pytest.mark.parametrize("function", [leader_best_response, leader_regret, leader_regret_bound, reward_gradient])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_bad_rewards_are_refused_by_index(function, value):
    market = random_market(np.random.default_rng(9), 3, 2, 1.0)
    rewards = np.ones((3, 2))
    rewards[1, 0] = value
    with pytest.raises(ValueError, match=rf"rewards\[1, 0\] = {value} must be finite and >= 0"):
        function(market, rewards)


@pytest.mark.parametrize("function", [leader_best_response, leader_regret, leader_regret_bound, reward_gradient])
def test_rewards_of_a_wrong_shape_are_refused(function):
    market = random_market(np.random.default_rng(9), 3, 2, 1.0)
    with pytest.raises(ValueError, match=r"rewards has shape \(2, 3\), expected \(\.\.\., 3, 2\)"):
        function(market, np.ones((2, 3)))
