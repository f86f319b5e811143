"""How one ASP reacts to a change of one MU's reward, all others' fixed (docs/market.md#what-a-user-does)."""

from aigc_market_env._numerics.compile import compiled_in_place
from aigc_market_env.game.demand import marginal_use
from aigc_market_env.game.shadow_prices import Asp, solve_prices
from aigc_market_env.model import qoe
from aigc_market_env.model.links import coefficients_of
from aigc_market_env.model.parameters import FloatArray


@compiled_in_place
def throughput_slope(
    link: FloatArray,
    m: int,
    asp: Asp,
    lam: float,
    mu: float,
    reward: float,
    x: float,
    hessian: tuple[float, float, float],
) -> float:
    """dx/dr of MU ``m`` at one ASP: its own response, less what the shadow prices that it moves take back.

    ``hessian`` is that of the dual at the same prices, as (uu, uw, ww). Zero when the MU is not served.
    """
    if x <= 0.0:
        return 0.0
    slope, curvature = qoe.slope_and_curvature(x, coefficients_of(link, m))
    direct = -slope / (reward * curvature)
    u, w = asp.compute_cost + lam, asp.bandwidth_cost + mu
    cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
    du, dw = solve_prices(lam > 0.0, mu > 0.0, cu * direct, cw * direct, *hessian)
    return direct + (cu * du + cw * dw) / (reward * curvature)
