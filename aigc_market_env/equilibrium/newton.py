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
from aigc_market_env.equilibrium.asp_state import (
    ASP_STEP,
    CORRELATION,
    LOG_UU,
    LOG_WW,
    STATE,
    STATE_BEFORE,
    STATE_KEPT,
    Z_U,
    Z_W,
)
from aigc_market_env.equilibrium.link_blocks import (
    AHEAD,
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
)
from aigc_market_env.equilibrium.system import System, count_mus, evaluate, smallest_of
from aigc_market_env.game.demand import RATE, WIDTH, short_width
from aigc_market_env.model.parameters import FloatArray

#: Largest residual of a solution: log V, log capacity use, relative H.
SOLVED = 1e-9
_MAX_STEPS = 200
_LONGEST = 1.0  # largest change of an unknown in one step
_SHORTEST = 0.02  # smallest fraction of a Newton step that is tried
#: First sliver, and last one for each MU: the more MUs, the less the others feel of one.
WIDE, _NARROW = 0.3, 1e-6
#: Factors by which the sliver is narrowed: no faster than the first, or than the second once the first has failed, for
#: it would again; slower after each failure, and no slower than the third.
_FASTEST, _CAREFUL, _SLOWEST = 0.25, 0.5, 0.97
#: Residual at which the sliver is narrowed, and the number of steps to reach it before trying a smaller factor.
_NEAR, _PATIENCE = 1e-3, 6
_FIRST_STEPS, _LAST_STEPS = 50, 20
#: Residual next to a solution, from where the narrowest sliver is tried.
_CLOSE_BY = 0.3


# Points --------------------------------------------------------------------------------------------------------------


#: Where log V, an ASP's state and throughputs are kept: those of the point itself, those where the last step began, and
#: those to come back to.
_HERE = (LOG_WORTH, 0, RATE)
_BEFORE = (LOG_WORTH_BEFORE, STATE_BEFORE, RATE_BEFORE)
_KEPT = (LOG_WORTH_KEPT, STATE_KEPT, RATE_KEPT)


@compiled_in_place
def _copy_point(s: System, source: tuple[int, int, int], to: tuple[int, int, int]) -> None:
    """Copy one of the points to the place of another."""
    for i in range(s.mus.shape[0]):
        _copy(s.mus[i], source[0], to[0], WIDTH)
    for n in range(s.asps.shape[0]):
        _copy(s.asps[n], source[1], to[1], STATE)
        for i in range(s.mus.shape[0]):
            _copy(s.blocks[n, i], source[2], to[2], WIDTH)


@compiled_inner
def _copy(row: FloatArray, source: int, to: int, count: int) -> None:
    for j in range(count):
        row[to + j] = row[source + j]


@compiled_in_place
def _advance(s: System) -> None:
    """Take the whole step in ``s``, the point being where it begins; throughputs are sought where their slopes say."""
    _copy_point(s, _HERE, _BEFORE)
    _move(s, 1.0)
    for n in range(s.asps.shape[0]):
        for i in range(s.mus.shape[0]):
            _expect(s.blocks[n, i], s.mus[i], s.asps[n])


@compiled_in_place
def _fall_back(s: System, scale: float) -> None:
    """Take ``scale`` of the step instead of twice that; throughputs are sought halfway back to where they were."""
    _move(s, scale)
    for n in range(s.asps.shape[0]):
        for i in range(s.mus.shape[0]):
            block = s.blocks[n, i]
            for j in range(short_width(block)):
                x = 0.5 * (block[RATE_BEFORE + j] + block[RATE_EXPECTED + j])
                block[RATE + j] = block[RATE_EXPECTED + j] = x


@compiled
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@compiled_inner
def _move(s: System, scale: float) -> None:
    """Take ``scale`` of the step from the point before, no unknown further than _LONGEST, within z >= 0 and |κ| < 1."""
    for i in range(s.mus.shape[0]):
        mus = s.mus[i]
        for j in range(short_width(mus)):
            mus[LOG_WORTH + j] = mus[LOG_WORTH_BEFORE + j] + _clip(scale * mus[STEP + j], -_LONGEST, _LONGEST)
    for n in range(s.asps.shape[0]):
        asp = s.asps[n]
        for j in range(STATE):
            asp[j] = asp[STATE_BEFORE + j] + _clip(scale * asp[ASP_STEP + j], -_LONGEST, _LONGEST)
        asp[Z_U], asp[Z_W] = max(asp[Z_U], 0.0), max(asp[Z_W], 0.0)
        old = asp[STATE_BEFORE + CORRELATION]
        asp[CORRELATION] = _clip(asp[CORRELATION], 0.5 * (old - 1.0), 0.5 * (old + 1.0))


@compiled_inner
def _expect(block: FloatArray, mus: FloatArray, asp: FloatArray) -> None:
    """Seek a block's throughputs after a move where their slopes before it say."""
    u, w = asp[Z_U] - asp[STATE_BEFORE + Z_U], asp[Z_W] - asp[STATE_BEFORE + Z_W]
    uu, ww = asp[LOG_UU] - asp[STATE_BEFORE + LOG_UU], asp[LOG_WW] - asp[STATE_BEFORE + LOG_WW]
    correlation = asp[CORRELATION] - asp[STATE_BEFORE + CORRELATION]
    for j in range(any_width(mus)):
        change = (
            block[AHEAD + j]
            + block[RATE_BY_MU + j] * (mus[LOG_WORTH + j] - mus[LOG_WORTH_BEFORE + j])
            + block[RATE_BY_ASP + Z_U * WIDTH + j] * u
            + block[RATE_BY_ASP + Z_W * WIDTH + j] * w
            + block[RATE_BY_ASP + LOG_UU * WIDTH + j] * uu
            + block[RATE_BY_ASP + LOG_WW * WIDTH + j] * ww
            + block[RATE_BY_ASP + CORRELATION * WIDTH + j] * correlation
        )
        old = block[RATE_BEFORE + j]
        x = old + change if change >= 0.0 else old * old / (old - change)
        block[RATE + j] = block[RATE_EXPECTED + j] = x


# Newton's method -----------------------------------------------------------------------------------------------------


@compiled_in_place
def _descend(sliver: float, goal: float, max_steps: int, s: System) -> tuple[float, int]:
    """Newton steps until the largest residual is below ``goal``; returns it and the number of steps."""
    worst = evaluate(sliver, 1.0, s)
    first = second = third = worst  # the largest of the last residuals
    for step in range(max_steps):
        if worst <= goal or not worst < np.inf or not newton_step(s):
            return worst, step
        allowed, scale = max(first, max(second, third)), 1.0
        _advance(s)
        while True:
            residual = evaluate(sliver, 1.0, s)
            if residual <= (1.0 - 0.1 * scale) * allowed or scale <= _SHORTEST:
                break
            scale *= 0.5
            _fall_back(s, scale)
        worst = residual
        first, second, third = second, third, worst
    return worst, max_steps


@compiled_in_place
def solve(wide: float, close_by: bool, s: System) -> tuple[float, int]:
    """Solve the system from the point that ``s`` holds, where it holds the answer on return.

    Args:
        wide: the sliver to begin with.
        close_by: whether the start may lie next to a solution, so that the narrowest sliver is tried there first.
        s: log V, states and throughputs.

    Returns:
        The largest residual, or the sliver if that could not be narrowed to its end, and the number of steps.
    """
    narrow, steps = _NARROW * count_mus(s), 0
    if close_by:
        _copy_point(s, _HERE, _KEPT)
        if evaluate(narrow, 1.0, s) <= _CLOSE_BY:
            worst, steps = _descend(narrow, SOLVED, _PATIENCE, s)
            if worst <= SOLVED:
                return worst, steps
        _copy_point(s, _KEPT, _HERE)
    worst, more = _descend(wide, _CLOSE_BY, _FIRST_STEPS, s)
    steps += more
    if worst <= _CLOSE_BY:
        _copy_point(s, _HERE, _KEPT)
        worst, more = _descend(narrow, SOLVED, _PATIENCE, s)
        steps += more
        if worst <= SOLVED:
            return worst, steps
        _copy_point(s, _KEPT, _HERE)
    worst, more = _follow(wide, s)
    return worst, steps + more


@compiled_in_place
def _follow(wide: float, s: System) -> tuple[float, int]:
    """Solve the system with a wide sliver, and follow the solution as that is narrowed; as :func:`solve`."""
    sliver, fastest, narrowing, narrow = wide, _FASTEST, _FASTEST, _NARROW * count_mus(s)
    worst, steps = _descend(sliver, _NEAR, _FIRST_STEPS, s)
    _copy_point(s, _HERE, _KEPT)
    smallest = smallest_of(s)
    while worst <= _NEAR and steps < _MAX_STEPS and smallest < sliver and sliver > narrow:
        ratio = max(narrowing, narrow / sliver)
        evaluate(sliver, ratio, s)
        steps += 1
        if newton_step(s):
            _advance(s)
        worst, more = _descend(sliver * ratio, _NEAR, _PATIENCE, s)
        steps += more
        smallest = smallest_of(s)
        if worst <= _NEAR:
            sliver, narrowing = sliver * ratio, max(narrowing * narrowing, fastest)
            _copy_point(s, _HERE, _KEPT)
        else:
            fastest, narrowing, worst = _CAREFUL, math.sqrt(narrowing), 0.0
            _copy_point(s, _KEPT, _HERE)
            if narrowing > _SLOWEST:
                break
    stuck = smallest < sliver and sliver > narrow
    worst, more = _descend(sliver if stuck else narrow, SOLVED, _LAST_STEPS, s)
    return max(worst, sliver) if stuck else worst, steps + more
