"""ASPs' shadow prices, which minimise their duals, and what they mean (docs/market.md#what-a-provider-does).

With shadow prices λ and μ of the two capacities, MUs are served as :mod:`~aigc_market_env.game.demand` says at the
effective prices u = c_f + λ and w = c_b + μ. The shadow prices of an ASP minimise its convex dual

    D(λ, μ) = λF + μB + Σ_m max_x [r_m Q_m(x) - C_m x],       ∇D = (F - Σf, B - Σb)

over λ, μ >= 0: two unknowns per ASP, with the Hessian in closed form.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env.game.bisected_prices import bisect_prices
from aigc_market_env.game.demand import (
    ASKED,
    BANDWIDTH,
    BANDWIDTH_CAPACITY,
    BANDWIDTH_COST,
    CLOSE,
    CLOSEST,
    COMPUTE,
    COMPUTE_CAPACITY,
    COMPUTE_COST,
    FARTHEST,
    HUU,
    HUW,
    HWW,
    KAPPA,
    LAM,
    MOVED,
    MU,
    PROFIT,
    SEARCH,
    WIDTH,
    Providers,
    ask_for,
    fill_blocks,
    find_demand,
    inverse_prices,
    largest,
    of_asp,
    open_blocks,
    read_rates,
    rescale,
    set_of_asp,
    set_prices,
    spend,
)
from aigc_market_env.model.parameters import FloatArray, MarketArrays

_MAX_STEPS = 200
_MAX_LOG_STEP = 3.0  # a factor of 13 in an effective price per Newton step
_RIDGE = 1.0 + 1e-13
_CLOSENESS = 0.1  # of throughputs, for an error a thousandth of what capacities may be missed by
_FAR = 1e30 * 2.0**400  # farther than any price is from zero; the power of two leaves the digits as they were
_MISSED = 1e-7  # of a capacity: what it costs is its square, relative to what the ASP is paid
_SHORT = 0.03  # of the root of the tolerance: the longest last step
_STEEPEST = 1e6  # elasticity of use in a price, beyond which rounding of the price is as good as a last step
_HEADROOM = 1.0 - 1e-14  # keeps a sum over MUs below capacity in whatever order it is summed

# Quantities of a group after those of its demand: the point that an ASP's search stands at, the step tried from there,
(
    _LAM,
    _MU,
    _OVER_U,  # use less capacity
    _OVER_W,
    DUAL,
    _BLUR,  # by how much, relative to it, the dual may be wrong where throughputs were not found closely
    STEPS,
    _STEP_U,  # in logarithms of effective prices
    _STEP_W,
    _SCALE,  # of the step, as it has been shortened
    _TAKEN,  # 1 where the step is not to be shortened further
) = range(SEARCH, SEARCH + 11 * WIDTH, WIDTH)


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
def put_asp(asp: Asp, lam: float, mu: float, asps: FloatArray, n: int) -> None:
    """Write ASP ``n``, and ask for its shadow prices, the search beginning at those given."""
    set_of_asp(asps, n, KAPPA, asp[0])
    set_of_asp(asps, n, COMPUTE_COST, asp[1])
    set_of_asp(asps, n, BANDWIDTH_COST, asp[2])
    set_of_asp(asps, n, COMPUTE_CAPACITY, asp[3])
    set_of_asp(asps, n, BANDWIDTH_CAPACITY, asp[4])
    ask_for(asps, n, lam, mu)


@compiled_inner
def asp_in(asps: FloatArray, n: int) -> Asp:
    """ASP ``n`` as it was written."""
    return Asp(
        of_asp(asps, n, KAPPA),
        of_asp(asps, n, COMPUTE_COST),
        of_asp(asps, n, BANDWIDTH_COST),
        of_asp(asps, n, COMPUTE_CAPACITY),
        of_asp(asps, n, BANDWIDTH_CAPACITY),
    )


@compiled_inner
def follow(price: float, cost: float, change: float) -> float:
    """A shadow price to begin with where rewards have changed by a factor: all by the same, effective prices would."""
    return max((cost + price) * change - cost, 0.0) if price > 0.0 else 0.0


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
    asps, blocks = providers
    put_asp(asp, prices[0], prices[1], asps, 0)
    fill_blocks(link, rewards, x, blocks[0])
    find_shadow_prices(providers, tolerance)
    read_rates(blocks[0], x)
    prices[0], prices[1] = of_asp(asps, 0, LAM), of_asp(asps, 0, MU)
    return of_asp(asps, 0, DUAL)


@compiled_in_place
def find_shadow_prices(
    providers: Providers, tolerance: float, closest: float = CLOSEST, longest: float = np.inf
) -> None:
    """Minimise the dual of every ASP that is asked; LAM, MU and throughputs hold a start, and the answer on return.

    The search ends where capacities are met to a relative ``tolerance``, throughputs as close as ``closest`` makes them
    (see :func:`find_demand`), and the next step would be no longer than ``longest``.

    Projected Newton on log(use/capacity) against log(effective price): demand is close to a power law, so this is
    nearly linear even when a shadow price is many times the cost. Steps are halved until the dual falls. Where this
    ends short of a capacity, bisection takes over. DUAL is the dual's value in the end, an upper bound on the profit,
    STEPS counts Newton's, and PROFIT to HWW tell what demand is at the prices found.
    """
    asps = providers.asps
    for group in range(asps.shape[0]):
        _begin(asps[group])
    searching = 1.0
    while searching > 0.0:
        find_demand(providers)
        searching = 0.0
        for group in range(asps.shape[0]):
            _judge(asps[group])
            _aim(asps[group], tolerance, closest, longest)
            _try(asps[group], closest)
            searching = max(searching, largest(asps[group], ASKED))
    for n in range(providers.blocks.shape[0]):
        if of_asp(asps, n, STEPS) >= 0.0 and _missed_by(asps, n) > max(tolerance, _MISSED):
            set_of_asp(asps, n, DUAL, bisect_prices(providers, n))
            set_of_asp(asps, n, _STEP_U, 0.0)
            set_of_asp(asps, n, _STEP_W, 0.0)


@compiled_in_place
def find_responses(providers: Providers, tolerance: float) -> None:
    """:func:`find_shadow_prices` for who wants to know no more than throughputs and prices: sooner done.

    A step of Newton's squares what capacities are missed by. So the search ends at the root of the tolerance, and a
    last step is taken, with throughputs along their slopes, without finding demand where it leads to. It is shorter
    than that root by far, for whoever would enter on the way is left out, which errs by as much as the step is long.
    """
    enough = math.sqrt(tolerance)
    closest = min(max(_CLOSENESS * enough ** (1.0 / 3.0), CLOSEST), FARTHEST)
    find_shadow_prices(providers, enough, closest, _SHORT * enough)
    asps, blocks = providers
    for group in range(asps.shape[0]):
        _step_on(asps[group])
    for n in range(blocks.shape[0]):
        if of_asp(asps, n, STEPS) >= 0.0 and of_asp(asps, n, MOVED) > 0.0:
            open_blocks(asps, n, blocks[n])


@compiled_inner
def _step_on(group: FloatArray) -> None:
    for j in range(WIDTH):
        inverse_u, inverse_w = inverse_prices(group, j)
        steep_u = group[HUU + j] > _STEEPEST * group[COMPUTE_CAPACITY + j] * inverse_u
        steep_w = group[HWW + j] > _STEEPEST * group[BANDWIDTH_CAPACITY + j] * inverse_w
        trusted = 0.0 if steep_u | steep_w else 1.0
        lam, mu = group[LAM + j], group[MU + j]
        step_u, step_w = trusted * group[_STEP_U + j], trusted * group[_STEP_W + j]
        new_lam, new_mu = _moved(lam, group[COMPUTE_COST + j], step_u), _moved(mu, group[BANDWIDTH_COST + j], step_w)
        set_prices(group, j, lam if step_u == 0.0 else new_lam, mu if step_w == 0.0 else new_mu)
        group[MOVED + j] = 1.0 if (step_u != 0.0) | (step_w != 0.0) else 0.0


@compiled_inner
def _begin(group: FloatArray) -> None:
    """The first demand is but a place to start from."""
    for j in range(WIDTH):
        group[STEPS + j], group[MOVED + j], group[CLOSE + j] = -1.0, 0.0, FARTHEST


@compiled_inner
def _judge(group: FloatArray) -> None:
    """Judge the steps that demand was found for: each is taken, or shortened; too short a one ends the search."""
    for j in range(WIDTH):
        asked, first = group[ASKED + j] > 0.0, group[STEPS + j] < 0.0
        lam, mu = group[LAM + j], group[MU + j]
        capacity_u, capacity_w = group[COMPUTE_CAPACITY + j], group[BANDWIDTH_CAPACITY + j]
        over_u, over_w = group[COMPUTE + j] - capacity_u, group[BANDWIDTH + j] - capacity_w
        dual = group[PROFIT + j] + lam * capacity_u + mu * capacity_w
        moved_u, moved_w = lam - group[_LAM + j], mu - group[_MU + j]
        before = group[_OVER_U + j] * moved_u + group[_OVER_W + j] * moved_w
        after = -over_u * moved_u - over_w * moved_w
        # Taylor's formula misses Q by the fourth power of the step.
        blur = group[CLOSE + j] * group[CLOSE + j] * (group[CLOSE + j] * group[CLOSE + j])
        # Near the minimum the dual's fall drowns in rounding; there the slope at the step's end must have shrunk.
        fell = dual <= group[DUAL + j] - 1e-4 * before + (blur + group[_BLUR + j]) * abs(group[DUAL + j])
        shrunk = (before <= 1e-9 * abs(group[DUAL + j])) & (after <= 0.9 * before)
        good = first | fell | shrunk | (group[_SCALE + j] < 1e-12)
        intended = (group[_STEP_U + j] != 0.0) | (group[_STEP_W + j] != 0.0)
        stood = (moved_u == 0.0) & (moved_w == 0.0) & (not first)
        lost = asked & good & intended & stood  # a step too short for floating point
        taken = asked & good & (not lost)
        group[_TAKEN + j] = 1.0 if taken else 0.0
        group[ASKED + j] = 1.0 if asked & (not lost) else 0.0
        group[DUAL + j] = dual if asked & good else group[DUAL + j]
        group[_SCALE + j] = group[_SCALE + j] if taken else 0.5 * group[_SCALE + j]
        group[_LAM + j], group[_MU + j] = lam if taken else group[_LAM + j], mu if taken else group[_MU + j]
        group[_OVER_U + j] = over_u if taken else group[_OVER_U + j]
        group[_OVER_W + j] = over_w if taken else group[_OVER_W + j]
        group[_BLUR + j] = blur if taken else group[_BLUR + j]
        group[_STEP_U + j], group[_STEP_W + j] = (
            0.0 if lost else group[_STEP_U + j],
            0.0 if lost else group[_STEP_W + j],
        )


@compiled_inner
def _aim(group: FloatArray, tolerance: float, closest: float, longest: float) -> None:
    """Find the next Newton step of those whose last one was taken; where prices are right, the search ends.

    They can only be said to be right where demand was found as closely as can be. Elsewhere that is done next.
    """
    for j in range(WIDTH):
        lam, mu = group[LAM + j], group[MU + j]
        f, b, capacity_u, capacity_w = (
            group[COMPUTE + j],
            group[BANDWIDTH + j],
            group[COMPUTE_CAPACITY + j],
            group[BANDWIDTH_CAPACITY + j],
        )
        over_u, over_w, huu, huw, hww = f - capacity_u, b - capacity_w, group[HUU + j], group[HUW + j], group[HWW + j]
        free_u, free_w = (lam > 0.0) | (over_u > 0.0), (mu > 0.0) | (over_w > 0.0)
        missed_u, missed_w = abs(over_u) > tolerance * capacity_u, abs(over_w) > tolerance * capacity_w
        right = not ((free_u & missed_u) | (free_w & missed_w))
        excess_u, excess_w = _log_excess(f, capacity_u), _log_excess(b, capacity_w)
        step_u, step_w = solve_prices(free_u, free_w, excess_u, excess_w, huu, huw, hww)
        uphill = over_u * step_u + over_w * step_w <= 0.0  # ignore the cross effect
        step_u = _solve_price(free_u, excess_u, huu) if uphill else step_u
        step_w = _solve_price(free_w, excess_w, hww) if uphill else step_w
        inverse_u, inverse_w = inverse_prices(group, j)
        step_u, step_w = step_u * inverse_u, step_w * inverse_w
        length = max(abs(step_u), abs(step_w))
        shortening = _MAX_LOG_STEP / length if length > _MAX_LOG_STEP else 1.0
        ends = (right & (length <= longest)) | (group[STEPS + j] >= _MAX_STEPS - 1.0)
        taken, exact = group[_TAKEN + j] > 0.0, group[CLOSE + j] <= closest
        shortening = 0.0 if ends & (not exact) else shortening
        group[_STEP_U + j] = step_u * shortening if taken else group[_STEP_U + j]
        group[_STEP_W + j] = step_w * shortening if taken else group[_STEP_W + j]
        group[_SCALE + j] = 1.0 if taken else group[_SCALE + j]
        group[STEPS + j] = group[STEPS + j] + 1.0 if taken else group[STEPS + j]
        group[ASKED + j] = 0.0 if taken & ends & exact else group[ASKED + j]


@compiled_inner
def _try(group: FloatArray, closest: float) -> None:
    """Have demand found where the steps lead to, as closely as the next ones, of the order of their square, need it."""
    for j in range(WIDTH):
        asked, lam, mu = group[ASKED + j] > 0.0, group[_LAM + j], group[_MU + j]
        step_u, step_w = group[_SCALE + j] * group[_STEP_U + j], group[_SCALE + j] * group[_STEP_W + j]
        new_lam, new_mu = _moved(lam, group[COMPUTE_COST + j], step_u), _moved(mu, group[BANDWIDTH_COST + j], step_w)
        step = max(abs(step_u), abs(step_w))
        set_prices(group, j, new_lam if asked else group[LAM + j], new_mu if asked else group[MU + j])
        group[MOVED + j] = 1.0 if (new_lam != lam) | (new_mu != mu) else 0.0
        group[CLOSE + j] = min(max(step * math.sqrt(step), closest), FARTHEST)


@compiled
def _moved(price: float, cost: float, log_step: float) -> float:
    """A shadow price >= 0 after its effective price has been multiplied by about exp(log_step), |log_step| <= 3."""
    growth = (12.0 + log_step * (6.0 + log_step)) / (12.0 - log_step * (6.0 - log_step))
    return max((cost + price) * growth - cost, 0.0)


@compiled
def _log_excess(used: float, capacity: float) -> float:
    """used·log(used/capacity) above capacity, where demand is near a power law; used - capacity below it.

    By Padé's formula for 2·log √(used/capacity), which is right to the fifth order and never exceeds 6, twice the
    longest step: a logarithm would take three times as long, with everything else waiting for it.
    """
    excess = used - capacity
    logarithm = 6.0 * excess / (used + 4.0 * math.sqrt(used * capacity) + capacity)
    return used * logarithm if excess > 0.0 else excess


@compiled
def solve_prices(
    free_u: bool, free_w: bool, excess_u: float, excess_w: float, huu: float, huw: float, hww: float
) -> tuple[float, float]:
    """Solve H Δ = excess over the free prices; the ridge keeps H regular where an MU enters and it is near singular."""
    ridged_u, ridged_w = huu * _RIDGE, hww * _RIDGE
    inverse = 1.0 / (ridged_u * ridged_w - huw * huw)
    both = free_u and free_w and huu > 0.0
    step_u = (ridged_w * excess_u - huw * excess_w) * inverse if both else _solve_price(free_u, excess_u, huu)
    step_w = (ridged_u * excess_w - huw * excess_u) * inverse if both else _solve_price(free_w, excess_w, hww)
    return step_u, step_w


@compiled
def _solve_price(free: bool, excess: float, curvature: float) -> float:
    """One price alone. Without curvature nobody is served, so it is too high: fall as far as the caller allows."""
    step = excess / curvature if curvature > 0.0 else -_FAR
    return step if free else 0.0


@compiled_inner
def _missed_by(asps: FloatArray, n: int) -> float:
    """How far ASP ``n`` ended from a capacity, relative to it."""
    return max(
        _missed(of_asp(asps, n, COMPUTE), of_asp(asps, n, COMPUTE_CAPACITY), of_asp(asps, n, LAM)),
        _missed(of_asp(asps, n, BANDWIDTH), of_asp(asps, n, BANDWIDTH_CAPACITY), of_asp(asps, n, MU)),
    )


@compiled
def _missed(used: float, capacity: float, price: float) -> float:
    """How far use is from where it has to be at a shadow price, relative to the capacity."""
    return abs(used - capacity) / capacity if price > 0.0 or used > capacity else 0.0


@compiled_in_place
def allocate(providers: Providers, n: int) -> None:
    """Turn an ASP's throughputs at its shadow prices into an allocation within capacities to the last bit.

    A resource with a positive shadow price is used up: next to an entry threshold, use is so sensitive to the price
    that no floating-point price hits the capacity. Throughputs are updated to what the allocation delivers.
    """
    asps, blocks = providers.asps, providers.blocks[n]
    f, b = spend(asps, n, blocks)
    scale_u = _scale(f, of_asp(asps, n, COMPUTE_CAPACITY) * _HEADROOM, of_asp(asps, n, LAM))
    scale_w = _scale(b, of_asp(asps, n, BANDWIDTH_CAPACITY) * _HEADROOM, of_asp(asps, n, MU))
    rescale(of_asp(asps, n, KAPPA), blocks, scale_u, scale_w)


@compiled
def _scale(used: float, available: float, price: float) -> float:
    """What takes use down to what is available or, where the shadow price is positive, up to it."""
    return available / used if used > available or (price > 0.0 and used > 0.0) else 1.0
