"""How one ASP reacts to one MU's reward: threshold, QoE delivered, its slope (docs/market.md#what-a-user-does).

An ASP responds to the rewards posted to it alone. So an MU's side of the game is made of these functions of one link,
all others' rewards fixed.
"""

from aigc_market_env import qoe
from aigc_market_env._compile import compiled
from aigc_market_env.followers import TOLERANCE
from aigc_market_env.links import ENTRY, coefficients_of
from aigc_market_env.market import FloatArray
from aigc_market_env.shadow_prices import Asp, demand, marginal_use, shadow_prices, solve_prices


@compiled
def throughput_slope(
    link: FloatArray,
    m: int,
    asp: Asp,
    prices: FloatArray,
    reward: float,
    x: float,
    hessian: tuple[float, float, float],
) -> float:
    """dx/dr of MU ``m`` at one ASP: its own response, less what the shadow prices that it moves take back.

    ``hessian`` is that of the dual, from :func:`demand` at the same prices. Zero when the MU is not served.
    """
    if x <= 0.0:
        return 0.0
    slope, curvature = qoe.slope_and_curvature(x, coefficients_of(link, m))
    direct = -slope / (reward * curvature)
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
    du, dw = solve_prices(prices[0] > 0.0, prices[1] > 0.0, cu * direct, cw * direct, *hessian)
    return direct + (cu * du + cw * dw) / (reward * curvature)


@compiled
def entry_threshold(link: FloatArray, m: int, asp: Asp, prices: FloatArray) -> float:
    """r̲ = C/Q'(0), the reward above which the ASP serves MU ``m`` at these shadow prices, credits per QoE."""
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
    return (u * cu + w * cw) / link[ENTRY, m]


@compiled
def offer(
    link: FloatArray, m: int, asp: Asp, rewards: FloatArray, reward: float, prices: FloatArray, scratch: FloatArray
) -> tuple[float, float]:
    """QoE that one ASP delivers to MU ``m`` for ``reward``, and its derivative in the reward.

    ``prices`` and ``scratch[0]`` carry the warm start from one call to the next; ``rewards`` keeps its value.
    """
    x, trial = scratch[0], scratch[1]
    posted = rewards[m]
    rewards[m] = reward
    shadow_prices(link, asp, rewards, TOLERANCE, prices, x, trial)
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    _, _, _, huu, huw, hww = demand(link, asp.flops_per_token, u, w, rewards, x)
    rewards[m] = posted
    c = coefficients_of(link, m)
    response = throughput_slope(link, m, asp, prices, reward, x[m], (huu, huw, hww))
    return qoe.value(x[m], c), qoe.slope(x[m], c) * response
