import numpy as np
import pytest

from aigc_market_env import Scenario, follower_regret, leader_regret, solve_equilibrium
from aigc_market_env.equilibrium import Overhead
from baselines.mechanism import MechanismResult
from baselines.study.metrics import METRICS, OVERHEAD, jain, measure


def test_jain_by_hand():
    assert jain(np.array([1.0, 1.0, 1.0])) == 1.0
    assert jain(np.array([5.0, 0.0, 0.0, 0.0])) == 0.25
    assert jain(np.array([1.0, 2.0, 3.0])) == pytest.approx(36.0 / (3 * 14.0))


def test_jain_counts_losses_as_nothing_and_nothing_for_anyone_as_fair():
    assert jain(np.array([2.0, -5.0])) == 0.5
    assert jain(np.array([-1.0, 0.0])) == 1.0


def test_jain_of_tiny_shares():
    assert jain(np.full(4, 1e-200)) == 1.0


def test_figures_are_those_of_the_slot():
    market = Scenario.preset("campus").sample(seed=3)
    result = MechanismResult.of_rewards(market, np.full((8, 4), 1.5), Overhead.of(2, 4, 8, 4))
    slot, found = result.outcome, measure(market, result)
    assert set(found) == set(METRICS)
    assert found["mu_service_cost"] == pytest.approx((slot.rewards * slot.qoe).sum() / 8)
    assert found["mu_qoe"] == pytest.approx(sum(found[f"qoe_{n}"] for n in ("accuracy", "token_count", "timeliness")))
    assert found["utilisation"] == pytest.approx((found["utilisation_compute"] + found["utilisation_bandwidth"]) / 2)
    used = slot.compute.sum(axis=0) @ market.compute_cost + slot.bandwidth.sum(axis=0) @ market.bandwidth_cost
    assert found["asp_cost"] == pytest.approx(used / 4)
    assert found["welfare"] == pytest.approx(8 * found["mu_utility"] + 4 * found["asp_profit"])
    assert found["probes"] == 4
    assert found["follower_solves"] == 4 * 4
    assert found["messages"] == 2 * 4 * 32
    assert found["bytes"] == 4 * 2 * 4 * 32


def test_what_is_not_learned_has_no_overhead():
    market = Scenario.preset("duo").sample(seed=0)
    found = measure(market, MechanismResult.of_rewards(market, np.ones((2, 1))))
    assert [found[name] for name in OVERHEAD] == [None] * len(OVERHEAD)


def test_regrets_are_of_all_agents_and_of_the_worst_one():
    market = Scenario.preset("campus").sample(seed=3)
    outcome = solve_equilibrium(market).outcome
    shares = np.ones((8, 1))
    shares[4] = 0.8  # one MU posts too little
    found = measure(market, MechanismResult.of_rewards(market, shares * outcome.rewards))
    regret, utility = leader_regret(market, shares * outcome.rewards), outcome.mu_utility
    assert found["mu_regret"] == pytest.approx(regret.sum() / utility.sum())
    assert found["mu_regret_worst"] == pytest.approx((regret / utility).max())
    assert found["mu_regret_worst"] > 2.0 * found["mu_regret"] > 0.0
    assert found["asp_regret"] <= found["asp_regret_worst"] < 1e-9


def test_an_allocation_of_its_own_has_the_regret_of_providers_too():
    market = Scenario.preset("campus").sample(seed=3)
    outcome = solve_equilibrium(market).outcome
    idle = np.array([1.0, 1.0, 1.0, 0.5])  # the last ASP serves with half of what it should
    compute, bandwidth = idle * outcome.compute, idle * outcome.bandwidth
    played = market.outcome(outcome.rewards, compute, bandwidth)
    found = measure(market, MechanismResult(played))
    regret = follower_regret(market, outcome.rewards, compute, bandwidth)
    best = played.asp_profit + regret
    assert found["asp_regret"] == pytest.approx(regret.sum() / best.sum())
    assert found["asp_regret_worst"] == pytest.approx(regret[3] / best[3])
    assert found["mu_regret_worst"] < 1e-5  # their rewards are those of the equilibrium
