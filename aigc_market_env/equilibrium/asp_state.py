"""An ASP in the leaders' game: its unknowns, and what goes with them at one point (docs/equilibrium.md).

z_u, z_w     one number per capacity: 0 spare; in (0, 1) on the kink, with θ = z; above 1 binding, with θ = 1 and an
             effective price of cost·exp(z - 1)
log H_uu, log H_ww, κ = H_uw/√(H_uu H_ww)     the response of its use to its prices, which its links share.
"""

import math
from typing import NamedTuple

from aigc_market_env._numerics import elementary
from aigc_market_env._numerics.compile import compiled, compiled_inner
from aigc_market_env.model.parameters import FloatArray

Z_U, Z_W, LOG_UU, LOG_WW, CORRELATION = range(5)
STATE = 5
#: Columns of an ASP, of which its state (5,) is the first: that before the last Newton step, that of the place to come
#: back to, residuals, Newton's step; then what it is.
STATE_BEFORE, STATE_KEPT, ASP_RESIDUAL, ASP_STEP = range(STATE, 5 * STATE, STATE)
KAPPA, COMPUTE_COST, BANDWIDTH_COST, COMPUTE_CAPACITY, BANDWIDTH_CAPACITY = range(5 * STATE, 5 * STATE + 5)
# What goes with a state, see AspPoint.
_U, _W, _RATIO, _INVERSE, _SCALE_U, _SCALE_W = range(5 * STATE + 5, 5 * STATE + 11)
ASP_COLUMNS = 5 * STATE + 11
#: The largest θ. Where one MU has an ASP to itself and fills both its capacities, θ = 1 for both would take back its
#: whole response whatever the prices, and leave their level undetermined.
_FULL = 1.0 - 1e-8


@compiled
def effective_price(cost: float, z: float) -> float:
    """Cost plus shadow price of a capacity in state ``z``."""
    return cost * elementary.exp(max(z - 1.0, 0.0))


class Damping(NamedTuple):
    """What of an ASP's state goes into the feedback of its prices."""

    theta_u: float
    theta_w: float
    correlation: float  # κ
    inverse: float  # 1/(1 - θ_u θ_w κ²)


@compiled
def damping(state: FloatArray) -> Damping:
    """The :class:`Damping` at the state that begins an ASP's columns."""
    theta_u, theta_w = _FULL * min(state[Z_U], 1.0), _FULL * min(state[Z_W], 1.0)
    kappa = state[CORRELATION]
    return Damping(theta_u, theta_w, kappa, 1.0 / (1.0 - theta_u * theta_w * kappa * kappa))


@compiled
def price_feedback(damped: Damping, a: float, b: float) -> tuple[float, float, float, float, float, float]:
    """S = ∇Cᵀ (H + diag(H_ii (1 - θ_i)/θ_i))⁻¹ ∇C at ∇C = (a √H_uu, b √H_ww).

    Returns:
        S, and its derivatives in z_u and z_w up to 1, in log H_uu, log H_ww and κ, ∇C fixed.
    """
    theta_u, theta_w, kappa, inverse = damped
    both, cross = theta_u * theta_w, kappa * a * b
    s = (theta_u * a * a - 2.0 * both * cross + theta_w * b * b) * inverse
    return (
        s,
        _FULL * (a * a + theta_w * (s * kappa * kappa - 2.0 * cross)) * inverse,
        _FULL * (b * b + theta_u * (s * kappa * kappa - 2.0 * cross)) * inverse,
        (both * cross - theta_u * a * a) * inverse,
        (both * cross - theta_w * b * b) * inverse,
        2.0 * both * (s * kappa - a * b) * inverse,
    )


class AspPoint(NamedTuple):
    """One ASP at the point where the system is evaluated."""

    flops_per_token: float  # κ
    u: float  # effective price of compute
    w: float  # effective price of bandwidth
    ratio: float  # √(w/u)
    inverse: float  # √(u/w)
    scale_u: float  # 1/√H_uu
    scale_w: float  # 1/√H_ww
    binding_u: bool  # whether its effective price of compute is an unknown
    binding_w: bool
    damped: Damping


@compiled_inner
def find_point(asp: FloatArray) -> None:
    """Work out what goes with an ASP's state, in its columns."""
    u, w = effective_price(asp[COMPUTE_COST], asp[Z_U]), effective_price(asp[BANDWIDTH_COST], asp[Z_W])
    asp[_U], asp[_W], asp[_RATIO], asp[_INVERSE] = u, w, math.sqrt(w / u), math.sqrt(u / w)
    asp[_SCALE_U], asp[_SCALE_W] = elementary.exp(-0.5 * asp[LOG_UU]), elementary.exp(-0.5 * asp[LOG_WW])


@compiled_inner
def point_of(asp: FloatArray) -> AspPoint:
    """What was worked out."""
    return AspPoint(
        asp[KAPPA],
        asp[_U],
        asp[_W],
        asp[_RATIO],
        asp[_INVERSE],
        asp[_SCALE_U],
        asp[_SCALE_W],
        asp[Z_U] >= 1.0,
        asp[Z_W] >= 1.0,
        damping(asp),
    )
