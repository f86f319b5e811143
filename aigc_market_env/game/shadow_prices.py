"""One ASP's shadow prices, which minimise its dual, and what they mean (docs/market.md#what-a-provider-does).

At effective prices u = c_f + λ and w = c_b + μ, where λ and μ are the shadow prices of the two capacities, a token/s of
throughput to MU m costs C_m = (√(uκ) + √(wσ_m))², so the ASP serves x_m with r_m Q'_m(x_m) = C_m, or nothing when
r_m Q'_m(0) <= C_m. The prices minimise the convex dual

    D(λ, μ) = λF + μB + Σ_m max_x [r_m Q_m(x) - C_m x],       ∇D = (F - Σf, B - Σb)

over λ, μ >= 0: two unknowns per ASP, with the Hessian in closed form.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model import qoe
from aigc_market_env.model.links import CROSS, ENTRY, SIGMA, coefficients_of, throughput
from aigc_market_env.model.parameters import FloatArray, MarketArrays

_MAX_STEPS = 200
_MAX_LOG_STEP = 3.0  # a factor of 20 in an effective price per Newton step
_RIDGE = 1.0 + 1e-13
_FAR = 1e30 * 2.0**400  # farther than any price is from zero; the power of two leaves the digits as they were
_MISSED = 1e-7  # of a capacity: what it costs is its square, relative to what the ASP is paid
_HEADROOM = 1.0 - 1e-14  # keeps a sum over MUs below capacity in whatever order it is summed


class Asp(NamedTuple):
    """The scalars of one ASP that its best response depends on."""

    flops_per_token: float  # κ, TFLOP/token
    compute_cost: float  # c_f, credits per slot per TFLOP/s
    bandwidth_cost: float  # c_b, credits per slot per MHz
    compute_capacity: float  # F, TFLOP/s
    bandwidth_capacity: float  # B, MHz


@compiled
def asp_of(market: MarketArrays, k: int, n: int) -> Asp:
    """ASP ``n`` of market ``k`` in a flat batch."""
    return Asp(
        market.flops_per_token[k, n],
        market.compute_cost[k, n],
        market.bandwidth_cost[k, n],
        market.compute_capacity[k, n],
        market.bandwidth_capacity[k, n],
    )


@compiled
def marginal_use(link: FloatArray, m: int, kappa: float, u: float, w: float) -> tuple[float, float]:
    """(∂C/∂u, ∂C/∂w): compute and bandwidth that the cheapest mix spends per token/s; C = u ∂C/∂u + w ∂C/∂w."""
    ratio = math.sqrt(w / u)
    return kappa + link[CROSS, m] * ratio, link[SIGMA, m] + link[CROSS, m] / ratio


@compiled
def demand(
    link: FloatArray, kappa: float, u: float, w: float, rewards: FloatArray, x: FloatArray
) -> tuple[float, float, float, float, float, float]:
    """What the MUs of one ASP would use at effective prices (u, w).

    ``x`` (M,) holds a guess of the throughputs on entry and the throughputs on return.

    Returns:
        Profit at those prices Σ_m max_x [rQ - Cx], compute used, bandwidth used, and the dual's Hessian
        -∂(Σf, Σb)/∂(u, w) as (uu, uw, ww).
    """
    ratio, inverse = math.sqrt(w / u), math.sqrt(u / w)
    half = 0.5 / math.sqrt(u * w)
    profit = compute = bandwidth = huu = huw = hww = 0.0
    for m in range(x.shape[0]):
        cross, reward = link[CROSS, m], rewards[m]
        cu, cw = kappa + cross * ratio, link[SIGMA, m] + cross * inverse
        cost = u * cu + w * cw
        if reward * link[ENTRY, m] <= cost:
            x[m] = 0.0
            continue
        c = coefficients_of(link, m)
        rate = qoe.served(cost / reward, c, x[m])
        x[m] = rate
        value, _, curvature, _ = qoe.derivatives(rate, c)
        response = -1.0 / (reward * curvature)  # -dx/dC > 0
        bend = half * cross * rate  # x ∂²C/∂u∂w
        profit += reward * value - cost * rate
        compute += rate * cu
        bandwidth += rate * cw
        huu += response * cu * cu + bend * ratio * ratio
        huw += response * cu * cw - bend
        hww += response * cw * cw + bend * inverse * inverse
    return profit, compute, bandwidth, huu, huw, hww


@compiled
def _log_excess(used: float, capacity: float) -> float:
    """used·log(used/capacity) above capacity, where demand is near a power law; used - capacity below it."""
    return used * math.log(used / capacity) if used > capacity else used - capacity


@compiled
def solve_prices(
    free_u: bool, free_w: bool, excess_u: float, excess_w: float, huu: float, huw: float, hww: float
) -> tuple[float, float]:
    """Solve H Δ = excess over the free prices; the ridge keeps H regular where an MU enters and it is near singular."""
    huu, hww = huu * _RIDGE, hww * _RIDGE
    if free_u and free_w and huu > 0.0:
        determinant = huu * hww - huw * huw
        return (hww * excess_u - huw * excess_w) / determinant, (huu * excess_w - huw * excess_u) / determinant
    # Without curvature nobody is served, so prices are too high: fall as far as the caller allows.
    step_u = (excess_u / huu if huu > 0.0 else -_FAR) if free_u else 0.0
    step_w = (excess_w / hww if hww > 0.0 else -_FAR) if free_w else 0.0
    return step_u, step_w


@compiled
def _moved(price: float, cost: float, log_step: float) -> float:
    """A shadow price >= 0 after its effective price has been multiplied by exp(log_step)."""
    return max((cost + price) * math.exp(log_step) - cost, 0.0)


@compiled
def _copy(source: FloatArray, target: FloatArray) -> None:
    """Copy (M,) element by element; Numba's own assignment counts references."""
    for m in range(source.shape[0]):
        target[m] = source[m]


@compiled
def shadow_prices(
    link: FloatArray,
    asp: Asp,
    rewards: FloatArray,
    tolerance: float,
    prices: FloatArray,
    x: FloatArray,
    trial: FloatArray,
) -> tuple[float, int]:
    """Minimise the dual of one ASP; ``prices`` (2,) and ``x`` (M,) hold a start on entry and the answer on return.

    Projected Newton on log(use/capacity) against log(effective price): demand is close to a power law, so this is
    nearly linear even when a shadow price is many times the cost. Steps are halved until the dual falls; ``trial`` (M,)
    is scratch. Where this ends short of a capacity, bisection takes over.

    Returns:
        The dual's value at the prices returned, credits per slot: an upper bound on the profit; and the Newton steps.
    """
    kappa, cost_u, cost_w, capacity_u, capacity_w = asp
    lam, mu = prices[0], prices[1]
    profit, f, b, huu, huw, hww = demand(link, kappa, cost_u + lam, cost_w + mu, rewards, x)
    dual = profit + lam * capacity_u + mu * capacity_w
    steps = 0
    while steps < _MAX_STEPS:
        free_u, free_w = lam > 0.0 or f > capacity_u, mu > 0.0 or b > capacity_w
        done_u = not free_u or abs(f - capacity_u) <= tolerance * capacity_u
        done_w = not free_w or abs(b - capacity_w) <= tolerance * capacity_w
        if done_u and done_w:
            break
        steps += 1
        step_u, step_w = solve_prices(
            free_u, free_w, _log_excess(f, capacity_u), _log_excess(b, capacity_w), huu, huw, hww
        )
        if (f - capacity_u) * step_u + (b - capacity_w) * step_w <= 0.0:  # uphill: ignore the cross effect
            step_u, step_w = solve_prices(free_u, free_w, f - capacity_u, b - capacity_w, huu, 0.0, hww)
        step_u, step_w = step_u / (cost_u + lam), step_w / (cost_w + mu)
        longest = max(abs(step_u), abs(step_w))
        if longest > _MAX_LOG_STEP:
            step_u, step_w = step_u * (_MAX_LOG_STEP / longest), step_w * (_MAX_LOG_STEP / longest)
        scale = 1.0
        while True:
            new_lam, new_mu = _moved(lam, cost_u, scale * step_u), _moved(mu, cost_w, scale * step_w)
            _copy(x, trial)
            profit, nf, nb, nuu, nuw, nww = demand(link, kappa, cost_u + new_lam, cost_w + new_mu, rewards, trial)
            new_dual = profit + new_lam * capacity_u + new_mu * capacity_w
            before = (f - capacity_u) * (new_lam - lam) + (b - capacity_w) * (new_mu - mu)
            after = (capacity_u - nf) * (new_lam - lam) + (capacity_w - nb) * (new_mu - mu)
            # Near the minimum the dual's fall drowns in rounding; there the slope at the step's end must have shrunk.
            fell = new_dual <= dual - 1e-4 * before
            shrunk = before <= 1e-9 * abs(dual) and after <= 0.9 * before
            if fell or shrunk or scale < 1e-12:
                break
            scale *= 0.5
        stuck = new_lam == lam and new_mu == mu
        lam, mu, dual = new_lam, new_mu, new_dual
        f, b, huu, huw, hww = nf, nb, nuu, nuw, nww
        _copy(trial, x)
        if stuck:
            break
    prices[0], prices[1] = lam, mu
    if max(_missed(f, capacity_u, lam), _missed(b, capacity_w, mu)) > max(tolerance, _MISSED):
        dual = _bisected_prices(link, asp, rewards, prices, x, trial)
    return dual, steps


@compiled
def _missed(used: float, capacity: float, price: float) -> float:
    """How far use is from where it has to be at a shadow price, relative to the capacity."""
    return abs(used - capacity) / capacity if price > 0.0 or used > capacity else 0.0


@compiled
def _bisected_prices(
    link: FloatArray, asp: Asp, rewards: FloatArray, prices: FloatArray, x: FloatArray, trial: FloatArray
) -> float:
    """Minimise the dual by bisection down to neighbouring floating-point prices; write ``prices`` (2,) and ``x`` (M,).

    Next to its entry threshold an MU's demand jumps, from one price to the next, from nothing to many times a capacity
    that is small to it, and no price finds what lies between. The best throughputs are a mean of those on both sides,
    the one that uses the capacity up: whoever differs between the two is worth its cost up to rounding. The dual is
    taken on the upper side, where it is steep by no more than the capacity.

    Returns:
        The dual's value at the prices returned, credits per slot.
    """
    cost, capacity = asp.bandwidth_cost, asp.bandwidth_capacity
    low = high = cost
    lower = upper = _bisected_compute_price(link, asp, rewards, 0.0, trial)
    if upper.bandwidth > capacity:
        high = _choking_prices(link, asp, rewards)[1]
        upper = _bisected_compute_price(link, asp, rewards, high - cost, trial)
    middle = _halfway(low, high)
    while low < middle < high:
        between = _bisected_compute_price(link, asp, rewards, middle - cost, trial)
        if between.bandwidth > capacity:
            low, lower = middle, between
        else:
            high, upper = middle, between
        middle = _halfway(low, high)
    share = _share(lower.bandwidth, upper.bandwidth, capacity)
    for m in range(x.shape[0]):
        x[m] = 0.0
    _add_throughput(link, asp, rewards, lower, low - cost, share, x, trial)
    _add_throughput(link, asp, rewards, upper, high - cost, 1.0 - share, x, trial)
    prices[0], prices[1] = upper.high, high - cost
    return upper.dual


class _Sides(NamedTuple):
    """Neighbouring shadow prices of compute between which its use passes the capacity, at a price of bandwidth."""

    low: float
    high: float
    share: float  # of the lower side in the mean that uses the capacity up
    bandwidth: float  # that this mean uses
    dual: float  # on the upper side


@compiled
def _bisected_compute_price(link: FloatArray, asp: Asp, rewards: FloatArray, mu: float, trial: FloatArray) -> _Sides:
    cost, capacity = asp.compute_cost, asp.compute_capacity
    low = high = cost
    lower = upper = _demand_anew(link, asp, rewards, 0.0, mu, trial)
    if upper[1] > capacity:
        high = _choking_prices(link, asp, rewards)[0]
        upper = _demand_anew(link, asp, rewards, high - cost, mu, trial)
    middle = _halfway(low, high)
    while low < middle < high:
        between = _demand_anew(link, asp, rewards, middle - cost, mu, trial)
        if between[1] > capacity:
            low, lower = middle, between
        else:
            high, upper = middle, between
        middle = _halfway(low, high)
    share, lam = _share(lower[1], upper[1], capacity), high - cost
    bandwidth = upper[2] + share * (lower[2] - upper[2])
    return _Sides(low - cost, lam, share, bandwidth, upper[0] + lam * capacity + mu * asp.bandwidth_capacity)


@compiled
def _demand_anew(
    link: FloatArray, asp: Asp, rewards: FloatArray, lam: float, mu: float, x: FloatArray
) -> tuple[float, float, float]:
    """Profit at shadow prices, compute and bandwidth used, the same whatever was asked before; ``x`` is overwritten."""
    for m in range(x.shape[0]):
        x[m] = 0.0
    u, w = asp.compute_cost + lam, asp.bandwidth_cost + mu
    profit, compute, bandwidth, _, _, _ = demand(link, asp.flops_per_token, u, w, rewards, x)
    return profit, compute, bandwidth


@compiled
def _add_throughput(
    link: FloatArray,
    asp: Asp,
    rewards: FloatArray,
    sides: _Sides,
    mu: float,
    weight: float,
    x: FloatArray,
    trial: FloatArray,
) -> None:
    """Add to ``x`` (M,) a weight times the mean of the throughputs on both sides."""
    for lam, share in ((sides.low, sides.share), (sides.high, 1.0 - sides.share)):
        _demand_anew(link, asp, rewards, lam, mu, trial)
        for m in range(x.shape[0]):
            x[m] += weight * share * trial[m]


@compiled
def _share(lower: float, upper: float, capacity: float) -> float:
    """Weight of ``lower`` in that mean with ``upper`` which is the capacity; 0 where they are the same."""
    return (capacity - upper) / (lower - upper) if lower > upper else 0.0


@compiled
def _choking_prices(link: FloatArray, asp: Asp, rewards: FloatArray) -> tuple[float, float]:
    """Effective prices of compute and of bandwidth, each of which alone keeps the ASP from serving anybody."""
    u, w = asp.compute_cost, asp.bandwidth_cost
    for m in range(rewards.shape[0]):
        worth = rewards[m] * link[ENTRY, m]
        u, w = max(u, worth / asp.flops_per_token), max(w, worth / link[SIGMA, m])
    return 2.0 * u, 2.0 * w


@compiled
def _halfway(low: float, high: float) -> float:
    """The middle one of all floating-point numbers from ``low`` >= 0 to ``high``: 64 halvings end at neighbours."""
    first, last = np.float64(low).view(np.int64), np.float64(high).view(np.int64)
    return np.int64(first + (last - first) // 2).view(np.float64)


@compiled
def allocate(
    link: FloatArray, asp: Asp, prices: FloatArray, x: FloatArray, compute: FloatArray, bandwidth: FloatArray
) -> None:
    """Turn throughputs ``x`` (M,) at shadow ``prices`` into an allocation that respects the capacities to the last bit.

    A resource with a positive shadow price is used up: next to an entry threshold, use is so sensitive to the price
    that no floating-point price hits the capacity. ``x`` is updated to what the allocation delivers.
    """
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    f = b = 0.0
    for m in range(x.shape[0]):
        cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
        compute[m], bandwidth[m] = x[m] * cu, x[m] * cw
        f += compute[m]
        b += bandwidth[m]
    scale_u = _scale(f, asp.compute_capacity * _HEADROOM, prices[0])
    scale_w = _scale(b, asp.bandwidth_capacity * _HEADROOM, prices[1])
    for m in range(x.shape[0]):
        compute[m] *= scale_u
        bandwidth[m] *= scale_w
        x[m] = throughput(compute[m], bandwidth[m], asp.flops_per_token, link[SIGMA, m])


@compiled
def _scale(used: float, available: float, price: float) -> float:
    """What takes use down to what is available or, where the shadow price is positive, up to it."""
    return available / used if used > available or (price > 0.0 and used > 0.0) else 1.0
