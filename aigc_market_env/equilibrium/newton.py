"""Solving the leaders' game: safeguarded Newton steps, and a continuation through entry kinks (docs/equilibrium.md).

Where an MU stands at an ASP's door, the others' elasticities jump as it enters: the second kind of kink. ``sliver``
turns the jump into a slope, the MU's presence growing from nothing to 1 while its x·k is below the sliver. A wide
sliver makes the system smooth enough for Newton's method to come next to a solution. From there most markets are solved
at once with a sliver so narrow that it no longer matters; in others it is narrowed step by step, and the solution
followed.
"""

import math

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env.equilibrium.arrow import newton_step
from aigc_market_env.equilibrium.system import CORRELATION, LOG_UU, LOG_WW, STATE, Z_U, Z_W, System, evaluate
from aigc_market_env.game.demand import hessian_of, new_providers
from aigc_market_env.game.leaders import settle, standing
from aigc_market_env.game.shadow_prices import asp_of
from aigc_market_env.model.parameters import FloatArray, MarketArrays

#: Largest residual of a solution: log V, log capacity use, relative H.
SOLVED = 1e-9
_MAX_STEPS = 200
_LONGEST = 1.0  # largest change of an unknown in one step
_SHORTEST = 0.02  # smallest fraction of a Newton step that is tried
#: A step may leave this much of the largest of the last residuals, so that the path may cross a kink.
_MEMORY = 3
#: First sliver, and last one for each MU: the more MUs, the less the others feel of one.
WIDE, _NARROW = 0.3, 1e-6
#: Factors by which the sliver is narrowed; slower after a failure, and no slower than the second.
_FASTEST, _SLOWEST = 0.25, 0.97
#: Residual at which the sliver is narrowed, and the number of steps to reach it before trying a smaller factor.
_NEAR, _PATIENCE = 1e-3, 6
_FIRST_STEPS, _LAST_STEPS = 50, 20
#: Residual next to a solution, from where the narrowest sliver is tried.
_CLOSE_BY = 0.1


@compiled
def start_from(
    market: MarketArrays, k: int, rewards: FloatArray, log_worth: FloatArray, state: FloatArray, s: System
) -> None:
    """Fill log V (M,), the state (N, 5), ``s.links`` and ``s.x`` where followers respond to rewards (N, M)."""
    num_asps, num_mus = s.x.shape
    prices, providers = np.zeros((num_asps, 2)), new_providers(num_mus, num_asps)
    s.x[:] = 0.0
    settle(market, k, rewards, s.links, prices, s.x, providers)
    for m in range(num_mus):
        _, worth = standing(market, k, s.links, m, rewards, s.x)
        log_worth[m] = math.log(worth)
    for n in range(num_asps):
        asp = asp_of(market, k, n)
        lam, mu = prices[n, 0], prices[n, 1]
        u, w = asp.compute_cost + lam, asp.bandwidth_cost + mu
        huu, huw, hww = hessian_of(providers.asps, n)
        state[n] = 0.0
        state[n, Z_U] = 1.0 + math.log(u / asp.compute_cost) if lam > 0.0 else 0.0
        state[n, Z_W] = 1.0 + math.log(w / asp.bandwidth_cost) if mu > 0.0 else 0.0
        if lam > 0.0 and mu > 0.0 and _count_served(s.x[n]) == 1:
            _lower_prices(state[n])
        if huu > 0.0:
            state[n, LOG_UU], state[n, LOG_WW] = math.log(huu), math.log(hww)
            state[n, CORRELATION] = huw / math.sqrt(huu * hww)


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


@compiled
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@compiled_in_place
def _move(
    log_worth: FloatArray, state: FloatArray, s: System, scale: float, new_worth: FloatArray, new_state: FloatArray
) -> None:
    """Take ``scale`` of the step in ``s``, no unknown further than _LONGEST, within z >= 0 and |κ| < 1."""
    for m in range(len(log_worth)):
        new_worth[m] = log_worth[m] + _clip(scale * s.step_mu[m], -_LONGEST, _LONGEST)
    for n in range(len(state)):
        for j in range(STATE):
            new_state[n, j] = state[n, j] + _clip(scale * s.step_asp[n, j], -_LONGEST, _LONGEST)
        new_state[n, Z_U], new_state[n, Z_W] = max(new_state[n, Z_U], 0.0), max(new_state[n, Z_W], 0.0)
        old = state[n, CORRELATION]
        new_state[n, CORRELATION] = _clip(new_state[n, CORRELATION], 0.5 * (old - 1.0), 0.5 * (old + 1.0))


@compiled_in_place
def _expect(
    log_worth: FloatArray, state: FloatArray, new_worth: FloatArray, new_state: FloatArray, s: System, x: FloatArray
) -> None:
    """Where throughputs ``x`` (N, M) are to be sought after a move, by their slopes before it."""
    num_asps, num_mus = x.shape
    for n in range(num_asps):
        for m in range(num_mus):
            change = s.x_by_mu[n, m] * (new_worth[m] - log_worth[m])
            for j in range(STATE):
                change += s.x_by_asp[n, m, j] * (new_state[n, j] - state[n, j])
            old = s.x[n, m]
            x[n, m] = old + change if change >= 0.0 else old * old / (old - change)


@compiled
def _descend(
    market: MarketArrays,
    k: int,
    sliver: float,
    goal: float,
    max_steps: int,
    log_worth: FloatArray,
    state: FloatArray,
    s: System,
) -> tuple[float, int]:
    """Newton steps until the largest residual is below ``goal``; returns it and the number of steps."""
    new_worth, new_state = np.empty_like(log_worth), np.empty_like(state)
    x, near = np.empty_like(s.x), np.empty_like(s.x)
    worst = evaluate(market, k, log_worth, state, sliver, 1.0, s)
    recent = np.full(_MEMORY, worst)
    for step in range(max_steps):
        if worst <= goal or not worst < np.inf or not newton_step(s):
            return worst, step
        x[:] = s.x
        allowed = recent.max()
        scale = 1.0
        while True:
            _move(log_worth, state, s, scale, new_worth, new_state)
            if scale == 1.0:  # s holds derivatives at the point that the step starts from
                _expect(log_worth, state, new_worth, new_state, s, near)
            else:
                near[:] = 0.5 * (x + near)
            s.x[:] = near
            residual = evaluate(market, k, new_worth, new_state, sliver, 1.0, s)
            if residual <= (1.0 - 0.1 * scale) * allowed or scale <= _SHORTEST:
                break
            scale *= 0.5
        log_worth[:], state[:], worst = new_worth, new_state, residual
        recent[step % _MEMORY] = worst
    return worst, max_steps


@compiled
def solve(
    market: MarketArrays, k: int, wide: float, close_by: bool, log_worth: FloatArray, state: FloatArray, s: System
) -> tuple[float, int]:
    """Solve the system from the (log V (M,), state (N, 5)) and ``s.x`` given, which hold the answer on return.

    Args:
        market: markets.
        k: which of them.
        wide: the sliver to begin with.
        close_by: whether the start may lie next to a solution, so that the narrowest sliver is tried there first.
        log_worth: log V. (M,)
        state: the ASPs' unknowns. (N, 5)
        s: scratch.

    Returns:
        The largest residual, or the sliver if that could not be narrowed to its end, and the number of steps.
    """
    narrow, steps, more = _NARROW * s.x.shape[1], 0, 0
    near_worth, near_state, near_x = log_worth.copy(), state.copy(), s.x.copy()
    if close_by and evaluate(market, k, log_worth, state, narrow, 1.0, s) <= _CLOSE_BY:
        worst, steps = _descend(market, k, narrow, SOLVED, _PATIENCE, log_worth, state, s)
        if worst <= SOLVED:
            return worst, steps
    log_worth[:], state[:], s.x[:] = near_worth, near_state, near_x
    worst, more = _descend(market, k, wide, _CLOSE_BY, _FIRST_STEPS, log_worth, state, s)
    steps += more
    near_worth[:], near_state[:], near_x[:] = log_worth, state, s.x
    if worst <= _CLOSE_BY:
        worst, more = _descend(market, k, narrow, SOLVED, _PATIENCE, log_worth, state, s)
        steps += more
        if worst <= SOLVED:
            return worst, steps
        log_worth[:], state[:], s.x[:] = near_worth, near_state, near_x
    worst, more = _follow(market, k, wide, log_worth, state, s, near_worth, near_state, near_x)
    return worst, steps + more


@compiled
def _follow(
    market: MarketArrays,
    k: int,
    wide: float,
    log_worth: FloatArray,
    state: FloatArray,
    s: System,
    near_worth: FloatArray,
    near_state: FloatArray,
    near_x: FloatArray,
) -> tuple[float, int]:
    """Solve the system with a wide sliver, and follow the solution as that is narrowed; as :func:`solve`."""
    sliver, narrowing, narrow = wide, _FASTEST, _NARROW * s.x.shape[1]
    worst, steps = _descend(market, k, sliver, _NEAR, _FIRST_STEPS, log_worth, state, s)
    near_worth[:], near_state[:], near_x[:] = log_worth, state, s.x
    while worst <= _NEAR and steps < _MAX_STEPS and s.smallest[0] < sliver and sliver > narrow:
        ratio = max(narrowing, narrow / sliver)
        evaluate(market, k, near_worth, near_state, sliver, ratio, s)
        steps += 1
        if newton_step(s):
            _move(near_worth, near_state, s, 1.0, log_worth, state)
        worst, more = _descend(market, k, sliver * ratio, _NEAR, _PATIENCE, log_worth, state, s)
        steps += more
        if worst <= _NEAR:
            sliver, narrowing = sliver * ratio, max(narrowing * narrowing, _FASTEST)
            near_worth[:], near_state[:], near_x[:] = log_worth, state, s.x
        else:
            narrowing, worst = math.sqrt(narrowing), 0.0
            log_worth[:], state[:], s.x[:] = near_worth, near_state, near_x
            if narrowing > _SLOWEST:
                break
    stuck = s.smallest[0] < sliver and sliver > narrow
    worst, more = _descend(market, k, sliver if stuck else narrow, SOLVED, _LAST_STEPS, log_worth, state, s)
    return max(worst, sliver) if stuck else worst, steps + more
