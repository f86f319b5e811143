import numpy as np
import pytest

from aigc_market_env import Scenario, solve_equilibrium
from baselines.study.equal_qoe import match_qoe, scaled_equilibrium


def mean_qoe(outcome):
    return outcome.qoe.sum(axis=-1).mean()


@pytest.mark.parametrize("scale", [0.2, 0.9, 1.0, 3.0, 40.0])
def test_the_scale_is_found_again(scale):
    market = Scenario.preset("duo", load=0.05).sample(seed=0)
    wanted = scaled_equilibrium(market, scale)
    found = match_qoe(market, float(mean_qoe(wanted)))
    assert found["matched"] == 1.0
    assert found["scale"] == pytest.approx(scale, rel=1e-3)
    assert found["mu_service_cost"] == pytest.approx(wanted.service_cost.mean(), rel=1e-3)
    assert found["mu_utility"] == pytest.approx(wanted.mu_utility.mean(), rel=1e-3)


def test_scaled_mus_play_the_scaled_market_and_count_their_true_utility():
    market = Scenario.preset("campus", load=0.3).sample(seed=1)
    acted = market.replace(satisfaction_scale=2.0 * market.satisfaction_scale)
    rewards = solve_equilibrium(acted, certify=False).rewards
    found = scaled_equilibrium(market, 2.0)
    np.testing.assert_array_equal(found.rewards, rewards)
    qoe = found.qoe.sum(axis=-1)
    satisfaction = market.satisfaction_scale * np.log1p(qoe / market.qoe_requirement)
    np.testing.assert_allclose(found.mu_utility, satisfaction - (rewards * found.qoe).sum(axis=-1))


def test_campus_markets_are_matched_where_there_is_capacity():
    for seed in range(4):
        market = Scenario.preset("campus", load=0.1).sample(seed=seed)
        own = mean_qoe(solve_equilibrium(market, certify=False).outcome)
        for share in (0.5, 1.2):
            found = match_qoe(market, float(share * own))
            assert found["matched"] == 1.0
            assert found["mu_qoe"] == pytest.approx(share * own, rel=1e-4)
            assert (found["scale"] > 1.0) == (share > 1.0)


def test_more_than_the_capacities_allow_is_not_matched():
    market = Scenario.preset("duo", load=4.0).sample(seed=0)
    found = match_qoe(market, 0.9)
    assert found["matched"] == 0.0
    assert found["mu_qoe"] < 0.9
    assert found["scale"] > 1e3


def test_no_qoe_costs_nothing():
    found = match_qoe(Scenario.preset("duo").sample(seed=0), 0.0)
    assert (found["matched"], found["scale"], found["mu_service_cost"], found["asp_cost"]) == (1.0, 0.0, 0.0, 0.0)
