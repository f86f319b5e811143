"""Quality of experience: Q(x), its derivatives, the inverse of its slope (docs/market.md#quality-of-experience).

A link's QoE at throughput x (tokens/s) is a sum of three saturating terms, accuracy, token count and timeliness::

    Q(x) = Σ_j v_j x / (x + k_j),      j = accuracy, token count, timeliness

increasing and concave, with Q(0) = 0 and Q < Σ_j v_j <= 1. That QoE joins these three dimensions is the paper's; the
shapes are this project's choice. The six coefficients travel together as ``(v_1, v_2, v_3, k_1, k_2, k_3)``.

These scalar functions are the only place where the QoE is written down; compiled loops elsewhere call them.
"""

import math

import numpy as np

from aigc_market_env._numerics.compile import compiled

#: Names of the three QoE dimensions, in the order of every array that has an axis for them.
QOE_DIMENSIONS = ("accuracy", "token_count", "timeliness")

Coefficients = tuple[float, float, float, float, float, float]


@compiled
def coefficients(
    accuracy_weight: float,
    token_weight: float,
    timeliness_weight: float,
    accuracy: float,
    reasoning_tokens: float,
    desired_tokens: float,
    patience: float,
    base_latency: float,
    slot_duration: float,
) -> Coefficients:
    """Coefficients of one link's QoE: full credits v (dimensionless) and half-credit throughputs k (tokens/s).

    Accuracy a·L/(L+ℓ) and token count L/(L+L̂) saturate in the slot's tokens L = xΔ; timeliness τ/(τ+T) is hyperbolic
    in the response time T = t0 + L̂/x.
    """
    tolerance = patience + base_latency
    return (
        accuracy_weight * accuracy,
        token_weight,
        timeliness_weight * patience / tolerance,
        reasoning_tokens / slot_duration,
        desired_tokens / slot_duration,
        desired_tokens / tolerance,
    )


@compiled
def terms(x: float, c: Coefficients) -> tuple[float, float, float]:
    """The three weighted scores whose sum is Q(x)."""
    return c[0] * x / (x + c[3]), c[1] * x / (x + c[4]), c[2] * x / (x + c[5])


@compiled
def term_and_slope(x: float, credit: float, half: float) -> tuple[float, float]:
    """One of the three weighted scores, v x / (x + k), and its derivative."""
    inverse = 1.0 / (x + half)
    share = credit * inverse
    return share * x, share * (half * inverse)


@compiled
def value(x: float, c: Coefficients) -> float:
    """Q(x)."""
    return c[0] * x / (x + c[3]) + c[1] * x / (x + c[4]) + c[2] * x / (x + c[5])


@compiled
def slope(x: float, c: Coefficients) -> float:
    """Q'(x), QoE per token/s; at x = 0 the finite entry slope Σ_j v_j / k_j."""
    i0, i1, i2 = 1.0 / (x + c[3]), 1.0 / (x + c[4]), 1.0 / (x + c[5])
    # In this order nothing overflows where the result does not.
    return c[0] * i0 * (c[3] * i0) + c[1] * i1 * (c[4] * i1) + c[2] * i2 * (c[5] * i2)


@compiled
def slope_and_curvature(x: float, c: Coefficients) -> tuple[float, float]:
    """Q'(x) > 0 and Q''(x) < 0."""
    i0, i1, i2 = 1.0 / (x + c[3]), 1.0 / (x + c[4]), 1.0 / (x + c[5])
    s0, s1, s2 = c[0] * i0 * (c[3] * i0), c[1] * i1 * (c[4] * i1), c[2] * i2 * (c[5] * i2)
    return s0 + s1 + s2, -2.0 * (s0 * i0 + s1 * i1 + s2 * i2)


@compiled
def derivatives(x: float, c: Coefficients) -> tuple[float, float, float, float]:
    """Q(x) and its first three derivatives, which are positive, negative and positive."""
    a0, a1, a2 = x + c[3], x + c[4], x + c[5]
    inverse = 1.0 / (a0 * a1 * a2)  # one division for three: they are what takes time here
    i0, i1, i2 = inverse * (a1 * a2), inverse * (a0 * a2), inverse * (a0 * a1)
    t0, t1, t2 = c[0] * i0, c[1] * i1, c[2] * i2
    s0, s1, s2 = t0 * (c[3] * i0), t1 * (c[4] * i1), t2 * (c[5] * i2)
    return (
        x * (t0 + t1 + t2),
        s0 + s1 + s2,
        -2.0 * (s0 * i0 + s1 * i1 + s2 * i2),
        6.0 * (s0 * i0 * i0 + s1 * i1 * i1 + s2 * i2 * i2),
    )


@compiled
def inverse_slope(target: float, c: Coefficients, start: float) -> float:
    """The x >= 0 with Q'(x) = target, or 0 when even Q'(0) does not reach the target.

    Q'^(-1/2) is concave and increasing (a power mean of order -2 of the linear functions (x + k_j)/√(v_j k_j)), nearly
    a straight line, and exactly one for a single term. Newton's method on it never overshoots from the left, and from
    the right it lands on the left in one step, so any ``start`` >= 0 converges without a bracket, in 2-4 steps.
    """
    return 0.0 if slope(0.0, c) <= target else served(target, c, start)


@compiled
def served(target: float, c: Coefficients, start: float) -> float:
    """:func:`inverse_slope` where it is known that Q'(0) exceeds the target."""
    root_target = 1.0 / math.sqrt(target)
    x = start
    for _ in range(64):
        s, d = slope_and_curvature(x, c)
        if not d < 0.0:  # beyond what floating point can tell from zero
            break
        step = -2.0 * s * (root_target * math.sqrt(s) - 1.0) / d
        x = max(x + step, 0.0)
        if abs(step) <= 1e-8 * x:  # quadratic convergence: the next step would be below rounding
            break
    return x


@compiled
def expected(x: float, flatness: float, ratio: float) -> float:
    """Where Q' is 1/``ratio`` of what it is at ``x``, by Newton's step on Q'^(-1/2); ``flatness`` is Q'/Q'' there."""
    step = 2.0 * flatness * (1.0 - math.sqrt(ratio))
    return max(x + step, 0.0) if abs(step) < np.inf else x


@compiled
def towards(x: float, ratio: float, c: Coefficients) -> tuple[float, float, float]:
    """One step of Halley's method from ``x`` to where Q'(x) ``ratio`` = 1; and Q and Q'' where it leads to.

    It is taken on Q'^(-1/2), too, and has no branches: the step of vector code. One step gives three times the digits.
    Q and Q'' are by Taylor's formula, right to a relative 1e-16 and 1e-8 after a step of 1e-5 of x.
    """
    value, s, d, third = derivatives(x, c)
    excess, square = math.sqrt(s * ratio) - 1.0, d * d
    bend = square + excess * (1.5 * square - s * third)  # Q''² times what Newton's step is divided by
    step = -2.0 * s * d * excess / max(bend, 0.5 * square)
    step = step if abs(step) < np.inf else 0.0  # beyond what floating point can tell from zero
    nearer = max(x + step, 0.0)
    moved = nearer - x
    return nearer, value + moved * (s + moved * (0.5 * d + moved * (third * (1.0 / 6.0)))), d + moved * third
