"""One link at the equilibrium: how far market power marks a reward down (docs/equilibrium.md#one-link).

A served link satisfies two conditions. The ASP's: r Q'(x) = C. The MU's: r = V e/(1 + e), where V is what a further
unit of QoE is worth to it and e = dlog Q/dlog r the elasticity of the QoE it is delivered,

    e = Q'²/(-Q Q'') · kept,        kept = 1 - s/(C k),        k = -Q''/Q',

``kept`` being the share of its own throughput response that the ASP's shadow prices leave to it, through the one number
s = ∇Cᵀ H⁻¹ ∇C. Without r, both are one equation in x: the worth at which the MU would choose x,

    W(x) = C/Q' · (1 + 1/e),        W(0) = r̲ (the entry threshold),   up to infinity,      W(x) = V.

W increases where half-saturations are within a factor of about a hundred of one another. Beyond, it may dip, and one
root of several is found; the certificate is the judge.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model import qoe

_MAX_STEPS = 100
_CLOSED = 1e-6  # of x: a step that may be left to be taken to first order, which leaves its square


class Markdown(NamedTuple):
    """log W(x) with its derivatives, and what the link adds to the feedback system at the same x."""

    log_worth: float
    by_x: float
    by_cost: float
    by_feedback: float
    presence: float  # share of the link's response that other leaders feel, 1 but for a sliver next to x = 0
    presence_by_x: float
    response: float  # ρ = -1/(r Q'') = 1/(C k), so that -dx/dC = ρ
    response_by_x: float


@compiled
def markdown(x: float, c: qoe.Coefficients, cost: float, feedback: float, sliver: float) -> Markdown:
    """W(x) at unit cost C = ``cost`` and s = ``feedback``; log_worth is inf where prices would take back everything.

    ``sliver`` is the x·k up to which the link's presence in the ASP's feedback grows from 0 to 1.
    """
    value, slope, second, third = qoe.derivatives(x, c)
    k = -second / slope
    k_by_x = k * k - third / slope
    presence, presence_by_x = 1.0, 0.0
    if x * k < sliver:
        presence, presence_by_x = x * k / sliver, (k + x * k_by_x) / sliver
    response = 1.0 / (cost * k)
    response_by_x = -response * k_by_x / k
    taken = response * feedback
    outside = 1.0 + (1.0 - presence) * taken
    kept = (1.0 - presence * taken) / outside
    if kept <= 0.0:
        return Markdown(np.inf, 0.0, 0.0, 0.0, presence, presence_by_x, response, response_by_x)
    by_taken = -1.0 / (outside * outside)
    kept_by_x = by_taken * response_by_x * feedback - presence_by_x * (taken / outside) ** 2
    inverse = value * k / (slope * kept)  # 1/e
    inverse_by_x = k / kept + inverse * (k_by_x / k + k - kept_by_x / kept)
    weight = -inverse / ((1.0 + inverse) * kept) * by_taken
    return Markdown(
        math.log(cost / slope * (1.0 + inverse)),
        k + inverse_by_x / (1.0 + inverse),
        1.0 / cost - weight * taken / cost,
        weight * response,
        presence,
        presence_by_x,
        response,
        response_by_x,
    )


@compiled
def chosen_throughput(
    log_worth: float, c: qoe.Coefficients, cost: float, feedback: float, sliver: float, start: float
) -> tuple[float, Markdown, float]:
    """An x > 0 with nearly W(x) = V for a V above the entry threshold, by safeguarded Newton steps from ``start``.

    Returns:
        x, W and what goes with it there, and the Newton step that is left, at most a millionth of x.
    """
    low, high = 0.0, np.inf
    x = start
    at = markdown(x, c, cost, feedback, sliver)
    for _ in range(_MAX_STEPS):
        excess = at.log_worth - log_worth
        if excess > 0.0:
            high = x
        else:
            low = x
        step = -excess / at.by_x if at.log_worth < np.inf else -np.inf
        if abs(step) <= _CLOSED * x:
            return x, at, step
        new = x + step
        if new <= low:
            new = 0.5 * (low + x) if low > 0.1 * x else 0.1 * x
        if new >= high:
            new = 0.5 * (x + high)
        if new == x:
            break
        x = new
        at = markdown(x, c, cost, feedback, sliver)
    return x, at, 0.0
