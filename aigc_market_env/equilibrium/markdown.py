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

from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics import elementary
from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model import qoe


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
    value: float  # Q
    slope: float  # Q'


@compiled
def markdown(x: float, c: qoe.Coefficients, cost: float, feedback: float, sliver: float) -> Markdown:
    """W(x) at unit cost C = ``cost`` and s = ``feedback``; log_worth is inf where prices would take back everything.

    ``sliver`` is the x·k up to which the link's presence in the ASP's feedback grows from 0 to 1. For vector code,
    without branches.
    """
    value, slope, second, third = qoe.derivatives(x, c)
    flatness = 1.0 / slope
    k = -second * flatness
    k_by_x = k * k - third * flatness
    inside = x * k < sliver
    presence = x * k / sliver if inside else 1.0
    presence_by_x = (k + x * k_by_x) / sliver if inside else 0.0
    response = 1.0 / (cost * k)
    scale = cost * response  # 1/k
    response_by_x = -response * scale * k_by_x
    taken = response * feedback
    share, others = 1.0 - presence * taken, 1.0 + (1.0 - presence) * taken  # kept = share/others
    some = share > 0.0
    by_kept = others / (share if some else 1.0)
    by_others = 1.0 / others
    by_taken = -by_others * by_others
    kept_by_x = by_taken * (response_by_x * feedback + presence_by_x * taken * taken)
    inverse = value * k * flatness * by_kept  # 1/e
    inverse_by_x = k * by_kept + inverse * (k_by_x * scale + k - kept_by_x * by_kept)
    marked = 1.0 / (1.0 + inverse)
    weight = -inverse * marked * by_kept * by_taken
    return Markdown(
        elementary.log(cost * flatness * (1.0 + inverse)) if some and inverse < np.inf else np.inf,
        k + inverse_by_x * marked,
        1.0 / cost - weight * taken / cost,
        weight * response,
        presence,
        presence_by_x,
        response,
        response_by_x,
        value,
        slope,
    )


@compiled
def step_towards(excess: float, by_x: float, x: float, low: float, high: float) -> tuple[float, float]:
    """Newton's step on log W(x) = log V, and where it leads to, kept between where W is too low and where too high."""
    step = -excess / by_x if excess < np.inf else -np.inf
    new = x + step
    back = 0.5 * (low + x) if low > 0.1 * x else 0.1 * x
    new = new if new > low else back
    return step, new if new < high else 0.5 * (x + high)
