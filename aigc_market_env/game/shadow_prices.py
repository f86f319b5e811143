"""ASPs' shadow prices, which minimise their duals, and what they mean (docs/market.md#what-a-provider-does).

With shadow prices λ and μ of the two capacities, MUs are served as :mod:`~aigc_market_env.game.demand` says at the
effective prices u = c_f + λ and w = c_b + μ. The shadow prices of an ASP minimise its convex dual

    D(λ, μ) = λF + μB + Σ_m max_x [r_m Q_m(x) - C_m x],       ∇D = (F - Σf, B - Σb)

over λ, μ >= 0: two unknowns per ASP, with the Hessian in closed form.
"""

from typing import NamedTuple

from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env._numerics.elementary import log
from aigc_market_env.game.bisected_prices import bisect_prices
from aigc_market_env.game.demand import (
    ASKED,
    BANDWIDTH,
    BANDWIDTH_CAPACITY,
    BANDWIDTH_COST,
    COMPUTE,
    COMPUTE_CAPACITY,
    COMPUTE_COST,
    DEMAND_COLUMNS,
    EXACT_WITHIN,
    HUU,
    HUW,
    HWW,
    KAPPA,
    LAM,
    MOVED,
    MU,
    PROFIT,
    Providers,
    fill_blocks,
    find_demand,
    read_rates,
    rescale,
    spend,
)
from aigc_market_env.model.parameters import FloatArray, MarketArrays

_MAX_STEPS = 200
_MAX_LOG_STEP = 3.0  # a factor of 13 in an effective price per Newton step
_RIDGE = 1.0 + 1e-13
_FAR = 1e30 * 2.0**400  # farther than any price is from zero; the power of two leaves the digits as they were
_MISSED = 1e-7  # of a capacity: what it costs is its square, relative to what the ASP is paid
_HEADROOM = 1.0 - 1e-14  # keeps a sum over MUs below capacity in whatever order it is summed

# Columns of an ASP after those of its demand: the point that its search stands at, and the step tried from there.
_LAM, _MU, _COMPUTE, _BANDWIDTH, DUAL, STEPS, _STEP_U, _STEP_W, _SCALE = range(DEMAND_COLUMNS, DEMAND_COLUMNS + 9)


class Asp(NamedTuple):
    """The scalars of one ASP that its best response depends on."""

    flops_per_token: float  # κ, TFLOP/token
    compute_cost: float  # c_f, credits per slot per TFLOP/s
    bandwidth_cost: float  # c_b, credits per slot per MHz
    compute_capacity: float  # F, TFLOP/s
    bandwidth_capacity: float  # B, MHz


@compiled_in_place
def asp_of(market: MarketArrays, k: int, n: int) -> Asp:
    """ASP ``n`` of market ``k`` in a flat batch."""
    return Asp(
        market.flops_per_token[k, n],
        market.compute_cost[k, n],
        market.bandwidth_cost[k, n],
        market.compute_capacity[k, n],
        market.bandwidth_capacity[k, n],
    )


@compiled_inner
def put_asp(asp: Asp, prices: FloatArray, column: FloatArray) -> None:
    """Write an ASP into its columns, and ask for its shadow prices, the search beginning at the prices (2,) given."""
    column[ASKED] = 1.0
    column[KAPPA], column[COMPUTE_COST], column[BANDWIDTH_COST] = asp[0], asp[1], asp[2]
    column[COMPUTE_CAPACITY], column[BANDWIDTH_CAPACITY] = asp[3], asp[4]
    column[LAM], column[MU] = prices[0], prices[1]


@compiled_inner
def asp_in(column: FloatArray) -> Asp:
    """The ASP in its columns."""
    return Asp(
        column[KAPPA],
        column[COMPUTE_COST],
        column[BANDWIDTH_COST],
        column[COMPUTE_CAPACITY],
        column[BANDWIDTH_CAPACITY],
    )


@compiled_in_place
def shadow_prices(
    link: FloatArray,
    asp: Asp,
    rewards: FloatArray,
    tolerance: float,
    prices: FloatArray,
    x: FloatArray,
    providers: Providers,
) -> float:
    """Minimise the dual of one ASP; ``prices`` (2,) and ``x`` (M,) hold a start on entry and the answer on return.

    ``providers`` is scratch, of which it takes the first ASP's.

    Returns:
        The dual's value at the prices returned, credits per slot: an upper bound on the profit.
    """
    column, blocks = providers.asps[0], providers.blocks[0]
    put_asp(asp, prices, column)
    fill_blocks(link, rewards, x, blocks)
    find_shadow_prices(Providers(providers.asps[:1], providers.blocks[:1]), tolerance)
    read_rates(blocks, x)
    prices[0], prices[1] = column[LAM], column[MU]
    return column[DUAL]


@compiled_in_place
def find_shadow_prices(providers: Providers, tolerance: float) -> None:
    """Minimise the dual of every ASP that is asked; LAM, MU and throughputs hold a start, and the answer on return.

    Projected Newton on log(use/capacity) against log(effective price): demand is close to a power law, so this is
    nearly linear even when a shadow price is many times the cost. Steps are halved until the dual falls. Where this
    ends short of a capacity, bisection takes over. DUAL is the dual's value in the end, an upper bound on the profit,
    STEPS counts Newton's, and the columns of demand tell what it is at the prices found.
    """
    asps, blocks = providers
    for n in range(asps.shape[0]):
        asps[n, STEPS], asps[n, MOVED] = -1.0, 0.0
    searching = 1
    while searching > 0:
        find_demand(providers)
        searching = 0
        for n in range(asps.shape[0]):
            if asps[n, ASKED] > 0.0:
                searching += _go_on(asps[n], tolerance)
    for n in range(asps.shape[0]):
        if asps[n, STEPS] < 0.0:
            continue
        missed_u = _missed(asps[n, COMPUTE], asps[n, COMPUTE_CAPACITY], asps[n, LAM])
        missed_w = _missed(asps[n, BANDWIDTH], asps[n, BANDWIDTH_CAPACITY], asps[n, MU])
        if max(missed_u, missed_w) > max(tolerance, _MISSED):
            asps[n, DUAL] = bisect_prices(Providers(asps[n : n + 1], blocks[n : n + 1]))
            asps[n, ASKED] = 0.0


@compiled_inner
def _go_on(asp: FloatArray, tolerance: float) -> bool:
    """Judge the step that demand was found for: shorten it, take the next one, or end the search and return False."""
    dual = asp[PROFIT] + asp[LAM] * asp[COMPUTE_CAPACITY] + asp[MU] * asp[BANDWIDTH_CAPACITY]
    if asp[STEPS] >= 0.0:
        moved_u, moved_w = asp[LAM] - asp[_LAM], asp[MU] - asp[_MU]
        before = (asp[_COMPUTE] - asp[COMPUTE_CAPACITY]) * moved_u + (
            asp[_BANDWIDTH] - asp[BANDWIDTH_CAPACITY]
        ) * moved_w
        after = (asp[COMPUTE_CAPACITY] - asp[COMPUTE]) * moved_u + (asp[BANDWIDTH_CAPACITY] - asp[BANDWIDTH]) * moved_w
        # Near the minimum the dual's fall drowns in rounding; there the slope at the step's end must have shrunk.
        fell = dual <= asp[DUAL] - 1e-4 * before
        shrunk = before <= 1e-9 * abs(asp[DUAL]) and after <= 0.9 * before
        if not (fell or shrunk or asp[_SCALE] < 1e-12):
            asp[_SCALE] *= 0.5
            _try(asp)
            return True
        stood = moved_u == 0.0 and moved_w == 0.0
        if stood and (asp[_STEP_U] != 0.0 or asp[_STEP_W] != 0.0):  # a step too short for floating point
            asp[ASKED], asp[DUAL] = 0.0, dual
            return False
    asp[STEPS] += 1.0
    asp[DUAL], asp[_LAM], asp[_MU] = dual, asp[LAM], asp[MU]
    asp[_COMPUTE], asp[_BANDWIDTH] = asp[COMPUTE], asp[BANDWIDTH]
    if not _aim(asp, tolerance) or asp[STEPS] >= _MAX_STEPS:
        if asp[MOVED] <= EXACT_WITHIN:
            asp[ASKED] = 0.0
            return False
        asp[_STEP_U] = asp[_STEP_W] = 0.0  # find demand here once more, as closely as can be
    _try(asp)
    return True


@compiled_inner
def _aim(asp: FloatArray, tolerance: float) -> bool:
    """Find the next Newton step, in logarithms of effective prices; False where the prices are right as they are."""
    lam, mu = asp[LAM], asp[MU]
    f, b, capacity_u, capacity_w = asp[COMPUTE], asp[BANDWIDTH], asp[COMPUTE_CAPACITY], asp[BANDWIDTH_CAPACITY]
    free_u, free_w = lam > 0.0 or f > capacity_u, mu > 0.0 or b > capacity_w
    done_u = not free_u or abs(f - capacity_u) <= tolerance * capacity_u
    done_w = not free_w or abs(b - capacity_w) <= tolerance * capacity_w
    if done_u and done_w:
        return False
    huu, huw, hww = asp[HUU], asp[HUW], asp[HWW]
    step_u, step_w = solve_prices(free_u, free_w, _log_excess(f, capacity_u), _log_excess(b, capacity_w), huu, huw, hww)
    if (f - capacity_u) * step_u + (b - capacity_w) * step_w <= 0.0:  # uphill: ignore the cross effect
        step_u, step_w = solve_prices(free_u, free_w, f - capacity_u, b - capacity_w, huu, 0.0, hww)
    step_u, step_w = step_u / (asp[COMPUTE_COST] + lam), step_w / (asp[BANDWIDTH_COST] + mu)
    longest = max(abs(step_u), abs(step_w))
    shortening = _MAX_LOG_STEP / longest if longest > _MAX_LOG_STEP else 1.0
    asp[_STEP_U], asp[_STEP_W], asp[_SCALE] = step_u * shortening, step_w * shortening, 1.0
    return True


@compiled_inner
def _try(asp: FloatArray) -> None:
    """Have demand found where the step leads to."""
    asp[LAM] = _moved(asp[_LAM], asp[COMPUTE_COST], asp[_SCALE] * asp[_STEP_U])
    asp[MU] = _moved(asp[_MU], asp[BANDWIDTH_COST], asp[_SCALE] * asp[_STEP_W])
    moved_u = abs(asp[LAM] - asp[_LAM]) / (asp[COMPUTE_COST] + asp[_LAM])
    moved_w = abs(asp[MU] - asp[_MU]) / (asp[BANDWIDTH_COST] + asp[_MU])
    asp[MOVED] = max(moved_u, moved_w)


@compiled
def _moved(price: float, cost: float, log_step: float) -> float:
    """A shadow price >= 0 after its effective price has been multiplied by about exp(log_step), |log_step| <= 3."""
    growth = (12.0 + log_step * (6.0 + log_step)) / (12.0 - log_step * (6.0 - log_step))
    return max((cost + price) * growth - cost, 0.0)


@compiled
def _log_excess(used: float, capacity: float) -> float:
    """used·log(used/capacity) above capacity, where demand is near a power law; used - capacity below it."""
    return used * log(used / capacity) if used > capacity else used - capacity


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
def _missed(used: float, capacity: float, price: float) -> float:
    """How far use is from where it has to be at a shadow price, relative to the capacity."""
    return abs(used - capacity) / capacity if price > 0.0 or used > capacity else 0.0


@compiled_in_place
def allocate(asp: FloatArray, blocks: FloatArray) -> None:
    """Turn an ASP's throughputs at its shadow prices into an allocation within capacities to the last bit.

    A resource with a positive shadow price is used up: next to an entry threshold, use is so sensitive to the price
    that no floating-point price hits the capacity. Throughputs are updated to what the allocation delivers.
    """
    f, b = spend(asp, blocks)
    scale_u = _scale(f, asp[COMPUTE_CAPACITY] * _HEADROOM, asp[LAM])
    scale_w = _scale(b, asp[BANDWIDTH_CAPACITY] * _HEADROOM, asp[MU])
    rescale(asp[KAPPA], blocks, scale_u, scale_w)


@compiled
def _scale(used: float, available: float, price: float) -> float:
    """What takes use down to what is available or, where the shadow price is positive, up to it."""
    return available / used if used > available or (price > 0.0 and used > 0.0) else 1.0
