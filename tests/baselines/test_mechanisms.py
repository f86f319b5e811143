"""What holds for every mechanism, whatever it is."""

import numpy as np
import pytest
from markets import random_market

from aigc_market_env import Scenario, follower_response, leader_regret
from baselines import MECHANISMS
from baselines.social_optimum import social_optimum


def named(seed, num_mus, num_asps, load):
    return Scenario.preset("campus", load=load, num_mus=num_mus, num_asps=num_asps).sample(seed)


def worthless():
    """Nobody is worth serving: costs are a million times higher."""
    market = named(0, 3, 2, 1.0)
    return market.replace(compute_cost=1e6 * market.compute_cost, bandwidth_cost=1e6 * market.bandwidth_cost)


#: Small ones, so that all mechanisms take seconds together, and the ends of the range of markets.
MARKETS = {
    "campus": named(0, 4, 3, 1.0),
    "scarce": named(1, 4, 2, 8.0),
    "spare": named(2, 3, 2, 0.02),
    "one MU": named(3, 1, 3, 1.0),
    "one ASP": named(4, 4, 1, 1.0),
    "one of each": named(5, 1, 1, 1.0),
    "nobody served": worthless(),
    "wild": random_market(np.random.default_rng(6), 4, 3, 1.0),
    "satiated": named(9, 4, 3, 1.0).replace(satiation=[0.0, 0.5, 2.0, 6.0]),
    "satiated and scarce": named(10, 4, 2, 8.0).replace(satiation=20.0),
    "wild and spare": random_market(np.random.default_rng(7), 3, 2, 1e-4),
    "wild and scarce": random_market(np.random.default_rng(8), 3, 2, 1e4),
}


@pytest.fixture(scope="module", params=MARKETS)
def market(request):
    return MARKETS[request.param]


def installed(name):
    """The name, if what its mechanism needs is there."""
    if name == "bayesian_optimisation":
        pytest.importorskip("skopt")
    return name


@pytest.fixture(scope="module", params=MECHANISMS)
def result(request, market):
    installed(request.param)
    return MECHANISMS[request.param].run(market, np.random.default_rng(0))


def test_money_and_quality_are_numbers_and_capacity_holds(market, result):
    o = result.outcome
    for name in ("rewards", "payment", "qoe_terms", "mu_utility", "asp_profit", "asp_cost", "utilisation", "welfare"):
        assert np.isfinite(getattr(o, name)).all(), name
    assert (o.compute.sum(axis=0) <= market.compute_capacity * (1.0 + 1e-9)).all()
    assert (o.bandwidth.sum(axis=0) <= market.bandwidth_capacity * (1.0 + 1e-9)).all()
    assert (o.payment[o.qoe == 0.0] == 0.0).all()


def test_an_intensity_of_one_is_as_played_and_any_other_is_a_slot_too(market, result):
    if result.at_intensity is None:
        return
    same = result.at_intensity(1.0)
    for name in ("rewards", "compute", "bandwidth"):
        np.testing.assert_array_equal(getattr(same, name), getattr(result.outcome, name))
    for intensity in (1e-4, 0.5, 3.0, 1e4):
        o = result.at_intensity(intensity)
        assert np.isfinite(o.mu_utility).all()
        assert np.isfinite(o.asp_profit).all()
        assert (o.compute.sum(axis=0) <= market.compute_capacity * (1.0 + 1e-9)).all()
        assert (o.payment[o.qoe == 0.0] == 0.0).all()


def test_no_welfare_exceeds_the_social_optimum(market, result):
    optimum = social_optimum(market)
    assert result.outcome.welfare <= optimum.outcome.welfare + 1e-9 * market.satisfaction_scale.sum()


@pytest.mark.parametrize("name", ["campus", "scarce", "spare", "one MU", "one ASP", "satiated", "wild"])
def test_at_the_oracle_no_deviation_of_one_mu_pays(name):
    """More than its regret says, which is next to nothing; "scarce" is a market whose certificate is refused."""
    market, rng = MARKETS[name], np.random.default_rng(1)
    outcome = MECHANISMS["oracle"].run(market, rng).outcome
    regret, mean = leader_regret(market, outcome.rewards), outcome.mu_utility.mean()
    assert regret.mean() <= 1e-3 * mean
    for m in range(market.num_mus):
        rewards = np.repeat(outcome.rewards[None], 300, axis=0)
        size = rng.choice([1e-3, 0.1, 1.0], (300, 1))
        rewards[:, m] *= np.exp(size * rng.standard_normal((300, market.num_asps)))
        rewards[:, m] = np.minimum(rewards[:, m], market.reward_bound[m])
        response = follower_response(market, rewards)
        tried = market.outcome(rewards, response.compute, response.bandwidth).mu_utility[:, m]
        assert tried.max() <= outcome.mu_utility[m] + regret[m] + 1e-9 * mean


def test_names_are_those_of_the_registry():
    for name, mechanism in MECHANISMS.items():
        assert mechanism.name == name
        assert mechanism.label
    assert len({mechanism.label for mechanism in MECHANISMS.values()}) == len(MECHANISMS)


@pytest.mark.parametrize("name", MECHANISMS)
def test_the_same_seed_gives_the_same_bytes(name):
    first, second = (MECHANISMS[installed(name)].run(MARKETS["campus"], np.random.default_rng(3)) for _ in range(2))
    assert first.outcome.rewards.tobytes() == second.outcome.rewards.tobytes()
    assert first.outcome.compute.tobytes() == second.outcome.compute.tobytes()
    assert first.overhead == second.overhead


def test_the_oracle_draws_what_is_posted_where_mus_mix():
    market = Scenario.preset("duo", load=7.25).sample(0)
    drawn = [MECHANISMS["oracle"].run(market, np.random.default_rng(seed)) for seed in range(20)]
    posted = np.array([result.outcome.rewards[:, 0] for result in drawn])
    assert len(np.unique(posted[:, 0])) == 2
    assert len(np.unique(posted[:, 1])) == 1
    assert all(result.reached for result in drawn)
