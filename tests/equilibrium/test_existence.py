"""Pure equilibria need not exist: a market of two MUs and one ASP, small enough to search exhaustively."""

import numpy as np
import pytest

from aigc_market_env import Scenario, leader_best_response, solve_equilibrium

#: At this load MU 0's utility has two peaks, one with the bandwidth price at zero and one with it positive.
LOAD = 7.25


def composed_best_response(market, first):
    """MU 0's best response to MU 1's best response to each reward of MU 0 in ``first``."""
    rewards = np.zeros((len(first), 2, 1))
    rewards[:, 0, 0] = first
    rewards[:, 1] = leader_best_response(market, rewards)[0][:, 1]
    return leader_best_response(market, rewards)[0][:, 0, 0]


def test_best_responses_jump_over_the_only_place_where_they_could_meet():
    market = Scenario.preset("duo", load=LOAD).sample(0)
    low, high = 1e-3 * market.reward_bound[0], market.reward_bound[0]
    grid = np.geomspace(low, high, 2000)
    gap = composed_best_response(market, grid) - grid
    (crossings,) = np.nonzero(np.diff(np.sign(gap)))
    assert len(crossings) == 1
    left, right = grid[crossings[0]], grid[crossings[0] + 1]
    for _ in range(40):  # close in on the crossing: the gap does not close with it
        middle = 0.5 * (left + right)
        if composed_best_response(market, np.array([middle]))[0] > middle:
            left = middle
        else:
            right = middle
    above, below = composed_best_response(market, np.array([left, right])) - np.array([left, right])
    assert right - left < 1e-9 * right
    assert above > 0.02 * left
    assert below < -0.02 * left


def test_the_oracle_does_not_certify_what_does_not_exist():
    market = Scenario.preset("duo", load=LOAD).sample(0)
    found = solve_equilibrium(market)
    assert not found.certificate.converged
    assert np.isfinite(found.rewards).all()
    assert 1e-3 < found.certificate.leader_regret.max() / found.outcome.mu_utility.mean() < 0.1


@pytest.mark.parametrize("load", [0.5, 1.0, 2.0, 4.0])
def test_the_same_market_has_one_at_lower_loads(load):
    assert solve_equilibrium(Scenario.preset("duo", load=load).sample(0)).certificate.converged
