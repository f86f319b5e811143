"""What holds for every mechanism, whatever it is."""

import numpy as np
import pytest
from markets import random_market

from aigc_market_env import Scenario
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
    "wild and spare": random_market(np.random.default_rng(7), 3, 2, 1e-4),
    "wild and scarce": random_market(np.random.default_rng(8), 3, 2, 1e4),
}


@pytest.fixture(scope="module", params=MARKETS)
def market(request):
    return MARKETS[request.param]


@pytest.fixture(scope="module", params=MECHANISMS)
def result(request, market):
    return MECHANISMS[request.param].run(market, np.random.default_rng(0))


def test_money_and_quality_are_numbers_and_capacity_holds(market, result):
    o = result.outcome
    for name in ("rewards", "payment", "qoe_terms", "mu_utility", "asp_profit", "asp_cost", "utilisation", "welfare"):
        assert np.isfinite(getattr(o, name)).all(), name
    assert (o.compute.sum(axis=0) <= market.compute_capacity * (1.0 + 1e-9)).all()
    assert (o.bandwidth.sum(axis=0) <= market.bandwidth_capacity * (1.0 + 1e-9)).all()
    assert (o.payment[o.qoe == 0.0] == 0.0).all()


def test_no_welfare_exceeds_the_social_optimum(market, result):
    optimum = social_optimum(market)
    assert result.outcome.welfare <= optimum.outcome.welfare + 1e-9 * market.satisfaction_scale.sum()


def test_names_are_those_of_the_registry():
    for name, mechanism in MECHANISMS.items():
        assert mechanism.name == name
        assert mechanism.label
    assert len({mechanism.label for mechanism in MECHANISMS.values()}) == len(MECHANISMS)


@pytest.mark.parametrize("name", MECHANISMS)
def test_the_same_seed_gives_the_same_bytes(name):
    first, second = (MECHANISMS[name].run(MARKETS["campus"], np.random.default_rng(3)) for _ in range(2))
    assert first.outcome.rewards.tobytes() == second.outcome.rewards.tobytes()
    assert first.outcome.compute.tobytes() == second.outcome.compute.tobytes()
    assert first.overhead == second.overhead
