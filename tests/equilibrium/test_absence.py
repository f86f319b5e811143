"""Proofs that there is no equilibrium, attacked with equilibria, with points in excluded boxes, and at ugly ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_market_env import Market, Scenario, follower_response, no_pure_equilibrium, solve_equilibrium
from aigc_market_env.equilibrium.certificate import certify_rewards, least_utility
from aigc_market_env.equilibrium.reward_boxes import new_box_bounds, regrets
from aigc_market_env.game.followers import demand_at_prices
from aigc_market_env.game.leaders import deviations
from tests.markets import games, permuted, preset_market, random_market


def duo(load):
    return Scenario.preset("duo", load=load).sample(0)


def largest_regret(market, rewards):
    """Of any MU, over the mean utility, at points (..., M, N)."""
    found = deviations(market, rewards)
    return found.regret.max(axis=-1) / np.maximum(found.current.mean(axis=-1), least_utility(market))


# Proofs


@pytest.mark.parametrize("load", [5.0, 6.0, 7.25, 8.0])
def test_duo_has_no_equilibrium_at_high_loads(load):
    market = duo(load)
    found = no_pure_equilibrium(market)
    assert found.proven
    assert found.left.shape == (0, 2, 2, 1)
    assert 3e-4 < found.epsilon <= found.least_regret <= found.epsilon / 0.9
    assert largest_regret(market, found.rewards) == pytest.approx(found.least_regret, rel=1e-6)
    near = found.rewards * np.exp(np.random.default_rng(0).normal(0, [[0.03], [0.03]], (300, 2, 1)))
    far = 10 ** np.random.default_rng(1).uniform(-2, 0, (300, 2, 1)) * market.reward_bound[:, None]
    assert (largest_regret(market, np.concatenate([near, far])) > found.epsilon).all()


def test_two_asps():
    market = preset_market(298, 2, 2, 5.0)
    found = no_pure_equilibrium(market, accuracy=0.95)
    assert found.epsilon > 1e-4
    assert found.rewards.shape == (2, 2)
    points = found.rewards * np.exp(np.random.default_rng(0).normal(0, 0.05, (200, 2, 2)))
    assert (largest_regret(market, points) > found.epsilon).all()


def test_the_order_of_mus_and_asps_does_not_matter():
    market = preset_market(83, 2, 2, 8.0)
    one = no_pure_equilibrium(market, accuracy=0.9, max_boxes=2000)
    other = no_pure_equilibrium(permuted(market, [1, 0], [1, 0]), accuracy=0.9, max_boxes=2000)
    assert other.epsilon == pytest.approx(one.epsilon, rel=1e-6)
    single = duo(7.0)
    one, other = no_pure_equilibrium(single), no_pure_equilibrium(permuted(single, [1, 0], [0]))
    assert other.epsilon == pytest.approx(one.epsilon, rel=1e-6)
    np.testing.assert_allclose(other.rewards[::-1], one.rewards, rtol=1e-9)


def test_the_same_bits_every_time():
    one, other = no_pure_equilibrium(duo(6.0)), no_pure_equilibrium(duo(6.0))
    assert (one.epsilon, one.least_regret, one.boxes) == (other.epsilon, other.least_regret, other.boxes)
    np.testing.assert_array_equal(one.rewards, other.rewards)


# No proof where there is an equilibrium


def holds(boxes, rewards, market):
    """Whether a point is in one of the boxes left; below an entry threshold any reward is the same."""
    low, high = boxes[:, 0], boxes[:, 1]
    lowest = low.min(axis=0) if len(low) else np.inf
    point = np.clip(rewards, lowest, market.reward_bound[:, None])
    return bool(((low <= point) & (point <= high)).all(axis=(1, 2)).any())


@pytest.mark.parametrize("load", [0.05, 1.0, 2.0, 3.0, 4.25])
def test_duo_has_one_at_low_loads(load):
    market = duo(load)
    found, equilibrium = no_pure_equilibrium(market), solve_equilibrium(market)
    assert equilibrium.certificate.converged
    assert not found.proven
    assert found.epsilon == 0
    assert found.least_regret <= 1e-6
    assert holds(found.left, equilibrium.rewards, market)


def certified(markets):
    """Those of the markets in which the oracle certifies an equilibrium, with its regret."""
    for market in markets:
        equilibrium = solve_equilibrium(market)
        if equilibrium.certificate.converged:
            regret = equilibrium.certificate.leader_regret_bound.max()
            yield market, regret / max(equilibrium.outcome.mu_utility.mean(), least_utility(market))


def markets_of_two(count, num_asps):
    rng = np.random.default_rng(num_asps)
    for i in range(count):
        load = float(10 ** rng.uniform(-1.5, 1.5))
        yield preset_market(i, 2, num_asps, load)
        yield random_market(rng, 2, num_asps, load)


@pytest.mark.parametrize(("num_asps", "boxes"), [(1, 1500), (2, 400), (3, 150)])
def test_no_proof_against_a_certified_equilibrium(num_asps, boxes):
    tried = 0
    for market, regret in certified(markets_of_two(40, num_asps)):
        found = no_pure_equilibrium(market, tolerance=1e-15, max_boxes=boxes)
        assert found.epsilon <= regret + 1e-12
        tried += 1
    assert tried > 60


def test_an_equilibrium_that_is_met_passes_for_one():
    market = preset_market(58, 2, 1, 3.0)
    found = no_pure_equilibrium(market)
    assert not found.proven
    assert certify_rewards(market, found.rewards).converged


# What boxes are excluded by


@pytest.mark.parametrize("seed", range(30))
def test_no_point_of_a_box_has_less_regret(seed):
    rng = np.random.default_rng(seed)
    market = random_market(rng, 2, int(rng.integers(1, 4)), float(10 ** rng.uniform(-2, 2)))
    bound, shape = market.reward_bound[:, None], market.accuracy.shape
    scratch, excluded = new_box_bounds(market.flat), 0
    for _ in range(20):
        low = 10 ** rng.uniform(-2, 0, shape) * bound
        high = np.minimum(low * 10 ** rng.uniform(0, 10.0 ** rng.uniform(-5, 0), shape), bound)
        least, at_corner = regrets(scratch, market.flat, low.T.copy(), high.T.copy(), float(least_utility(market)))
        shares = rng.choice([0.0, 1.0, rng.random()], (10, *shape))
        actual = largest_regret(market, low + shares * (high - low))
        assert (actual >= least - 1e-9 * abs(least)).all()
        assert at_corner == pytest.approx(largest_regret(market, high), rel=1e-5, abs=1e-6)
        excluded += least > 0
    assert excluded > 0


@given(games(max_mus=2), st.floats(1.0001, 3), st.integers(0, 1))
def test_of_two_mus_none_is_served_more_for_the_others_reward(game, factor, m):
    market, rewards = game
    m = min(m, market.num_mus - 1)
    raised = rewards.copy()
    raised[m] *= factor
    before, after = follower_response(market, rewards).throughput, follower_response(market, raised).throughput
    scale = 1e-6 * np.maximum(before, after).max(axis=0) + 1e-300
    assert (after[m] >= before[m] - scale).all()
    others = np.arange(market.num_mus) != m
    assert (after[others] <= before[others] + scale).all()


def test_of_three_mus_one_may_be_served_more_for_anothers_reward():
    market = preset_market(2516, 3, 1, 3.0)
    market = market.replace(bits_per_token=[100, 20_000, 1_000_000], spectral_efficiency=np.full((3, 1), 2.0))
    rng = np.random.default_rng(2516)
    rewards = 10 ** rng.uniform(-0.5, 0, (3, 1)) * market.reward_bound[:, None]
    prices = market.compute_cost * 10 ** rng.uniform(-2, 1.5), market.bandwidth_cost * 10 ** rng.uniform(-2, 1.5)
    used = demand_at_prices(market, rewards, *prices)
    market = market.replace(compute_capacity=used.compute.sum(axis=0), bandwidth_capacity=used.bandwidth.sum(axis=0))
    raised = rewards * [[1.05], [1], [1]]
    before, after = follower_response(market, rewards).throughput, follower_response(market, raised).throughput
    assert after[2, 0] > 1.01 * before[2, 0]


# The ugly ends


def ugly_ends():
    market = preset_market(14, 2, 1, 1.0)
    vast, scarce = market.compute_capacity * 1e9, market.compute_capacity * 1e-9
    yield "nobody can be served", market.replace(compute_cost=[1e6])
    yield "capacity nobody needs", market.replace(compute_capacity=vast, bandwidth_capacity=[1e12])
    yield "one can never be served", market.replace(satisfaction_scale=market.satisfaction_scale * [1e-6, 1])
    yield "next to no capacity", market.replace(compute_capacity=1e3 * scarce)
    yield "next to no capacities", market.replace(compute_capacity=scarce, bandwidth_capacity=[1e-12])
    yield "twins", Market(**{**fields(market), **{name: fields(market)[name][[0, 0]] for name in PER_MU}})


PER_MU = (
    *("satisfaction_scale", "qoe_requirement", "qoe_weights", "desired_tokens", "patience", "bits_per_token"),
    *("accuracy", "spectral_efficiency", "base_latency"),
)


def fields(market):
    return market.__getstate__()


@pytest.mark.parametrize(("name", "market"), [pytest.param(*end, id=end[0]) for end in ugly_ends()])
def test_ugly_ends(name, market):
    found = no_pure_equilibrium(market, max_boxes=6000)
    assert np.isfinite(found.least_regret)
    assert found.epsilon <= found.least_regret
    equilibrium = solve_equilibrium(market)
    if equilibrium.certificate.converged:
        assert not found.proven
    assert (found.rewards <= market.reward_bound[:, None]).all()
    if name in ("nobody can be served", "one can never be served", "capacity nobody needs"):
        assert found.least_regret <= 1e-6


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_do_not_matter(factor):
    market = duo(7.0)
    scaled = market.replace(
        satisfaction_scale=factor * market.satisfaction_scale,
        compute_cost=factor * market.compute_cost,
        bandwidth_cost=factor * market.bandwidth_cost,
    )
    one, other = no_pure_equilibrium(market), no_pure_equilibrium(scaled)
    assert other.epsilon == pytest.approx(one.epsilon, rel=1e-6)
    np.testing.assert_allclose(other.rewards, factor * one.rewards, rtol=1e-9)


def test_few_boxes_prove_nothing():
    found = no_pure_equilibrium(duo(7.0), max_boxes=1)
    assert not found.proven
    assert found.boxes == 1
    assert found.left.shape == (1, 2, 2, 1)
    assert no_pure_equilibrium(duo(7.0), max_boxes=100).boxes <= 100


@pytest.mark.parametrize(
    ("market", "options", "message"),
    [
        (preset_market(0, 3, 1, 1.0), {}, "must have 2 MUs, got 3"),
        (preset_market(0, 1, 2, 1.0), {}, "must have 2 MUs, got 1"),
        (Market.stack([duo(1.0)]), {}, r"a batch of shape \(1,\); index it first"),
        (duo(1.0), {"accuracy": 0.0}, "accuracy"),
        (duo(1.0), {"accuracy": 1.5}, "accuracy"),
        (duo(1.0), {"tolerance": np.nan}, "tolerance"),
        (duo(1.0), {"max_boxes": 0}, "max_boxes"),
    ],
)
def test_bad_input(market, options, message):
    with pytest.raises(ValueError, match=message):
        no_pure_equilibrium(market, **options)
