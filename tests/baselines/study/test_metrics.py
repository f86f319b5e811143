import numpy as np
import pytest

from aigc_market_env import Scenario
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
    slot, found = result.outcome, measure(result)
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
    found = measure(MechanismResult.of_rewards(market, np.ones((2, 1))))
    assert [found[name] for name in OVERHEAD] == [None] * len(OVERHEAD)
