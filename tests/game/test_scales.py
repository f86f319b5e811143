"""Providers' best responses far from usual magnitudes: fields off by a million, capacities next to nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import DIMS, LOADS, permuted, profits, random_market

from aigc_market_env import BatchedMarketEnv, Scenario, follower_regret, follower_response
from aigc_market_env.game.demand import new_providers
from aigc_market_env.game.shadow_prices import asp_of, shadow_prices
from aigc_market_env.model.links import LINK_ROWS, fill_links
from benchmarks.scales import EXTENDED, batch, entry_rewards, judge, rescaled, some_rewards

RESULTS = ("compute", "bandwidth", "throughput", "compute_price", "bandwidth_price", "duality_gap")


@st.composite
def games(draw, max_mus=8, max_asps=3):
    """Ten random markets with one or all fields off by up to 10^±6, and rewards of all kinds."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(1, max_mus)), draw(st.integers(1, max_asps))
    market = random_market(rng, *size, draw(st.sampled_from(LOADS)), (10,))
    market = rescaled(rng, market, draw(st.sampled_from([[name] for name in DIMS] + 4 * [list(DIMS)])))
    return market, some_rewards(rng, market)


def payments(market, rewards, response):
    return market.outcome(rewards, response.compute, response.bandwidth).payment.sum(-2)


# Certificate


@pytest.mark.parametrize("field", [*DIMS, "all"])
def test_gaps_vanish_with_fields_off_by_a_million(field):
    rng = np.random.default_rng(list(DIMS).index(field) if field in DIMS else 99)
    for _ in range(20):
        size = rng.integers(1, 13), rng.integers(1, 5)
        market = random_market(rng, *size, 10 ** rng.uniform(-4, 4), (8,))
        market = rescaled(rng, market, list(DIMS) if field == "all" else [field])
        rewards = some_rewards(rng, market)
        told, hidden = judge(market, rewards, follower_response(market, rewards))
        assert told.max() <= 1e-12
        assert hidden.max() <= 1 or not EXTENDED


def test_gaps_vanish_in_the_presets_off_scale():
    for seed in range(100):
        _, market, rewards = batch(seed)
        told, hidden = judge(market, rewards, follower_response(market, rewards))
        assert told.max() <= 1e-12
        assert hidden.max() <= 1 or not EXTENDED


@given(games())
def test_regrets_off_scale_are_those_of_the_formulas(game):
    market, rewards = game
    response = follower_response(market, rewards)
    best, paid = profits(market, rewards, response), payments(market, rewards, response)
    idle = np.zeros_like(rewards)
    np.testing.assert_allclose(follower_regret(market, rewards, idle, idle), best, atol=1e-12 * paid.max())
    assert (follower_regret(market, rewards, response.compute, response.bandwidth) <= 1e-12 * paid).all()
    half = market.outcome(rewards, response.compute / 2, response.bandwidth / 2).asp_profit
    regret = follower_regret(market, rewards, response.compute / 2, response.bandwidth / 2)
    assert (abs(regret - (best - half)) <= 1e-12 * paid).all()


# Feasibility


@given(games())
def test_capacities_off_scale_are_used_up_where_they_have_a_price_and_never_exceeded(game):
    market, rewards = game
    response = follower_response(market, rewards)
    for used, capacity, price in (
        (response.compute, market.compute_capacity, response.compute_price),
        (response.bandwidth, market.bandwidth_capacity, response.bandwidth_price),
    ):
        assert (used >= 0).all()
        assert (used.sum(-2) <= capacity).all()
        assert (np.cumsum(used[..., ::-1, :], axis=-2)[..., -1, :] <= capacity).all()
        assert (used.sum(-2)[price > 0] >= (1 - 1e-12) * np.broadcast_to(capacity, price.shape)[price > 0]).all()


@pytest.mark.parametrize("scarce", ["compute_capacity", "bandwidth_capacity"])
@pytest.mark.parametrize("share", [1e-6, 1e-12, 1e-18, 1e-24])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (12, 3)])
def test_no_capacity_to_spare_is_used_up(scarce, share, size):
    """A capacity so small to those whom it serves that no floating-point price tells how much of it they want."""
    rng = np.random.default_rng(3)
    market = random_market(rng, *size, 1.0, (20,))
    rewards = entry_rewards(market) * rng.uniform(1.5, 30, market.accuracy.shape)
    market = market.replace(**{scarce: share * getattr(market, scarce)})
    response = follower_response(market, rewards)
    name = scarce.removesuffix("_capacity")
    np.testing.assert_allclose(getattr(response, name).sum(-2), getattr(market, scarce), rtol=1e-12)
    assert (getattr(response, f"{name}_price") > 0).all()
    paid = payments(market, rewards, response)
    assert (paid > 0).all()
    assert (response.duality_gap <= 1e-12 * paid).all()


def test_two_capacities_next_to_nothing_have_two_prices():
    rng = np.random.default_rng(4)
    market = random_market(rng, 6, 2, 1.0, (200,))
    rewards = entry_rewards(market) * rng.uniform(2, 1e4, market.accuracy.shape)
    response = follower_response(market, rewards)
    tiny = market.replace(
        compute_capacity=1e-15 * response.compute.sum(-2), bandwidth_capacity=1e-15 * response.bandwidth.sum(-2)
    )
    response = follower_response(tiny, rewards)
    both = (response.compute_price > 0) & (response.bandwidth_price > 0)
    assert both.mean() > 0.1
    assert (response.duality_gap <= 1e-12 * payments(tiny, rewards, response)).all()


@given(games())
def test_a_capacity_that_nobody_needs_costs_nothing(game):
    market, rewards = game
    response = follower_response(market, rewards)
    ample = market.replace(
        compute_capacity=1e30 * np.ones_like(market.compute_capacity),
        bandwidth_capacity=1e30 * np.ones_like(market.bandwidth_capacity),
    )
    free = follower_response(ample, rewards)
    assert not free.compute_price.any()
    assert not free.bandwidth_price.any()
    paid = payments(ample, rewards, free)
    assert (profits(ample, rewards, free) >= profits(market, rewards, response) - 1e-12 * paid).all()


@given(games())
def test_with_everyone_priced_out_there_is_nothing(game):
    market, _ = game
    for share in (0.0, 1e-6, 1 - 1e-12):
        response = follower_response(market, share * entry_rewards(market))
        for name in RESULTS:
            assert not getattr(response, name).any()


@given(games(max_mus=1, max_asps=1))
def test_one_mu_and_one_asp(game):
    market, rewards = game
    response = follower_response(market, rewards)
    served = response.throughput[..., 0, 0] > 0
    entry = entry_rewards(market)
    assert served[(rewards > entry * (1 + 1e-14))[..., 0, 0]].all()
    assert not served[(rewards < entry * (1 - 1e-14))[..., 0, 0]].any()


# Invariances


#: Powers of a unit's factor that fields are multiplied by.
UNITS = {
    "time": {
        "slot_duration": 1,
        "patience": 1,
        "base_latency": 1,
        "compute_capacity": -1,
        "bandwidth_capacity": -1,
        "compute_cost": 1,
        "bandwidth_cost": 1,
    },
    "money": {"satisfaction_scale": 1, "compute_cost": 1, "bandwidth_cost": 1},
    "compute": {"compute_capacity": 1, "compute_cost": -1, "flops_per_token": 1},
    "bandwidth": {"bandwidth_capacity": 1, "bandwidth_cost": -1, "spectral_efficiency": -1},
    "token": {"desired_tokens": 1, "reasoning_tokens": 1, "bits_per_token": -1, "flops_per_token": -1},
}
#: Likewise for RESULTS.
RESULT_UNITS = {"time": (-1, -1, -1, 1, 1, 0), "money": (0, 0, 0, 1, 1, 1), "token": (0, 0, 1, 0, 0, 0)}


def in_other_units(market, unit, factor):
    return market.replace(**{name: factor**power * getattr(market, name) for name, power in UNITS[unit].items()})


@pytest.mark.parametrize("unit", ["time", "money", "token"])
@given(games(), st.sampled_from([4.0**-20, 0.25, 4.0, 4.0**20]))
def test_units_do_not_matter(unit, game, factor):
    """By powers of four, whose square roots are exact too, to the last bit."""
    market, rewards = game
    other_rewards = factor * rewards if unit == "money" else rewards
    response = follower_response(market, rewards)
    other = follower_response(in_other_units(market, unit, factor), other_rewards)
    for name, power in zip(RESULTS, RESULT_UNITS[unit], strict=True):
        np.testing.assert_array_equal(getattr(other, name), factor**power * getattr(response, name))


@pytest.mark.parametrize("unit", ["compute", "bandwidth"])
@given(games(), st.sampled_from([4.0**-20, 0.25, 4.0, 4.0**20]))
def test_units_of_one_resource_do_not_matter(unit, game, factor):
    """Two prices that are too high fall side by side, which of them faster depends on their units: up to rounding."""
    market, rewards = game
    other_market = in_other_units(market, unit, factor)
    response, other = follower_response(market, rewards), follower_response(other_market, rewards)
    difference = profits(other_market, rewards, other) - profits(market, rewards, response)
    assert (abs(difference) <= 1e-12 * payments(market, rewards, response)).all()


@given(games(), st.randoms(use_true_random=False))
def test_order_does_not_matter_off_scale(game, random):
    market, rewards = game
    mus, asps = list(range(market.num_mus)), list(range(market.num_asps))
    random.shuffle(mus)
    random.shuffle(asps)
    response = follower_response(market, rewards)
    shuffled = rewards[(..., *np.ix_(mus, asps))]
    other = follower_response(permuted(market, mus, asps), shuffled)
    paid = payments(market, rewards, response)
    difference = profits(permuted(market, mus, asps), shuffled, other) - profits(market, rewards, response)[..., asps]
    assert (abs(difference) <= 1e-12 * paid[..., asps]).all()


@given(games(), st.floats(1e-6, 3))
def test_raising_a_reward_never_lowers_what_it_buys_off_scale(game, rise):
    market, rewards = game
    raised = rewards.copy()
    raised[..., -1, -1] *= 1 + rise
    before, after = (follower_response(market, r).throughput[..., -1, -1] for r in (rewards, raised))
    assert (after >= before * (1 - 1e-9)).all()


def test_a_warm_start_from_anywhere_ends_at_the_same_profit():
    """The environment begins at the last slot's prices and throughputs, whatever they were."""
    rng = np.random.default_rng(6)
    for seed in range(60):
        _, market, rewards = batch(seed)
        response = follower_response(market, rewards)
        bound = profits(market, rewards, response) + response.duality_gap
        link, providers = np.empty((LINK_ROWS, market.num_mus)), new_providers(market.num_mus, 1)
        for i, n in np.ndindex(bound.shape):
            fill_links(market.flat, i, n, link)
            asp, posted = asp_of(market.flat, i, n), np.ascontiguousarray(rewards[i, :, n])
            prices = 10 ** rng.uniform(-9, 9, 2) * (asp.compute_cost, asp.bandwidth_cost) * (rng.random(2) > 0.2)
            x = link[3] * 10 ** rng.uniform(-9, 9, market.num_mus)
            dual = shadow_prices(link, asp, posted, 1e-12, prices, x, providers)
            paid = payments(market, rewards, response)[i, n]
            assert abs(dual - bound[i, n]) <= 1e-12 * paid
            assert paid > 0 or not prices.any()


@pytest.mark.parametrize("share", [1e-9, 1e-15, 1e-21])
def test_environments_use_up_capacities_next_to_nothing(share):
    market = Scenario.preset("campus").sample(0)
    market = market.replace(compute_capacity=share * market.compute_capacity)
    env = BatchedMarketEnv(market, 8, asps="best_response", seed=0)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        env.step({"mu": rng.random((8, market.num_mus, market.num_asps))})
        np.testing.assert_allclose(env.served.compute.sum(-2), np.tile(market.compute_capacity, (8, 1)), rtol=1e-12)
        assert (env.served.asp_profit > 0).all()
