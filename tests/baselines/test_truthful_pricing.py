import numpy as np
import pytest
from markets import preset_market, random_market, random_satiation
from scipy.optimize import minimize

from aigc_market_env import Scenario
from baselines import MECHANISMS
from baselines.social_optimum import social_optimum
from baselines.truthful_pricing import without

TRUTHFUL = MECHANISMS["truthful_pricing"]


def run(market):
    return TRUTHFUL.run(market, np.random.default_rng(0)).outcome


@pytest.mark.parametrize("load", [1e-4, 0.3, 1.0, 3.0, 1e4])
@pytest.mark.parametrize("seed", range(6))
def test_the_bound_proves_the_optimum(seed, load):
    rng = np.random.default_rng(seed)
    market = random_market(rng, 1 + 2 * seed, 1 + seed, load)
    if seed >= 2:
        market = market.replace(satiation=random_satiation(rng, market))
    optimum = social_optimum(market)
    assert optimum.gap <= 1e-9 * optimum.outcome.welfare
    assert run(market).welfare == pytest.approx(optimum.outcome.welfare, rel=1e-9)


def most_welfare(market, start):
    """The greatest welfare that a generic solver finds in shares of the capacities, from ``start`` (2, M, N)."""
    capacity = np.stack([market.compute_capacity, market.bandwidth_capacity])[:, None]

    def allocation(shares):
        return np.maximum(shares.reshape(start.shape), 0.0) * capacity * (1.0 - 1e-12)

    def loss(shares):
        compute, bandwidth = allocation(shares)
        compute = compute / np.maximum(compute.sum(axis=0) / market.compute_capacity, 1.0)
        bandwidth = bandwidth / np.maximum(bandwidth.sum(axis=0) / market.bandwidth_capacity, 1.0)
        return -float(market.outcome(np.zeros_like(compute), compute, bandwidth).welfare)

    fits = {"type": "ineq", "fun": lambda shares: (1.0 - shares.reshape(start.shape).sum(axis=1)).ravel()}
    bounds = [(0.0, 1.0)] * start.size
    options = {"maxiter": 400, "ftol": 1e-14}
    found = minimize(loss, start.ravel(), method="SLSQP", bounds=bounds, constraints=[fits], options=options)
    return -loss(found.x)


@pytest.mark.parametrize("satiation", [0.0, 0.5, 6.0])
@pytest.mark.parametrize("load", [0.2, 1.0, 4.0])
def test_a_generic_solver_finds_the_same_welfare_and_no_more(load, satiation):
    market = Scenario.preset("campus", load=load, num_mus=3, num_asps=2, satiation=satiation).sample(11)
    ours = run(market).welfare
    rng = np.random.default_rng(0)
    found = max(most_welfare(market, size * rng.uniform(0.05, 0.3, (2, 3, 2))) for size in (1.0, 1.0, 0.3, 0.1))
    assert found <= ours * (1.0 + 1e-9)
    assert found == pytest.approx(ours, rel=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_no_mu_gains_by_a_lie(seed):
    market = preset_market(seed, 4, 2, 1.0)
    truth = run(market).mu_utility
    for m in range(4):
        for field in ("satisfaction_scale", "desired_tokens"):
            for factor in (0.5, 1.5):
                told = getattr(market, field).copy()
                told[m] *= factor
                lied = run(market.replace(**{field: told}))
                felt = market.outcome(np.zeros_like(lied.rewards), lied.compute, lied.bandwidth)
                utility = felt.mu_utility[m] - lied.service_cost[m]
                assert utility <= truth[m] + 1e-7 * market.satisfaction_scale[m]


def test_all_take_part_of_their_own_will():
    market = preset_market(5, 5, 3, 2.0)
    outcome = run(market)
    assert (outcome.mu_utility >= -1e-9).all()
    assert (outcome.asp_profit >= -1e-9).all()


def test_a_lone_mu_pays_what_it_costs():
    market = preset_market(6, 1, 3, 1.0)
    outcome = run(market)
    assert outcome.asp_profit == pytest.approx(0.0, abs=1e-9)
    assert outcome.mu_utility[0] == pytest.approx(outcome.welfare)


def test_without_one_mu_the_others_are_as_they_were():
    market = preset_market(7, 3, 2, 1.0)
    rest = without(market, 1)
    assert np.array_equal(rest.accuracy, market.accuracy[[0, 2]])
    assert np.array_equal(rest.qoe_weights, market.qoe_weights[[0, 2]])
    assert np.array_equal(rest.compute_capacity, market.compute_capacity)
