"""An ASP's unknowns in the leaders' game, and how they damp what one MU's demand does to prices (docs/equilibrium.md).

z_u, z_w     one number per capacity: 0 spare; in (0, 1) on the kink, with θ = z; above 1 binding, with θ = 1 and an
             effective price of cost·exp(z - 1)
log H_uu, log H_ww, κ = H_uw/√(H_uu H_ww)     the response of its use to its prices, which its links share.
"""

from typing import NamedTuple

from aigc_market_env._numerics import elementary
from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model.parameters import FloatArray

Z_U, Z_W, LOG_UU, LOG_WW, CORRELATION = range(5)
STATE = 5
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
    """The :class:`Damping` of a state (5,)."""
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
