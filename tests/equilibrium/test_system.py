"""The leaders' system: derivatives against differences, Newton steps against a dense solution."""

import numpy as np
import pytest

from aigc_market_env import Scenario
from aigc_market_env.equilibrium.arrow import newton_step
from aigc_market_env.equilibrium.asp_state import ASP_RESIDUAL, ASP_STEP, STATE, Z_U, Z_W
from aigc_market_env.equilibrium.link_blocks import (
    BY_QOE,
    DIAGONAL,
    LOG_WORTH,
    QOE_BY_ASP,
    RATE_BY_MU,
    RESIDUAL,
    STEP,
    USE_BY_ASP,
    USE_BY_MU,
)
from aigc_market_env.equilibrium.start import new_start, start_from
from aigc_market_env.equilibrium.system import count_mus, evaluate, new_system, smallest_of
from aigc_market_env.game.demand import RATE, REWARD, WIDTH


def _mus(s, quantity):
    """A quantity of all MUs, (M,)."""
    return s.mus[:, quantity : quantity + WIDTH].ravel()[: count_mus(s)]


def _links(s, quantity):
    """Five quantities of all links, (N, 5, M)."""
    n, blocks, _ = s.blocks.shape
    five = s.blocks[:, :, quantity : quantity + STATE * WIDTH].reshape(n, blocks, STATE, WIDTH)
    return five.transpose(0, 2, 1, 3).reshape(n, STATE, -1)[..., : count_mus(s)]


def _residuals(s):
    """All residuals, (M + 5N,): MUs first."""
    return np.concatenate([_mus(s, RESIDUAL), s.asps[:, ASP_RESIDUAL : ASP_RESIDUAL + STATE].ravel()])


def _jacobian(s):
    """Their derivatives in all log V and all states, as a dense matrix."""
    n, m = len(s.asps), count_mus(s)
    dense = np.zeros((m + STATE * n, m + STATE * n))
    dense[:m, :m] = np.diag(_mus(s, DIAGONAL))
    dense[:m, m:] = (_links(s, QOE_BY_ASP) * _mus(s, BY_QOE)).reshape(STATE * n, m).T
    dense[m:, :m] = _links(s, USE_BY_MU).reshape(STATE * n, m)
    for i in range(n):
        own = s.blocks[i, 0, USE_BY_ASP : USE_BY_ASP + STATE * WIDTH].reshape(STATE, WIDTH)
        here = slice(m + STATE * i, m + STATE * (i + 1))
        dense[here, here] = own[:, :STATE]
    return dense


def _unknown(s, i):
    """Where the ``i``-th unknown is kept."""
    m = count_mus(s)
    if i < m:
        return s.mus, (i // WIDTH, LOG_WORTH + i % WIDTH)
    return s.asps, ((i - m) // STATE, (i - m) % STATE)


def _near_a_start(market, share, seed):
    """A point off the answer, no capacity's z on an edge."""
    rng = np.random.default_rng(seed)
    s = new_system(market.num_mus, market.num_asps)
    rewards = share * market.reward_bound[:, None] * rng.uniform(0.5, 1.0, market.accuracy.shape)
    start_from(market.flat, 0, np.ascontiguousarray(rewards.T), new_start(market.num_mus, market.num_asps), s)
    s.asps[:, :STATE] += 0.05 * rng.uniform(-1.0, 1.0, (market.num_asps, STATE))
    s.asps[:, [Z_U, Z_W]] = np.abs(s.asps[:, [Z_U, Z_W]]) + 0.02
    s.mus[:, LOG_WORTH : LOG_WORTH + WIDTH] += 0.1
    return s


_MARKETS = {
    "campus": Scenario.preset("campus"),
    "random": Scenario.preset("random"),
    "office": Scenario.preset("office"),
    "one of each": Scenario.preset("campus", num_mus=1, num_asps=1, load=3.0),
    "two blocks": Scenario.preset("campus", num_mus=11, num_asps=2),
    "many MUs": Scenario.preset("random", num_mus=19, num_asps=3),
}


@pytest.mark.parametrize("name", _MARKETS)
@pytest.mark.parametrize("sliver", [0.3, 0.01])
def test_derivatives_are_those_of_the_residuals(name, sliver):
    market = _MARKETS[name].sample(3)
    s = _near_a_start(market, 0.5, 1)
    evaluate(sliver, 1.0, s)
    assert sliver < 0.1 or name == "one of each" or smallest_of(s) < sliver  # some presences are in between
    exact, step = _jacobian(s), 1e-5
    sides = []
    for i in range(len(exact)):
        for sign in (1.0, -1.0):
            where, place = _unknown(s, i)
            kept = where[place]
            where[place] = kept + sign * step
            evaluate(sliver, 1.0, s)
            where[place] = kept
            sides.append(_residuals(s))
    differences = (np.array(sides[::2]) - np.array(sides[1::2])).T / (2.0 * step)
    assert differences == pytest.approx(exact, rel=1e-5, abs=2e-6 * np.abs(exact).max())


@pytest.mark.parametrize("name", _MARKETS)
def test_newton_steps_solve_the_dense_system(name):
    market = _MARKETS[name].sample(4)
    s = _near_a_start(market, 0.4, 2)
    evaluate(0.3, 1.0, s)
    dense, residuals = _jacobian(s), _residuals(s)
    assert newton_step(s)
    found = np.concatenate([_mus(s, STEP), s.asps[:, ASP_STEP : ASP_STEP + STATE].ravel()])
    expected = np.linalg.solve(dense, -residuals)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9 * np.abs(expected).max())


def test_a_link_does_not_depend_on_the_others_in_its_block():
    market = _MARKETS["two blocks"].sample(5)
    found = []
    for others in (0.0, -0.4, 0.7):
        s = _near_a_start(market, 0.4, 3)
        s.mus[0, LOG_WORTH + 1 : LOG_WORTH + WIDTH] += others
        evaluate(0.3, 1.0, s)
        found.append(s.blocks[:, 0, [RATE, REWARD, RATE_BY_MU]].tobytes())
    assert found[0] == found[1] == found[2]
