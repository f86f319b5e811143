"""How much surplus one MU can draw from one ASP, bounded over a range of throughputs.

Derived in docs/equilibrium.md#regret-with-a-proof.

With QoE worth v, buying throughput x takes the reward r = C/Q', so the surplus is (v - r) Q = v Q - C T with T = Q/Q'.
Only the marginal cost C(x) is implicit; where it is bounded from below by a line, the rest is closed form.
"""

import math

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model import qoe

#: Pieces that a range is cut into, at most.
_PIECES = 32


@compiled
def surplus_bound(
    worth: float,
    c: qoe.Coefficients,
    start: float,
    stop: float,
    start_cost: float,
    stop_cost: float,
    least: float,
    most: float,
    target: float,
) -> float:
    """An upper bound of v Q - C T over start <= x <= stop, no tighter than ``target`` asks for.

    C is ``start_cost`` and ``stop_cost`` at the two ends and rises with a slope from ``least`` to ``most`` in between.
    It lies above both lines, the one from the start at the least slope and the one to the stop at the most.
    """
    if not most < np.inf or most <= least:
        return _over_line(worth, c, start, stop, start_cost, least, target)
    crossing = start + (most * (stop - start) - (stop_cost - start_cost)) / (most - least)
    crossing = min(max(crossing, start), stop)
    bound = -np.inf
    if crossing > start:
        bound = _over_line(worth, c, start, crossing, start_cost, least, target)
    if crossing < stop:
        cost = max(stop_cost - most * (stop - crossing), start_cost)
        bound = max(
            bound, _over_line(worth, c, crossing, stop, cost, min(most, (stop_cost - cost) / (stop - crossing)), target)
        )
    return bound


@compiled
def _over_line(
    worth: float, c: qoe.Coefficients, start: float, stop: float, cost: float, slope: float, target: float
) -> float:
    """An upper bound of v Q - (cost + slope·(x - start)) T, in pieces until ``target`` is met or out of reach.

    Each piece is bounded by the two lines from its ends at the most and the least that the derivative can be.
    """
    bound, left = -np.inf, start
    at_left = qoe.derivatives(left, c)
    right = stop
    for piece in range(_PIECES):
        at_right = qoe.derivatives(right, c)
        low_cost, high_cost = cost + slope * (left - start), cost + slope * (right - start)
        (q0, s0, d0, _), (q1, s1, d1, _) = at_left, at_right
        t0, t1 = q0 / s0, q1 / s1
        low, high = worth * q0 - low_cost * t0, worth * q1 - high_cost * t1
        rise = worth * s0 - slope * t0 - low_cost * (1.0 - q0 * d1 / (s0 * s0))
        fall = worth * s1 - slope * t1 - high_cost * (1.0 - q1 * d0 / (s1 * s1))
        peak = peak_between(low, high, rise, fall, right - left)
        if not peak <= worth * q1 - low_cost * t0:  # Q and the payment C T both rise
            peak = worth * q1 - low_cost * t0
        middle = math.sqrt(max(left, 1e-3 * right) * right)
        if peak <= target or not left < middle < right:
            bound = max(bound, peak)
            if right == stop:
                return bound
            left, right, at_left = right, min(right + 2.0 * (right - left), stop), at_right
        elif piece == _PIECES - 1 or max(low, high) > target:
            # What is left, as one piece.
            rest = worth * qoe.value(stop, c) - low_cost * t0
            return max(bound, peak if right == stop else rest)
        else:
            right = middle
    return max(bound, worth * qoe.value(stop, c) - (cost + slope * (left - start)) * at_left[0] / at_left[1])


@compiled
def peak_between(low: float, high: float, rise: float, fall: float, width: float) -> float:
    """The most that a function can reach between ``low`` and ``high``, its derivative from ``fall`` to ``rise``."""
    if rise <= 0.0:
        return low
    if fall >= 0.0:
        return high
    step = min(max((high - low - fall * width) / (rise - fall), 0.0), width)
    return max(min(low + rise * step, high - fall * (width - step)), max(low, high))
