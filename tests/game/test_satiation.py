"""Leaders whose wants end, against a generic solver and by hand; followers, who do not care."""

import numpy as np
import pytest
from hypothesis import given
from markets import games, random_market, random_rewards, random_satiation
from scipy.optimize import brentq, minimize
from test_followers import solve_primal
from test_leaders import one_link, utilities, with_row

from aigc_market_env import Scenario, follower_response, leader_best_response, reward_gradient
from aigc_market_env.equilibrium import solve_equilibrium


def satisfaction(market, qoe):
    """ω (1 - (1 + Q/q)^-k)/k, written out a second time. (..., M)"""
    k = market.satiation
    return market.satisfaction_scale / k * (1 - (1 + qoe / market.qoe_requirement) ** -k)


def most_utility(market, rewards, m):
    """The best utility of MU ``m`` that SLSQP and a simplex find from where grids, one reward at a time, lead."""

    def utility(log_shares):
        posted = with_row(rewards, m, np.exp(log_shares) * market.reward_bound[m])
        response = follower_response(market, posted)
        outcome = market.outcome(posted, response.compute, response.bandwidth)
        return (satisfaction(market, outcome.qoe.sum(axis=-1)) - outcome.payment.sum(axis=-1))[..., m]

    grid, best = np.linspace(np.log(1e-4), 0, 120), -np.inf
    for level in (1e-4, 0.01, 0.1):  # which ASPs to buy from at all makes peaks of their own
        row = np.full(market.num_asps, np.log(level))
        for _ in range(10):
            for n in range(market.num_asps):
                rows = np.tile(row, (len(grid), 1))
                rows[:, n] = grid
                row[n] = grid[utility(rows).argmax()]
        unit = utility(row)
        loss, box = (lambda row, unit=unit: -utility(row) / unit), [(grid[0], 0)] * market.num_asps
        end = minimize(loss, row, method="SLSQP", bounds=box, options={"ftol": 1e-15, "eps": 1e-7})
        end = minimize(loss, end.x, method="Nelder-Mead", bounds=box, options={"xatol": 1e-9, "fatol": 1e-12})
        best = max(best, -end.fun * unit)
    return best


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("satiation", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("load", [0.3, 2.0])
def test_generic_solvers_find_the_same_best_responses_and_profits(satiation, load):
    market = Scenario.preset("campus", num_mus=3, num_asps=3, load=load).sample(5).replace(satiation=satiation)
    found, rng = solve_equilibrium(market), np.random.default_rng(0)
    assert found.certificate.converged
    for rewards in (found.rewards, random_rewards(rng, market)):
        _, best = leader_best_response(market, rewards)
        assert [most_utility(market, rewards, m) for m in range(3)] == pytest.approx(best, rel=1e-6)
        response = follower_response(market, rewards)
        profit = market.outcome(rewards, response.compute, response.bandwidth).asp_profit
        assert [solve_primal(market, rewards, n, rng) for n in range(3)] == pytest.approx(profit, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("satiation", [1e-9, 0.5, 2.0, 6.0, 50.0])
def test_one_mu_one_asp_one_term_by_hand(satiation):
    market, v, k, cost = one_link(1)
    market = market.replace(satiation=satiation)
    omega, q = market.satisfaction_scale[0], market.qoe_requirement[0]

    def quality(r):
        return v - np.sqrt(v * k * cost / r)

    def derivative(r):
        worth = omega / q * (1 + quality(r) / q) ** -(satiation + 1)
        return (worth - r) * 0.5 * np.sqrt(v * k * cost) * r**-1.5 - quality(r)

    reward = brentq(derivative, cost * k / v * (1 + 1e-12), omega / q, xtol=1e-15, rtol=1e-14)
    response, best = leader_best_response(market, [[0.5 * omega / q]])
    assert response[0, 0] == pytest.approx(reward, rel=1e-6)
    earned = satisfaction(market, np.array([quality(reward)]))[0] - reward * quality(reward)
    assert best[0] == pytest.approx(earned, rel=1e-6 if satiation == 1e-9 else 1e-11)
    assert reward_gradient(market, [[2 * reward]])[0, 0] == pytest.approx(derivative(2 * reward), rel=1e-10)
    assert solve_equilibrium(market).rewards[0, 0] == pytest.approx(reward, rel=1e-7)


@pytest.mark.parametrize("seed", range(8))
def test_the_gradient_is_that_of_differences(seed):
    rng = np.random.default_rng(seed)
    market = random_market(rng, 4, 2, 0.01)
    market = market.replace(satiation=random_satiation(rng, market))
    rewards = random_rewards(rng, market)
    gradient, step = reward_gradient(market, rewards), 1e-5
    for m in range(4):
        for n in range(2):
            moved = np.stack([rewards] * 2)
            moved[:, m, n] *= 1 + step * np.array([-1, 1])
            u = utilities(market, moved)[:, m]
            slope = (u[1] - u[0]) / 2 / step
            scale = abs(rewards[m, n] * gradient[m, n]) + 1e-4 * market.satisfaction_scale[m]
            assert abs(slope - rewards[m, n] * gradient[m, n]) <= 1e-4 * scale


@given(games(satiation=False))
def test_followers_do_not_care(game):
    market, rewards = game
    plain = follower_response(market, rewards)
    satiated = follower_response(market.replace(satiation=3.0), rewards)
    np.testing.assert_array_equal(satiated.throughput, plain.throughput)
    np.testing.assert_array_equal(satiated.duality_gap, plain.duality_gap)


@given(games(max_mus=4, satiation=False))
def test_satiated_users_are_never_better_off(game):
    """At the same QoE they have less, so their best is less."""
    market, rewards = game
    best = [leader_best_response(market.replace(satiation=k), rewards)[1] for k in (0.0, 0.5, 6.0)]
    unit = 1e-9 * abs(best[0]) + 1e-12 * market.satisfaction_scale
    assert (best[1] <= best[0] + unit).all()
    assert (best[2] <= best[1] + unit).all()
