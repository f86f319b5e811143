"""Benchmarks at the guarantee of ours: exact by an independent evaluation, and told where it cannot be."""

import math

import numpy as np
import pytest
from fakes import FAKES

from aigc_market_env import Scenario, follower_response
from baselines import MECHANISMS
from baselines.study.equal_guarantee import guarantee, least_enough, match_guarantee

RNG = np.random.default_rng(0)
WITHOUT = ("throughput_greedy", "truthful_pricing")


def market(load=0.3, seed=1, satiation=2.0, size=(4, 3)):
    return Scenario.preset("campus", load=load, num_mus=size[0], num_asps=size[1], satiation=satiation).sample(seed)


def worst(market, rewards):
    """The guarantee by plain accounting, without MechanismResult."""
    response = follower_response(market, rewards)
    qoe = market.outcome(rewards, response.compute, response.bandwidth).qoe
    return min(sum(row) / q for row, q in zip(qoe, market.qoe_requirement, strict=True))


@pytest.mark.parametrize("name", ["common_reward", "fixed_reward", "uniform_reward"])
@pytest.mark.parametrize("satiation", [0.0, 6.0])
def test_rewards_are_as_high_as_they_must_be_and_no_higher(name, satiation):
    m = market(satiation=satiation)
    ours = MECHANISMS["oracle"].run(m, RNG).outcome
    wanted = guarantee(m, ours)
    played = MECHANISMS[name].run(m, RNG)
    found = match_guarantee(m, played.at_intensity, wanted)
    assert found["matched"] == 1.0
    rewards = found["intensity"] * played.outcome.rewards
    assert worst(m, rewards) >= wanted
    assert worst(m, (1.0 - 1e-6) * rewards) < wanted
    response = follower_response(m, rewards)
    outcome = m.outcome(rewards, response.compute, response.bandwidth)
    assert found["mu_service_cost"] == pytest.approx((rewards * outcome.qoe).sum() / m.num_mus, rel=1e-9)
    assert found["asp_cost"] == pytest.approx(outcome.asp_cost.mean(), rel=1e-9)
    lower = np.geomspace(1e-4, (1.0 - 1e-6) * found["intensity"], 400)  # none of which does, by another grid
    assert max(worst(m, level * played.outcome.rewards) for level in lower) < wanted


@pytest.mark.parametrize("name", ["posted_prices", "proportional_share", "accuracy_only", "random_search"])
def test_other_currencies_are_matched_too(name):
    m = market(load=0.05, satiation=0.0)
    wanted = 0.6 * guarantee(m, MECHANISMS["oracle"].run(m, RNG).outcome)
    at_intensity = MECHANISMS[name].run(m, np.random.default_rng(2)).at_intensity
    found = match_guarantee(m, at_intensity, wanted)
    assert found["matched"] == 1.0
    assert guarantee(m, at_intensity(found["intensity"])) >= wanted
    assert guarantee(m, at_intensity((1.0 - 1e-6) * found["intensity"])) < wanted


def test_what_no_intensity_reaches_is_told():
    m = market(load=8.0)
    for mechanism in (MECHANISMS["common_reward"], FAKES["priced_out"]):
        found = match_guarantee(m, mechanism.run(m, RNG).at_intensity, wanted=5.0)
        assert found == {"matched": 0.0}


@pytest.mark.parametrize("name", WITHOUT)
def test_mechanisms_without_an_intensity_are_left_out(name):
    m = market()
    assert match_guarantee(m, MECHANISMS[name].run(m, RNG).at_intensity, wanted=0.1) == {"matched": None}


def test_where_ours_leaves_somebody_out_there_is_nothing_to_match():
    m = market()
    assert match_guarantee(m, MECHANISMS["common_reward"].run(m, RNG).at_intensity, wanted=0.0) == {"matched": 0.0}


def test_the_guarantee_is_that_of_the_worst_served():
    m = market()
    outcome = MECHANISMS["common_reward"].run(m, RNG).outcome
    assert guarantee(m, outcome) == (outcome.qoe.sum(axis=1) / m.qoe_requirement).min()
    nothing = np.zeros((4, 3))
    assert guarantee(m, m.outcome(nothing, nothing, nothing)) == 0.0


def test_of_several_ranges_that_are_enough_the_lowest_counts():
    assert least_enough(lambda x: 1.0 - min(abs(x + 2.0), abs(x - 3.0))) == pytest.approx(-3.0, abs=1e-8)


def test_a_peak_between_points_of_the_grid_is_met():
    assert least_enough(lambda x: 0.001 - (x - 0.1) ** 2) == pytest.approx(0.1 - math.sqrt(0.001), abs=1e-8)
    assert least_enough(lambda x: -0.001 - (x - 0.1) ** 2) is None


def test_a_jump_is_found():
    found = least_enough(lambda x: 1.0 if x >= 0.2 else -math.inf)
    assert 0.2 <= found <= 0.2 + 1e-8


def test_nothing_anywhere_is_no_peak():
    assert least_enough(lambda x: -math.inf) is None


def test_the_first_point_may_be_enough():
    assert least_enough(lambda x: 1.0) == pytest.approx(-4.0 * math.log(10.0))
