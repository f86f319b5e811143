"""How far posted rewards are from the leaders' first-order conditions (docs/market.md#what-a-user-does)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.equilibrium.asp_state import LOG_UU, LOG_WW, Z_U, Z_W, damping, effective_price, price_feedback
from aigc_market_env.equilibrium.markdown import markdown
from aigc_market_env.equilibrium.start import Start, new_start, start_from
from aigc_market_env.equilibrium.system import System, log_worth_of, new_system
from aigc_market_env.game.demand import marginal_use
from aigc_market_env.game.shadow_prices import Asp, asp_of
from aigc_market_env.market import Market
from aigc_market_env.model import qoe
from aigc_market_env.model.checks import link_arrays, market_index
from aigc_market_env.model.links import coefficients_of
from aigc_market_env.model.parameters import FloatArray, MarketArrays


@dataclass(frozen=True, eq=False)
class FirstOrder:
    """What rewards come to when each leader takes the others' for granted, the ASPs responding exactly.

    Attributes:
        step: what log r lacks to the markdown log(V e/(1 + e)) at the present elasticities e, or to log V where the MU
            is priced out; zero at an equilibrium, inf where r = 0, -inf where shadow prices would take back every
            response. (..., M, N)
        qoe: QoE delivered. (..., M, N)
        worth: V, what further QoE is worth to an MU, credits per QoE. (..., M)
    """

    step: FloatArray
    qoe: FloatArray
    worth: FloatArray


def first_order(market: Market, rewards: npt.ArrayLike, *, kink_width: float = 0.0) -> FirstOrder:
    """The leaders' first-order conditions at posted rewards.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)
        kink_width: over what range of a capacity's state its price response comes to be felt. The state is
            log(use/capacity) below 0 and log(effective price/cost) above. With 0, leaders feel the response of a
            capacity just when its shadow price is positive, and elasticities jump where one starts to bind.

    Returns:
        The :class:`FirstOrder`, with the joint batch axes.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: docs/market.md#what-a-user-does.
    """
    batch, flat = link_arrays(market, rewards=rewards)
    size, m, n = flat["rewards"].shape
    step, delivered, worth = np.empty((size, m, n)), np.empty((size, m, n)), np.empty((size, m))
    over_markets(
        _first_order,
        size,
        market.flat,
        market_index(market, batch),
        flat["rewards"],
        float(kink_width),
        step,
        delivered,
        worth,
        min_slice=4,
    )
    return FirstOrder(step.reshape(*batch, m, n), delivered.reshape(*batch, m, n), worth.reshape(*batch, m))


@compiled
def _first_order(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    kink_width: float,
    step: FloatArray,
    delivered: FloatArray,
    worth: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    begin, s, posted = new_start(num_mus, num_asps), new_system(num_mus, num_asps), np.empty((num_asps, num_mus))
    for i in range(start, stop):
        k = index[i]
        posted[:] = rewards[i].T
        start_from(market, k, posted, begin, s)
        for m in range(num_mus):
            worth[i, m] = math.exp(log_worth_of(s, m))
        for n in range(num_asps):
            _mark_down(begin, s, n, asp_of(market, k, n), posted[n], kink_width, step[i], delivered[i])


@compiled
def _mark_down(
    begin: Start,
    s: System,
    n: int,
    asp: Asp,
    rewards: FloatArray,
    kink_width: float,
    step: FloatArray,
    delivered: FloatArray,
) -> None:
    """Fill column ``n`` of ``step`` and ``delivered`` (M, N) from one ASP's state."""
    link, x, state = begin.links[n], begin.x[n], s.asps[n]
    kappa = asp.flops_per_token
    u, w = effective_price(asp.compute_cost, state[Z_U]), effective_price(asp.bandwidth_cost, state[Z_W])
    if kink_width > 0.0:
        _soften(link, asp, u, w, x, kink_width, state)
    damped = damping(state)
    scale_u, scale_w = math.exp(-0.5 * state[LOG_UU]), math.exp(-0.5 * state[LOG_WW])
    for m in range(x.shape[0]):
        c = coefficients_of(link, m)
        delivered[m, n] = qoe.value(x[m], c)
        if x[m] > 0.0:
            cu, cw = marginal_use(link, m, kappa, u, w)
            feedback = price_feedback(damped, cu * scale_u, cw * scale_w)[0]
            step[m, n] = log_worth_of(s, m) - markdown(x[m], c, u * cu + w * cw, feedback, 0.0).log_worth
        else:
            step[m, n] = log_worth_of(s, m) - math.log(rewards[m])


@compiled
def _soften(link: FloatArray, asp: Asp, u: float, w: float, x: FloatArray, width: float, state: FloatArray) -> None:
    """Replace z by a θ that grows from 0 to 1 as the capacity's state grows from -width/2 to width/2."""
    f = b = 0.0
    for m in range(x.shape[0]):
        cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
        f += x[m] * cu
        b += x[m] * cw
    state[Z_U] = _softened(state[Z_U], f, asp.compute_capacity, width)
    state[Z_W] = _softened(state[Z_W], b, asp.bandwidth_capacity, width)


@compiled
def _softened(z: float, used: float, capacity: float, width: float) -> float:
    if z > 1.0:
        return min(0.5 + (z - 1.0) / width, 1.0)
    return max(0.5 + min(math.log(used / capacity), 0.0) / width, 0.0) if used > 0.0 else 0.0
