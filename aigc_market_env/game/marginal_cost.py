"""How fast an ASP's marginal cost C of serving one MU rises with that MU's throughput x.

Derived in docs/equilibrium.md#regret-with-a-proof.

C(x) is the unit cost at the shadow prices that clear the capacities when x is taken out for the MU. Between two points
where the prices are known, its slope is bounded from both sides without solving for prices in between. With effective
prices u and w, b = √(uwκ), and over the other MUs that are served, a_i = Q'/(-Q'') and d_i = √σ_i - √σ_m, it is

    C' = C_m (b Σ a_i d_i² + X C_m) / (b P + X T),        X = ½ Σ x√σ with the MU's own x,
    P = Σ_{i<j} a_i a_j (d_i - d_j)²,        T = Σ a_i C_i

where both capacities are full, C_m / (Σ a_i + X √(w/(uκ))) where compute alone is, σ_m C_m / (Σ a_i σ_i + X √(uκ/w))
where bandwidth alone is. Nothing cancels, and all that counts is monotone in the prices, so ranges are tight.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env.game.shadow_prices import Asp
from aigc_market_env.model import qoe
from aigc_market_env.model.links import ENTRY, SIGMA, coefficients_of
from aigc_market_env.model.parameters import FloatArray

#: A capacity is surely not full when the most that can be used of it is below this share.
_SLACK = 1.0 - 1e-9
#: Slopes are widened by this share, far more than rounding takes from them; P may lose this share to rounding.
_WIDENED, _ROUNDING = 1e-9, 1e-13
#: Boxes of prices that are tried, and by how much, as a share, one is wider than the prices that it should hold.
_BOXES, _WIDER = 3, 0.2


class Supply(NamedTuple):
    """What an ASP asks at a throughput x of one MU: the shadow prices of its two capacities."""

    rate: float
    compute_price: float
    bandwidth_price: float


class Range(NamedTuple):
    """An interval."""

    least: float
    most: float


class _Box(NamedTuple):
    """Ranges of the roots of effective prices, √(uκ) and √w, and of the MU's own throughput."""

    u: Range
    w: Range
    rate: Range


class _Sums(NamedTuple):
    """Ranges over a box of sums over MUs."""

    others: Range  # Σ a
    skew: Range  # Σ a d
    spread: Range  # Σ a d²
    lean: Range  # Σ a √σ d
    weight: Range  # Σ a σ
    pairs: Range  # P
    cost: Range  # T
    use: Range  # X
    most_rate: float  # Σ x at most, the MU's own included
    most_weight: float  # Σ x σ at most


@compiled_in_place
def slope_range(
    link: FloatArray, m: int, asp: Asp, rewards: FloatArray, a: Supply, b: Supply, guess: FloatArray
) -> Range:
    """The least and most that C' is between two points of MU ``m``; ``guess`` (M,) holds throughputs to start from.

    The reward posted by ``m`` itself does not matter.
    """
    compute = a.compute_price > 0.0 or b.compute_price > 0.0
    bandwidth = a.bandwidth_price > 0.0 or b.bandwidth_price > 0.0
    if not compute and not bandwidth:  # C never falls and is the same at both ends
        return Range(0.0, 0.0)
    found = Range(0.0, np.inf)
    if not (compute and bandwidth):
        found = _one_price(link, m, asp, rewards, a, b, compute, guess)
    if found.most == np.inf:
        found = _two_prices(link, m, asp, rewards, a, b, guess)
    return Range(found.least * (1.0 - _WIDENED), found.most * (1.0 + _WIDENED))


@compiled_in_place
def _one_price(
    link: FloatArray, m: int, asp: Asp, rewards: FloatArray, a: Supply, b: Supply, compute: bool, guess: FloatArray
) -> Range:
    """Where one capacity alone is full, at prices that only rise; (0, inf) unless the other is surely slack.

    Were the other capacity endless, the price of the full one would rise with x, and lie between its values at the two
    ends. If what could then be used of the other leaves room, it might as well be endless.
    """
    box = _box(asp, a, b)
    s = _sums(link, m, asp, rewards, box, guess)
    if compute:
        used, room = s.most_weight + 2.0 * s.use.most * box.u.most / box.w.least, asp.bandwidth_capacity
        always = a.compute_price > 0.0 and b.compute_price > 0.0
    else:
        kappa = asp.flops_per_token
        used, room = kappa * (s.most_rate + 2.0 * s.use.most * box.w.most / box.u.least), asp.compute_capacity
        always = a.bandwidth_price > 0.0 and b.bandwidth_price > 0.0
    if used >= _SLACK * room:
        return Range(0.0, np.inf)
    slope = _compute_slope(link, m, box, s) if compute else _bandwidth_slope(link, m, box, s)
    return Range(slope.least if always else 0.0, slope.most)


@compiled_in_place
def _two_prices(
    link: FloatArray, m: int, asp: Asp, rewards: FloatArray, a: Supply, b: Supply, guess: FloatArray
) -> Range:
    """Whichever capacities are full, from ranges over a box of prices that those in between cannot leave.

    While prices are in the box, log u and log w move at rates that lie in the ranges of :func:`_drift`. So if these,
    kept up from ``a`` to ``b``, do not lead out of it, nothing does.
    """
    box = _box(asp, a, b)
    start_u, start_w = math.log(asp.compute_cost + a.compute_price), math.log(asp.bandwidth_cost + a.bandwidth_price)
    step_u = math.log(asp.compute_cost + b.compute_price) - start_u
    step_w = math.log(asp.bandwidth_cost + b.bandwidth_price) - start_w
    held_u, held_w = Range(min(step_u, 0.0), max(step_u, 0.0)), Range(min(step_w, 0.0), max(step_w, 0.0))
    for _ in range(_BOXES):
        wide_u, wide_w = _wider(held_u), _wider(held_w)
        box = _Box(
            _root_range(start_u, wide_u, asp.compute_cost, asp.flops_per_token),
            _root_range(start_w, wide_w, asp.bandwidth_cost, 1.0),
            box.rate,
        )
        s = _sums(link, m, asp, rewards, box, guess)
        compute = box.u.least > math.sqrt(asp.compute_cost * asp.flops_per_token)
        bandwidth = box.w.least > math.sqrt(asp.bandwidth_cost)
        drift_u, drift_w = _drift(link, m, box, s, compute and bandwidth)
        if not (drift_u.most < np.inf and drift_w.most < np.inf):
            break
        width = box.rate.most - box.rate.least
        held_u = Range(width * min(drift_u.least, 0.0), width * max(drift_u.most, 0.0))
        held_w = Range(width * min(drift_w.least, 0.0), width * max(drift_w.most, 0.0))
        if _inside(held_u, wide_u, compute) and _inside(held_w, wide_w, bandwidth):
            return _slope(link, m, box, s, compute, bandwidth)
    return Range(0.0, np.inf)


# Boxes of prices -----------------------------------------------------------------------------------------------------


@compiled
def _box(asp: Asp, a: Supply, b: Supply) -> _Box:
    """The smallest box with both points."""
    ua, ub = asp.compute_cost + a.compute_price, asp.compute_cost + b.compute_price
    wa, wb = asp.bandwidth_cost + a.bandwidth_price, asp.bandwidth_cost + b.bandwidth_price
    kappa = asp.flops_per_token
    return _Box(
        Range(math.sqrt(kappa * min(ua, ub)), math.sqrt(kappa * max(ua, ub))),
        Range(math.sqrt(min(wa, wb)), math.sqrt(max(wa, wb))),
        Range(a.rate, b.rate),
    )


@compiled
def _wider(steps: Range) -> Range:
    """A range of steps with room on either side."""
    room = _WIDER * (steps.most - steps.least) + _ROUNDING
    return Range(steps.least - room, steps.most + room)


@compiled
def _root_range(start: float, steps: Range, cost: float, factor: float) -> Range:
    """The range of √(factor·price) after a step of log price from ``start``; no price is below the cost."""
    return Range(
        math.sqrt(factor * max(math.exp(start + steps.least), cost)),
        math.sqrt(factor * max(math.exp(start + steps.most), cost)),
    )


@compiled
def _inside(steps: Range, wide: Range, above_cost: bool) -> bool:
    """Whether steps stay strictly inside the wider range; a price that may be at its cost cannot fall below it."""
    return (steps.least > wide.least or not above_cost) and steps.most < wide.most


# Ranges over a box ---------------------------------------------------------------------------------------------------


@compiled_in_place
def _sums(link: FloatArray, m: int, asp: Asp, rewards: FloatArray, box: _Box, guess: FloatArray) -> _Sums:
    """Ranges of the sums: at high prices throughputs and a = Q'/(-Q'') are low, at low prices high."""
    root_own = math.sqrt(link[SIGMA, m])
    low0 = low1 = low2 = high0 = high1 = high2 = low_weight = high_weight = low_cost = high_cost = 0.0
    skew0 = skew1 = lean0 = lean1 = 0.0
    low_use, high_use = box.rate.least * root_own, box.rate.most * root_own
    most_rate, most_weight = box.rate.most, box.rate.most * link[SIGMA, m]
    for i in range(rewards.shape[0]):
        root = math.sqrt(link[SIGMA, i])
        cheap, dear = (box.u.least + box.w.least * root) ** 2, (box.u.most + box.w.most * root) ** 2
        if i == m or rewards[i] * link[ENTRY, i] <= cheap:
            continue
        c = coefficients_of(link, i)
        high_rate, high = _served(cheap / rewards[i], c, guess[i])
        low_rate = low = 0.0
        if rewards[i] * link[ENTRY, i] > dear:
            low_rate, low = _served(dear / rewards[i], c, high_rate)
        guess[i] = high_rate
        d = root - root_own
        low0, low1, low2 = low0 + low, low1 + low * d, low2 + low * d * d
        high0, high1, high2 = high0 + high, high1 + high * d, high2 + high * d * d
        rising, falling = max(d, 0.0), min(d, 0.0)
        skew0, skew1 = skew0 + low * rising + high * falling, skew1 + high * rising + low * falling
        lean0, lean1 = lean0 + root * (low * rising + high * falling), lean1 + root * (high * rising + low * falling)
        low_weight, high_weight = low_weight + low * root * root, high_weight + high * root * root
        low_cost, high_cost = low_cost + low * cheap, high_cost + high * dear
        low_use, high_use = low_use + low_rate * root, high_use + high_rate * root
        most_rate, most_weight = most_rate + high_rate, most_weight + high_rate * root * root
    # Σ_{i<j} a_i a_j (d_i - d_j)² = Σ a Σ a d² - (Σ a d)² grows with every a.
    low_pairs = max(low0 * low2 * (1.0 - _ROUNDING) - low1 * low1, 0.0)
    high_pairs = max(high0 * high2 * (1.0 + _ROUNDING) - high1 * high1, 0.0)
    return _Sums(
        Range(low0, high0),
        Range(skew0, skew1),
        Range(low2, high2),
        Range(lean0, lean1),
        Range(low_weight, high_weight),
        Range(low_pairs, high_pairs),
        Range(low_cost, high_cost),
        Range(0.5 * low_use, 0.5 * high_use),
        most_rate,
        most_weight,
    )


@compiled
def _served(target: float, c: qoe.Coefficients, start: float) -> tuple[float, float]:
    """The throughput x with Q'(x) = target, below Q'(0), and Q'/(-Q'') there."""
    rate = qoe.served(target, c, start)
    slope, curvature = qoe.slope_and_curvature(rate, c)
    return rate, -slope / curvature


@compiled_in_place
def _own_cost(link: FloatArray, m: int, box: _Box) -> Range:
    """The range of √C of the MU itself."""
    root = math.sqrt(link[SIGMA, m])
    return Range(box.u.least + box.w.least * root, box.u.most + box.w.most * root)


@compiled
def _determinant(box: _Box, s: _Sums) -> Range:
    """The denominator b P + X T."""
    return Range(
        box.u.least * box.w.least * s.pairs.least + s.use.least * s.cost.least,
        box.u.most * box.w.most * s.pairs.most + s.use.most * s.cost.most,
    )


@compiled_in_place
def _compute_slope(link: FloatArray, m: int, box: _Box, s: _Sums) -> Range:
    """C' where compute alone is full."""
    own = _own_cost(link, m, box)
    return Range(
        own.least * own.least / (s.others.most + s.use.most * box.w.most / box.u.least),
        own.most * own.most / (s.others.least + s.use.least * box.w.least / box.u.most),
    )


@compiled_in_place
def _bandwidth_slope(link: FloatArray, m: int, box: _Box, s: _Sums) -> Range:
    """C' where bandwidth alone is full."""
    own, sigma = _own_cost(link, m, box), link[SIGMA, m]
    return Range(
        sigma * own.least * own.least / (s.weight.most + s.use.most * box.u.most / box.w.least),
        sigma * own.most * own.most / (s.weight.least + s.use.least * box.u.least / box.w.most),
    )


@compiled_in_place
def _slope(link: FloatArray, m: int, box: _Box, s: _Sums, compute: bool, bandwidth: bool) -> Range:
    """C' where at least the capacities told are full: the more of them, the larger it is."""
    own, determinant = _own_cost(link, m, box), _determinant(box, s)
    low, high = own.least * own.least, own.most * own.most
    most = high * (box.u.most * box.w.most * s.spread.most + s.use.most * high) / determinant.least
    least = 0.0
    if compute:
        least = _compute_slope(link, m, box, s).least
    if bandwidth:
        least = max(least, _bandwidth_slope(link, m, box, s).least)
    if compute and bandwidth:
        both = low * (box.u.least * box.w.least * s.spread.least + s.use.least * low) / determinant.most
        least = max(least, both)
    return Range(least, most)


@compiled_in_place
def _drift(link: FloatArray, m: int, box: _Box, s: _Sums, both: bool) -> tuple[Range, Range]:
    """Ranges of d log u/dx and d log w/dx: where both capacities are full, or else whichever are."""
    own, determinant, root = _own_cost(link, m, box), _determinant(box, s), math.sqrt(link[SIGMA, m])
    low, high = s.use.least * own.least * own.least, s.use.most * own.most * own.most
    lean = Range(_least_product(box.w, own, s.lean.least), -_least_product(box.w, own, -s.lean.most))
    skew = Range(_least_product(box.u, own, -s.skew.most), -_least_product(box.u, own, s.skew.least))
    u = Range(_least_ratio(lean.least + low, determinant), -_least_ratio(-lean.most - high, determinant))
    w = Range(_least_ratio(skew.least + low, determinant), -_least_ratio(-skew.most - high, determinant))
    if both:
        return u, w
    alone_u = own.most / (box.u.least * s.others.least + box.w.least * s.use.least)
    alone_w = root * own.most / (box.w.least * s.weight.least + box.u.least * s.use.least)
    return Range(min(u.least, 0.0), max(u.most, alone_u)), Range(min(w.least, 0.0), max(w.most, alone_w))


@compiled
def _least_product(one: Range, other: Range, factor: float) -> float:
    """The least of the product of two positive ranges and a number of either sign."""
    return factor * (one.least * other.least if factor > 0.0 else one.most * other.most)


@compiled
def _least_ratio(numerator: float, denominator: Range) -> float:
    """The least of a number of either sign over a positive range."""
    return numerator / (denominator.most if numerator > 0.0 else denominator.least)
