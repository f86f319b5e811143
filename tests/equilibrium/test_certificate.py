from dataclasses import replace

import numpy as np
import pytest
from markets import preset_market

from aigc_market_env import Market, follower_regret, follower_response, leader_regret
from aigc_market_env.equilibrium import certify_rewards, nash_conv, relative_regret, solve_equilibrium


def test_nash_conv_is_the_sum_of_all_regrets():
    markets = Market.stack([preset_market(i, 4, 2, 1.0) for i in range(3)])
    rewards = 0.4 * np.repeat(markets.reward_bound[..., None], 2, axis=-1)
    response = follower_response(markets, rewards)
    compute, bandwidth = 0.5 * response.compute, 0.5 * response.bandwidth
    total = nash_conv(markets, rewards, compute, bandwidth)
    parts = leader_regret(markets, rewards).sum(-1) + follower_regret(markets, rewards, compute, bandwidth).sum(-1)
    assert total.shape == (3,)
    assert total == pytest.approx(parts)
    assert (total > 0).all()


def test_nash_conv_vanishes_at_an_equilibrium():
    market = preset_market(0, 4, 2, 0.3)
    found = solve_equilibrium(market)
    value = nash_conv(market, found.rewards, found.outcome.compute, found.outcome.bandwidth)
    assert value <= 1e-6 * found.outcome.mu_utility.sum()


def test_certificate_refuses_what_is_not_an_equilibrium():
    market = preset_market(0, 4, 2, 1.0)
    found = solve_equilibrium(market)
    assert found.certificate.converged
    assert not certify_rewards(market, 1.05 * found.rewards).converged
    assert certify_rewards(market, 1.05 * found.rewards, tolerance=1.0).converged


def test_the_worst_agent_is_seen_beside_the_mean():
    regret = np.array([[0.0, 0.02, 0.0], [0.0, 0.04, 0.1]])
    utility = np.array([[10.0, 1.0, 5.0], [10.0, 1.0, 15.0]])
    found = relative_regret(regret, utility)
    assert found.mean == pytest.approx(0.16 / 42.0)
    assert (found.worst, found.agent) == (pytest.approx(0.03), 1)
    assert found.by_agent == pytest.approx([0.0, 0.03, 0.005])
    assert found.scale == pytest.approx([10.0, 1.0, 10.0])


def test_who_has_next_to_nothing_is_measured_against_a_hundredth_of_the_mean():
    found = relative_regret([[0.001, 0.0, 0.0]], [[0.0, 1.0, 2.0]])
    assert (found.worst, found.agent) == (pytest.approx(0.1), 0)
    tiny = relative_regret([[0.001, 0.0, 0.0]], [[1e-300, 1.0, 2.0]])
    assert tiny.worst == pytest.approx(0.1)
    assert relative_regret([[0.0, 0.0]], [[0.0, 1.0]]).worst == 0.0


def test_where_nobody_has_anything_a_regret_is_endless_and_none_is_none():
    assert relative_regret([[0.0, 1e-3]], [[0.0, 0.0]])[:3] == (np.inf, np.inf, 1)
    assert relative_regret([[0.0, 0.0]], [[0.0, 0.0]])[:2] == (0.0, 0.0)
    assert relative_regret([[0.0, -1e-17]], [[0.0, -1e-17]])[:2] == (0.0, 0.0)  # rounding


def test_relative_regret_of_a_batch_is_that_of_each():
    rng = np.random.default_rng(0)
    regret, utility = rng.random((2, 3, 5, 4)), rng.random((2, 3, 5, 4))
    found = relative_regret(regret, utility)
    assert found.worst.shape == found.mean.shape == found.agent.shape == (2, 3)
    one = relative_regret(regret[1, 2], utility[1, 2])
    assert [value[1, 2] for value in found[:3]] == list(one[:3])


@pytest.mark.parametrize(
    ("regret", "utility", "problem"),
    [
        ([0.0, 1.0], [1.0, 1.0], "slots, agents"),
        ([[0.0, 1.0]], [[1.0]], "slots, agents"),
        (np.empty((0, 2)), np.empty((0, 2)), "slots, agents"),
        ([[np.nan]], [[1.0]], "regret must be finite"),
        ([[0.0]], [[np.inf]], "utility must be finite"),
    ],
)
def test_what_has_no_relative_regret_is_refused(regret, utility, problem):
    with pytest.raises(ValueError, match=problem):
        relative_regret(regret, utility)


def test_the_certificate_asks_each_asp_about_what_it_is_paid_itself():
    market = preset_market(0, 4, 2, 0.3)
    market = market.replace(compute_capacity=market.compute_capacity * [0.1, 1.0])
    found = solve_equilibrium(market)
    response, paid = follower_response(market, found.rewards), found.outcome.payment.sum(axis=0)
    poorer = paid.argmin()
    assert paid[poorer] < 0.9 * paid.mean()
    gap = np.zeros(2)
    gap[poorer] = 0.5e-9 * (paid[poorer] + paid.mean())
    missed = replace(response, duality_gap=gap)
    assert not certify_rewards(market, found.rewards, missed).converged
    assert certify_rewards(market, found.rewards, replace(missed, duality_gap=missed.duality_gap * 0.1)).converged
