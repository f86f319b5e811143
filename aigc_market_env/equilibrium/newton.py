"""Solving the leaders' game: safeguarded Newton steps, and a continuation through entry kinks (docs/equilibrium.md).

Where an MU stands at an ASP's door, the others' elasticities jump as it enters: the second kind of kink. ``sliver``
turns the jump into a slope, the MU's presence growing from nothing to 1 while its x·k is below the sliver. A wide
sliver makes the system smooth enough for Newton's method to come next to a solution. From there most markets are solved
at once with a sliver so narrow that it no longer matters; in others it is narrowed step by step, and the solution
followed.
"""

import math

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env.equilibrium.arrow import newton_step
from aigc_market_env.equilibrium.asp_state import CORRELATION, LOG_UU, LOG_WW, STATE, Z_U, Z_W
from aigc_market_env.equilibrium.link_blocks import (
    LOG_WORTH,
    LOG_WORTH_BEFORE,
    LOG_WORTH_KEPT,
    RATE_BEFORE,
    RATE_BY_ASP,
    RATE_BY_MU,
    RATE_EXPECTED,
    RATE_KEPT,
    STEP,
    any_width,
    short_width,
)
from aigc_market_env.equilibrium.system import System, evaluate, fill_system, put_log_worth, smallest_of
from aigc_market_env.game.demand import RATE, WIDTH, hessian_of
from aigc_market_env.game.leaders import settle, standing
from aigc_market_env.game.shadow_prices import asp_of
from aigc_market_env.model.parameters import FloatArray, MarketArrays

#: Largest residual of a solution: log V, log capacity use, relative H.
SOLVED = 1e-9
_MAX_STEPS = 200
_LONGEST = 1.0  # largest change of an unknown in one step
_SHORTEST = 0.02  # smallest fraction of a Newton step that is tried
#: First sliver, and last one for each MU: the more MUs, the less the others feel of one.
WIDE, _NARROW = 0.3, 1e-6
#: Factors by which the sliver is narrowed; slower after a failure, and no slower than the second.
_FASTEST, _SLOWEST = 0.25, 0.97
#: Residual at which the sliver is narrowed, and the number of steps to reach it before trying a smaller factor.
_NEAR, _PATIENCE = 1e-3, 6
_FIRST_STEPS, _LAST_STEPS = 50, 20
#: Residuals next to a solution: with a wide sliver, from where the narrowest is tried, and with that of a given start.
_CLOSE_BY, _CLOSE_START = 0.1, 0.3


@compiled_in_place
def start_from(market: MarketArrays, k: int, rewards: FloatArray, s: System) -> None:
    """Fill link tables, throughputs, log V and states where followers respond to rewards (N, M)."""
    num_asps, num_mus = s.x.shape
    for n in range(num_asps):
        s.prices[n, 0] = s.prices[n, 1] = 0.0
        for m in range(num_mus):
            s.x[n, m] = 0.0
    settle(market, k, rewards, s.links, s.prices, s.x, s.providers)
    fill_system(market, k, s)
    for m in range(num_mus):
        _, worth = standing(market, k, s.links, m, rewards, s.x)
        put_log_worth(s, m, math.log(worth))
    for n in range(num_asps):
        asp = asp_of(market, k, n)
        lam, mu = s.prices[n, 0], s.prices[n, 1]
        u, w = asp.compute_cost + lam, asp.bandwidth_cost + mu
        huu, huw, hww = hessian_of(s.providers.asps, n)
        state = s.state[n]
        state[:] = 0.0
        state[Z_U] = 1.0 + math.log(u / asp.compute_cost) if lam > 0.0 else 0.0
        state[Z_W] = 1.0 + math.log(w / asp.bandwidth_cost) if mu > 0.0 else 0.0
        if lam > 0.0 and mu > 0.0 and _count_served(s.x[n]) == 1:
            _lower_prices(state)
        if huu > 0.0:
            state[LOG_UU], state[LOG_WW] = math.log(huu), math.log(hww)
            state[CORRELATION] = huw / math.sqrt(huu * hww)


@compiled_in_place
def _count_served(x: FloatArray) -> int:
    served = 0
    for m in range(len(x)):
        served += x[m] > 0.0
    return served


@compiled_in_place
def _lower_prices(state: FloatArray) -> None:
    """Where one MU fills both capacities, the level of prices is open; start where it ends, with one price at zero."""
    excess = min(state[Z_U], state[Z_W]) - 1.0
    for j in (Z_U, Z_W):
        state[j] -= excess
        if state[j] <= 1.0:
            state[j] = 0.5


# Points --------------------------------------------------------------------------------------------------------------


@compiled_inner
def _copy_point(
    s: System, log_worth: tuple[int, int], state: tuple[FloatArray, FloatArray], rate: tuple[int, int]
) -> None:
    """Copy the second of each of log V, the states and the throughputs to the first."""
    for i in range(s.mus.shape[0]):
        mus = s.mus[i]
        for j in range(short_width(mus)):
            mus[log_worth[0] + j] = mus[log_worth[1] + j]
    for n in range(s.state.shape[0]):
        for j in range(STATE):
            state[0][n, j] = state[1][n, j]
        for i in range(s.mus.shape[0]):
            block = s.blocks[n, i]
            for j in range(short_width(block)):
                block[rate[0] + j] = block[rate[1] + j]


@compiled_in_place
def _keep(s: System) -> None:
    """Remember the point, to come back to."""
    _copy_point(s, (LOG_WORTH_KEPT, LOG_WORTH), (s.state_kept, s.state), (RATE_KEPT, RATE))


@compiled_in_place
def _come_back(s: System) -> None:
    """Have the point that was kept."""
    _copy_point(s, (LOG_WORTH, LOG_WORTH_KEPT), (s.state, s.state_kept), (RATE, RATE_KEPT))


@compiled_in_place
def _step_from_here(s: System) -> None:
    """Have the point for where the next step begins."""
    _copy_point(s, (LOG_WORTH_BEFORE, LOG_WORTH), (s.state_before, s.state), (RATE_BEFORE, RATE))


@compiled
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@compiled_in_place
def _move(s: System, scale: float) -> None:
    """Take ``scale`` of the step from the point before, no unknown further than _LONGEST, within z >= 0 and |κ| < 1."""
    for i in range(s.mus.shape[0]):
        mus = s.mus[i]
        for j in range(short_width(mus)):
            mus[LOG_WORTH + j] = mus[LOG_WORTH_BEFORE + j] + _clip(scale * mus[STEP + j], -_LONGEST, _LONGEST)
    for n in range(s.state.shape[0]):
        before, state = s.state_before[n], s.state[n]
        for j in range(STATE):
            state[j] = before[j] + _clip(scale * s.step_asp[n, j], -_LONGEST, _LONGEST)
        state[Z_U], state[Z_W] = max(state[Z_U], 0.0), max(state[Z_W], 0.0)
        old = before[CORRELATION]
        state[CORRELATION] = _clip(state[CORRELATION], 0.5 * (old - 1.0), 0.5 * (old + 1.0))


@compiled_in_place
def _expect(s: System) -> None:
    """Seek throughputs after a move where their slopes before it say; ``s`` holds derivatives at the point before."""
    for n in range(s.state.shape[0]):
        after, before = s.state[n], s.state_before[n]
        u, w, correlation = after[Z_U] - before[Z_U], after[Z_W] - before[Z_W], after[CORRELATION] - before[CORRELATION]
        uu, ww = after[LOG_UU] - before[LOG_UU], after[LOG_WW] - before[LOG_WW]
        for i in range(s.mus.shape[0]):
            mus, block = s.mus[i], s.blocks[n, i]
            for j in range(any_width(mus)):
                moved = mus[LOG_WORTH + j] - mus[LOG_WORTH_BEFORE + j]
                _expect_link(block, j, moved, u, w, uu, ww, correlation)


@compiled_inner
def _expect_link(
    block: FloatArray, j: int, moved: float, u: float, w: float, uu: float, ww: float, correlation: float
) -> None:
    change = (
        block[RATE_BY_MU + j] * moved
        + block[RATE_BY_ASP + Z_U * WIDTH + j] * u
        + block[RATE_BY_ASP + Z_W * WIDTH + j] * w
        + block[RATE_BY_ASP + LOG_UU * WIDTH + j] * uu
        + block[RATE_BY_ASP + LOG_WW * WIDTH + j] * ww
        + block[RATE_BY_ASP + CORRELATION * WIDTH + j] * correlation
    )
    old = block[RATE_BEFORE + j]
    x = old + change if change >= 0.0 else old * old / (old - change)
    block[RATE + j] = block[RATE_EXPECTED + j] = x


@compiled_in_place
def _expect_nearer(s: System) -> None:
    """Seek throughputs after half the move halfway between where they were and where they were expected."""
    for n in range(s.blocks.shape[0]):
        for i in range(s.blocks.shape[1]):
            block = s.blocks[n, i]
            for j in range(short_width(block)):
                x = 0.5 * (block[RATE_BEFORE + j] + block[RATE_EXPECTED + j])
                block[RATE + j] = block[RATE_EXPECTED + j] = x


# Newton's method -----------------------------------------------------------------------------------------------------


@compiled_in_place
def _descend(market: MarketArrays, k: int, sliver: float, goal: float, max_steps: int, s: System) -> tuple[float, int]:
    """Newton steps until the largest residual is below ``goal``; returns it and the number of steps."""
    worst = evaluate(market, k, sliver, 1.0, s)
    first = second = third = worst  # the largest of the last residuals
    for step in range(max_steps):
        if worst <= goal or not worst < np.inf or not newton_step(s):
            return worst, step
        _step_from_here(s)
        allowed, scale = max(first, max(second, third)), 1.0
        while True:
            _move(s, scale)
            if scale == 1.0:
                _expect(s)
            else:
                _expect_nearer(s)
            residual = evaluate(market, k, sliver, 1.0, s)
            if residual <= (1.0 - 0.1 * scale) * allowed or scale <= _SHORTEST:
                break
            scale *= 0.5
        worst = residual
        first, second, third = second, third, worst
    return worst, max_steps


@compiled_in_place
def solve(market: MarketArrays, k: int, wide: float, close_by: bool, s: System) -> tuple[float, int]:
    """Solve the system from the point that ``s`` holds, where it holds the answer on return.

    Args:
        market: markets.
        k: which of them.
        wide: the sliver to begin with.
        close_by: whether the start may lie next to a solution, so that the narrowest sliver is tried there first.
        s: log V, states and throughputs.

    Returns:
        The largest residual, or the sliver if that could not be narrowed to its end, and the number of steps.
    """
    narrow, steps, more = _NARROW * s.x.shape[1], 0, 0
    if close_by:
        _keep(s)
        if evaluate(market, k, narrow, 1.0, s) <= _CLOSE_START:
            worst, steps = _descend(market, k, narrow, SOLVED, _PATIENCE, s)
            if worst <= SOLVED:
                return worst, steps
        _come_back(s)
    worst, more = _descend(market, k, wide, _CLOSE_BY, _FIRST_STEPS, s)
    steps += more
    if worst <= _CLOSE_BY:
        _keep(s)
        worst, more = _descend(market, k, narrow, SOLVED, _PATIENCE, s)
        steps += more
        if worst <= SOLVED:
            return worst, steps
        _come_back(s)
    worst, more = _follow(market, k, wide, s)
    return worst, steps + more


@compiled_in_place
def _follow(market: MarketArrays, k: int, wide: float, s: System) -> tuple[float, int]:
    """Solve the system with a wide sliver, and follow the solution as that is narrowed; as :func:`solve`."""
    sliver, narrowing, narrow = wide, _FASTEST, _NARROW * s.x.shape[1]
    worst, steps = _descend(market, k, sliver, _NEAR, _FIRST_STEPS, s)
    _keep(s)
    smallest = smallest_of(s)
    while worst <= _NEAR and steps < _MAX_STEPS and smallest < sliver and sliver > narrow:
        ratio = max(narrowing, narrow / sliver)
        evaluate(market, k, sliver, ratio, s)
        steps += 1
        if newton_step(s):
            _step_from_here(s)
            _move(s, 1.0)
        worst, more = _descend(market, k, sliver * ratio, _NEAR, _PATIENCE, s)
        steps += more
        smallest = smallest_of(s)
        if worst <= _NEAR:
            sliver, narrowing = sliver * ratio, max(narrowing * narrowing, _FASTEST)
            _keep(s)
        else:
            narrowing, worst = math.sqrt(narrowing), 0.0
            _come_back(s)
            if narrowing > _SLOWEST:
                break
    stuck = smallest < sliver and sliver > narrow
    worst, more = _descend(market, k, sliver if stuck else narrow, SOLVED, _LAST_STEPS, s)
    return max(worst, sliver) if stuck else worst, steps + more
