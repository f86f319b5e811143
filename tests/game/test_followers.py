import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import LOADS, games, permuted, profit_scale, profits, random_market, random_rewards
from scipy.optimize import minimize

from aigc_market_env import Scenario, follower_response
from aigc_market_env.game.followers import demand_at_prices

RESULTS = ("compute", "bandwidth", "throughput", "compute_price", "bandwidth_price", "duality_gap")


# Against a solver of the primal problem, with the model written out a second time


def primal(market, rewards, n):
    """Profit of ASP ``n`` and its gradient as a function of compute and bandwidth, from the model's formulas."""
    w1, w2, w3 = market.qoe_weights.T
    slot, desired, patience = market.slot_duration, market.desired_tokens, market.patience
    sigma = market.bits_per_token / (market.spectral_efficiency[:, n] * 1e6)
    kappa, reasoning = market.flops_per_token[n], market.reasoning_tokens[n]
    accuracy, latency, r = market.accuracy[:, n], market.base_latency[:, n], rewards[:, n]
    cost_f, cost_b = market.compute_cost[n], market.bandwidth_cost[n]

    def profit(f, b):
        x = 1 / (kappa / f + sigma / b)
        tokens, time = x * slot, latency + desired / x
        score = w1 * accuracy * tokens / (tokens + reasoning) + w2 * tokens / (tokens + desired)
        score += w3 * patience / (patience + time)
        slope = w1 * accuracy * reasoning * slot / (tokens + reasoning) ** 2
        slope += w2 * desired * slot / (tokens + desired) ** 2
        slope += w3 * patience / (patience + time) ** 2 * desired / x**2
        total = (r * score).sum() - cost_f * f.sum() - cost_b * b.sum()
        return total, r * slope * x**2 * kappa / f**2 - cost_f, r * slope * x**2 * sigma / b**2 - cost_b

    return profit, kappa * desired / slot, sigma * desired / slot


def solve_primal(market, rewards, n, rng, rounds=3):
    """Best profit that SLSQP finds from two starts that owe nothing to the library; idling earns 0."""
    profit, need_f, need_b = primal(market, rewards, n)
    num_mus, cap_f, cap_b = market.num_mus, market.compute_capacity[n], market.bandwidth_capacity[n]
    floor_f, floor_b = 1e-3 * np.minimum(cap_f / num_mus, need_f), 1e-3 * np.minimum(cap_b / num_mus, need_b)
    best = 0.0
    for shares in (np.ones((2, num_mus)), rng.uniform(0.05, 2, (2, num_mus))):
        f, b = shares[0] * need_f, shares[1] * need_b
        f, b = f * min(1, 0.5 * cap_f / f.sum()), b * min(1, 0.5 * cap_b / b.sum())
        for _ in range(rounds):  # each time with variables scaled to the latest point
            unit_f, unit_b = np.maximum(f, floor_f), np.maximum(b, floor_b)
            unit = max(abs(profit(f, b)[0]), 1e-6 * rewards[:, n].max()) or 1.0

            def loss(z, unit_f=unit_f, unit_b=unit_b, unit=unit):
                total, slope_f, slope_b = profit(z[:num_mus] * unit_f, z[num_mus:] * unit_b)
                return -total / unit, -np.concatenate([slope_f * unit_f, slope_b * unit_b]) / unit

            use = np.zeros((2, 2 * num_mus))
            use[0, :num_mus], use[1, num_mus:] = unit_f / cap_f, unit_b / cap_b
            found = minimize(
                loss,
                np.concatenate([f / unit_f, b / unit_b]),
                jac=True,
                method="SLSQP",
                bounds=[(1e-9, None)] * (2 * num_mus),
                constraints={"type": "ineq", "fun": lambda z, use=use: 1 - use @ z, "jac": lambda z, use=use: -use},
                options={"maxiter": 300, "ftol": 1e-15},
            )
            z = np.maximum(found.x, 1e-9)
            f, b = z[:num_mus] * unit_f, z[num_mus:] * unit_b
            f, b = f / max(1, f.sum() / cap_f), b / max(1, b.sum() / cap_b)
            best = max(best, profit(f, b)[0])
    return best


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("block", range(10))
def test_profit_is_the_best_of_an_independent_solver(block):
    worst = []
    for seed in range(20 * block, 20 * block + 20):
        rng = np.random.default_rng(seed)
        size = rng.integers(1, 21), rng.integers(1, 9)
        market = random_market(rng, *size, 10 ** rng.uniform(-4, 4))
        rewards = random_rewards(rng, market)
        n = rng.integers(size[1])
        response = follower_response(market, rewards)
        own = profits(market, rewards, response)[n]
        other = solve_primal(market, rewards, n, rng)
        worst.append(abs(own - other) / own if own > 0 else other)
        # The library's allocation earns, by the formulas written above, what the library says.
        f, b = response.compute[:, n], response.bandwidth[:, n]
        assert primal(market, rewards, n)[0](f, b)[0] == pytest.approx(own, rel=1e-9, abs=1e-300)
    assert max(worst) <= 1e-6


# Certificate and feasibility


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 3)])
def test_duality_gap_vanishes_at_every_load(load, size):
    rng = np.random.default_rng(7)
    market = random_market(rng, *size, load, (300,))
    rewards = random_rewards(rng, market)
    response = follower_response(market, rewards)
    assert (response.duality_gap >= 0).all()
    assert (response.duality_gap <= 1e-9 * profit_scale(market, rewards, response)).all()
    assert (response.throughput > 0).any()


def test_duality_gap_covers_what_a_loose_tolerance_misses():
    rng = np.random.default_rng(15)
    market = random_market(rng, 8, 3, 3.0, (300,))
    rewards = random_rewards(rng, market)
    exact, loose = (follower_response(market, rewards, tolerance=tolerance) for tolerance in (1e-12, 0.1))
    missed = profits(market, rewards, exact) - profits(market, rewards, loose)
    scale = profit_scale(market, rewards, exact)
    assert (missed > 1e-4 * scale).any()
    assert (loose.duality_gap >= missed - 1e-12 * scale).all()


def test_loads_reach_from_no_binding_capacity_to_all_binding():
    rng = np.random.default_rng(7)
    binding = []
    for load in LOADS:
        market = random_market(rng, 10, 3, load, (100,))
        binding.append((follower_response(market, random_rewards(rng, market)).compute_price > 0).mean())
    assert binding[0] == 0
    assert binding[-1] > 0.95
    assert 0.1 < binding[LOADS.index(1.0)] < 0.9


@given(games(max_mus=20, batch=(20,)), st.sampled_from([0, 1, 3, 6, 9]))
def test_capacity_is_never_exceeded_by_a_single_bit(game, power):
    market, rewards = game
    response = follower_response(market, rewards * 10**power)
    for used, capacity in (
        (response.compute, market.compute_capacity),
        (response.bandwidth, market.bandwidth_capacity),
    ):
        assert (used >= 0).all()
        assert (used.sum(-2) <= capacity).all()
        assert (used[..., ::-1, :].sum(-2) <= capacity).all()
        assert (np.cumsum(used, axis=-2)[..., -1, :] <= capacity).all()


@given(games(batch=(20,)))
def test_a_capacity_with_a_price_is_used_up(game):
    market, rewards = game
    response = follower_response(market, rewards)
    for used, capacity, price in (
        (response.compute, market.compute_capacity, response.compute_price),
        (response.bandwidth, market.bandwidth_capacity, response.bandwidth_price),
    ):
        slack = 1 - used.sum(-2) / capacity
        assert (price >= 0).all()
        assert (slack[price > 0] <= 1e-6).all()


@given(games(batch=(20,)))
def test_first_order_conditions_hold_and_priced_out_pairs_get_nothing(game):
    market, rewards = game
    response = follower_response(market, rewards)
    u = (market.compute_cost + response.compute_price)[..., None, :]
    w = (market.bandwidth_cost + response.bandwidth_price)[..., None, :]
    kappa, sigma = market.flops_per_token[..., None, :], market.bandwidth_per_rate
    cost = (np.sqrt(u * kappa) + np.sqrt(w * sigma)) ** 2

    def slope(x):
        tokens = x * market.slot_duration[..., None, None]
        desired = market.desired_tokens[..., None]
        ell, tau = market.reasoning_tokens[..., None, :], market.patience[..., None] + market.base_latency
        weights = market.qoe_weights[..., None, :]
        terms = weights[..., 0] * market.accuracy * ell / (tokens + ell) ** 2
        terms = terms + weights[..., 1] * desired / (tokens + desired) ** 2
        terms = terms * market.slot_duration[..., None, None]
        return terms + weights[..., 2] * market.patience[..., None] * desired / (x * tau + desired) ** 2

    served = response.throughput > 0
    entry = rewards * slope(0.0)
    assert not served[entry < cost * (1 - 1e-12)].any()
    assert served[entry > cost * (1 + 1e-6)].all()
    assert not served[rewards == 0].any()
    assert (response.compute[~served] == 0).all()
    assert (response.bandwidth[~served] == 0).all()
    np.testing.assert_allclose((rewards * slope(response.throughput))[served], cost[served], rtol=1e-6)


def test_profit_is_never_negative():
    rng = np.random.default_rng(8)
    for load in LOADS:
        market = random_market(rng, 6, 3, load, (200,))
        rewards = random_rewards(rng, market)
        response = follower_response(market, rewards)
        assert (profits(market, rewards, response) >= -1e-12 * profit_scale(market, rewards, response)).all()


def test_no_reward_no_service():
    market = random_market(np.random.default_rng(9), 5, 3, 1.0)
    response = follower_response(market, np.zeros((5, 3)))
    for name in RESULTS:
        assert not getattr(response, name).any()


def test_only_mu_of_an_asp_takes_the_scarce_capacity():
    market = random_market(np.random.default_rng(10), 1, 1, 1e3)
    response = follower_response(market, 1e6 * market.reward_bound[:, None])
    assert response.compute[0, 0] == pytest.approx(market.compute_capacity[0], rel=1e-9)
    assert response.bandwidth[0, 0] == pytest.approx(market.bandwidth_capacity[0], rel=1e-9)


# Invariances


@given(games(), st.randoms(use_true_random=False))
def test_the_order_of_mus_and_asps_does_not_matter(game, random):
    market, rewards = game
    mus, asps = list(range(market.num_mus)), list(range(market.num_asps))
    random.shuffle(mus)
    random.shuffle(asps)
    response = follower_response(market, rewards)
    other = follower_response(permuted(market, mus, asps), rewards[np.ix_(mus, asps)])
    for name, capacity in (("compute", market.compute_capacity), ("bandwidth", market.bandwidth_capacity)):
        expected = getattr(response, name)[np.ix_(mus, asps)]
        assert (abs(getattr(other, name) - expected) <= 1e-8 * expected + 1e-9 * capacity[asps]).all()
    for name, unit in (("compute_price", market.compute_cost), ("bandwidth_price", market.bandwidth_cost)):
        expected = getattr(response, name)[asps]
        assert (abs(getattr(other, name) - expected) <= 1e-6 * (expected + unit[asps])).all()


@given(games(), st.sampled_from([2.0**-20, 0.25, 4.0, 2.0**30]))
def test_a_change_of_currency_changes_prices_alone(game, rate):
    market, rewards = game
    money = ("satisfaction_scale", "compute_cost", "bandwidth_cost")
    other_market = market.replace(**{name: rate * getattr(market, name) for name in money})
    response, other = follower_response(market, rewards), follower_response(other_market, rate * rewards)
    for name in ("compute", "bandwidth", "throughput"):
        np.testing.assert_array_equal(getattr(other, name), getattr(response, name))
    for name in ("compute_price", "bandwidth_price", "duality_gap"):
        np.testing.assert_array_equal(getattr(other, name), rate * getattr(response, name))


@given(games(batch=(3, 40)))
def test_batches_answer_like_single_markets_bit_for_bit(game):
    market, rewards = game
    together = follower_response(market, rewards)
    for index in ((0, 0), (1, 17), (2, 39)):
        alone = follower_response(market[index], rewards[index])
        for name in RESULTS:
            np.testing.assert_array_equal(getattr(together, name)[index], getattr(alone, name))


def test_one_market_broadcasts_against_many_rewards_and_many_markets_against_one():
    rng = np.random.default_rng(11)
    markets = random_market(rng, 4, 2, 1.0, (5,))
    rewards = random_rewards(rng, markets[0], (3, 1))
    response = follower_response(markets, rewards)
    assert response.compute.shape == (3, 5, 4, 2)
    assert response.compute_price.shape == response.duality_gap.shape == (3, 5, 2)
    many_rewards, many_markets = follower_response(markets[2], rewards), follower_response(markets, rewards[1, 0])
    for name in RESULTS:
        together = getattr(response, name)
        np.testing.assert_array_equal(getattr(many_rewards, name)[:, 0], together[:, 2])
        np.testing.assert_array_equal(getattr(many_markets, name), together[1])


@given(games(batch=(30,)), st.floats(1e-6, 3))
def test_raising_a_reward_never_lowers_what_it_buys(game, rise):
    market, rewards = game
    m, n = market.num_mus - 1, market.num_asps - 1
    raised = rewards.copy()
    raised[..., m, n] *= 1 + rise
    before, after = (
        market.outcome(r, *(lambda a: (a.compute, a.bandwidth))(follower_response(market, r))).qoe[..., m, n]
        for r in (rewards, raised)
    )
    assert (after >= before * (1 - 1e-9)).all()


# Bad input


@pytest.mark.parametrize("value", [-1.0, -1e-300, np.nan, np.inf, -np.inf])
def test_bad_rewards_are_refused_by_index(value):
    market = random_market(np.random.default_rng(13), 3, 2, 1.0, (4,))
    rewards = np.ones((4, 3, 2))
    rewards[3, 2, 1] = value
    with pytest.raises(ValueError, match=rf"rewards\[3, 2, 1\] = {value} must be finite and >= 0"):
        follower_response(market, rewards)


@pytest.mark.parametrize("shape", [(), (2,), (3,), (2, 3), (3, 1), (1, 2), (3, 2, 1), (0, 2)])
def test_rewards_of_a_wrong_shape_are_refused(shape):
    market = random_market(np.random.default_rng(13), 3, 2, 1.0)
    with pytest.raises(ValueError, match=r"rewards has shape .*, expected \(\.\.\., 3, 2\)"):
        follower_response(market, np.ones(shape))


@pytest.mark.parametrize(
    "rewards", ["much", None, [[1, 2], [3], [4]], [["1", "2"]] * 3, [[1j, 0]] * 3, [[True] * 2] * 3]
)
def test_rewards_that_are_no_numbers_are_refused(rewards):
    market = random_market(np.random.default_rng(13), 3, 2, 1.0)
    with pytest.raises(ValueError, match="rewards must be an array of numbers"):
        follower_response(market, rewards)


def test_batch_axes_that_do_not_fit_are_refused():
    market = random_market(np.random.default_rng(13), 3, 2, 1.0, (4,))
    with pytest.raises(ValueError, match="do not broadcast"):
        follower_response(market, np.ones((5, 3, 2)))


def test_the_rewards_passed_in_are_left_alone():
    rng = np.random.default_rng(14)
    market = random_market(rng, 3, 2, 1.0)
    rewards = random_rewards(rng, market)
    before = rewards.copy()
    follower_response(market, rewards)
    np.testing.assert_array_equal(rewards, before)


@given(games(batch=(2,)))
def test_demand_at_the_shadow_prices_is_the_best_response(game):
    market, rewards = game
    response = follower_response(market, rewards)
    wanted = demand_at_prices(market, rewards, response.compute_price, response.bandwidth_price)
    np.testing.assert_allclose(wanted.compute, response.compute, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(wanted.bandwidth, response.bandwidth, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(wanted.throughput, response.throughput, rtol=1e-5, atol=1e-9)


def test_demand_falls_with_prices_and_refuses_negative_ones():
    market = Scenario.preset("duo").sample(0)
    rewards = 0.5 * market.reward_bound[:, None]
    low, high = demand_at_prices(market, rewards, 0.0, 0.0), demand_at_prices(market, rewards, 0.5, 1.0)
    assert (high.throughput < low.throughput).all()
    with pytest.raises(ValueError, match="compute_price"):
        demand_at_prices(market, rewards, -1.0, 0.0)
