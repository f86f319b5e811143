"""One MU's best response to others who mix, with a proof (docs/equilibrium.md#regret-against-a-mixture).

The others post one of L joint profiles of rewards, with probabilities π_s; the MU does not see which. As satisfaction V
is concave, for any worths p_s of a unit of QoE, one per profile,

    E U <= Σ_s π_s V*(p_s) + Σ_n max_r Σ_s π_s (p_s - r) Q_ns(r),        V*(p) = max_S V(S) - p S.

The right side, the *ceiling*, needs one search per ASP (:mod:`~aigc_market_env.game.mixture_offers`). It is convex in
p, and its derivative in p_s is π_s times the QoE chosen less the QoE that has p_s as its worth. So it is brought down
by a quasi-Newton method (BFGS); where the two meet in every profile, so do the best row and the ceiling. Where one
ASP's choice jumps across that point, they may not: the range of rewards to that ASP is then cut in two.
"""

from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.game.mixture_offers import (
    MixtureOffers,
    best_of,
    best_reward,
    climb_rewards,
    expected_surplus,
    insert_reward,
    new_mixture_offers,
    open_mixture_table,
    reward_of,
    rows_within,
)
from aigc_market_env.game.offers import QOE, REWARD
from aigc_market_env.game.shadow_prices import asp_of
from aigc_market_env.model import satisfaction
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: Share of its utility that an MU's best row and the bound may be apart, a share of the satisfaction with the highest
#: QoE there is, for MUs that get next to nothing, and a share of what is gained by the best row.
_TOLERANCE, _FLOOR, _OF_GAIN = 1e-9, 1e-14, 1e-3
#: Until the worths are right, proofs are as fine as this share of what wrong worths cost, and rewards as this share of
#: a proof. In the end, rewards are as fine as a share of what the bound may be apart.
_COARSE, _SETTLING, _SETTLED = 0.1, 1e-2, 1e-6
#: Ceilings are raised by this share of the satisfaction, for rounding.
_ROUNDING = 1e-13
#: Worths tried for one part of the rewards, and parts, at most.
_WORTHS, _PARTS = 60, 32
#: Steps shorter than this share of the worths are none.
_SHORTEST = 1e-7


class MixtureSearch(NamedTuple):
    """Scratch of the search for one MU: tables, ranges of rewards still to be searched, and rows."""

    offers: MixtureOffers
    low: FloatArray  # (_PARTS + 2, N)
    high: FloatArray  # (_PARTS + 2, N)
    ceiling: FloatArray  # (_PARTS + 2,)
    start: FloatArray  # (_PARTS + 2, L), worths to start a part from
    row: FloatArray  # (N,), rewards chosen at the worths tried
    total: FloatArray  # (L,), the QoE that they buy
    worths: FloatArray  # (5, L): worths, those tried, the gradient at either, the step
    scratch: FloatArray  # (1, L)
    inverse: FloatArray  # (L, L), approximate inverse of the ceiling's Hessian


@compiled
def new_mixture_search(num_mus: int, num_asps: int, profiles: int) -> MixtureSearch:
    """Scratch for markets of this size, the others in so many profiles."""
    return MixtureSearch(
        new_mixture_offers(num_mus, num_asps, profiles),
        np.empty((_PARTS + 2, num_asps)),
        np.empty((_PARTS + 2, num_asps)),
        np.empty(_PARTS + 2),
        np.empty((_PARTS + 2, profiles)),
        np.empty(num_asps),
        np.empty(profiles),
        np.empty((5, profiles)),
        np.empty((1, profiles)),
        np.empty((profiles, profiles)),
    )


@compiled
def best_row_against(
    s: MixtureSearch,
    m: int,
    market: MarketArrays,
    k: int,
    rows: FloatArray,
    probabilities: FloatArray,
    best: FloatArray,
) -> tuple[float, float, float]:
    """Fill ``best`` (N,) with leader ``m``'s best row against others who mix.

    ``s.offers`` holds links, the profiles' rewards (N, L, M) and weights; ``rows`` (K, N) are what the MU itself posts,
    with ``probabilities`` (K,).

    Returns:
        What to expect of the best row, a bound that no row's expectation exceeds, and what to expect of the MU's own.
    """
    wants = wants_of(market, k, m)
    bound, num_asps = satisfaction.marginal(0.0, wants), best.shape[0]
    for n in range(num_asps):
        open_mixture_table(s.offers, n, m, asp_of(market, k, n), bound)
    utility, own = -np.inf, 0.0
    for a in range(rows.shape[0]):
        expected = expected_utility(s, m, market, k, rows[a])
        own += probabilities[a] * expected
        if expected > utility:
            utility = expected
            for n in range(num_asps):
                best[n] = rows[a, n]
            for j in range(s.total.shape[0]):
                s.start[0, j] = satisfaction.marginal(s.total[j], wants)
    s.low[0], s.high[0], s.ceiling[0] = 0.0, bound, np.inf
    parts, searched, proven = 1, 0, -np.inf
    while parts > 0:
        parts -= 1
        ceiling = s.ceiling[parts]
        if ceiling > utility + _finest(utility, own, num_asps, wants) and searched < _PARTS:
            searched += 1
            utility, lowest = _search_part(s, m, market, k, parts, utility, own, best)
            s.ceiling[parts] = ceiling = min(ceiling, lowest)
            gap = ceiling - utility
            if gap > _finest(utility, own, num_asps, wants) and _cut(s, m, market, k, parts, gap):
                parts += 2
                continue
        proven = max(proven, ceiling)
    return utility, max(proven, utility), own


@compiled
def expected_utility(s: MixtureSearch, m: int, market: MarketArrays, k: int, row: FloatArray) -> float:
    """What to expect of a row (N,), whose rewards are put in the tables; ``s.total`` gets the QoE of each profile."""
    wants = wants_of(market, k, m)
    o, paid = s.offers, 0.0
    s.total[:] = 0.0
    for n in range(row.shape[0]):
        place = insert_reward(o, n, m, asp_of(market, k, n), row[n])
        for j in range(s.total.shape[0]):
            offer = o.table[n, place, j]
            s.total[j] += offer[QOE]
            paid += o.weight[j] * reward_of(o, n, place) * offer[QOE]
    return _expected_satisfaction(s, wants) - paid


@compiled
def _expected_satisfaction(s: MixtureSearch, wants: satisfaction.Wants) -> float:
    satisfied = 0.0
    for j in range(s.total.shape[0]):
        satisfied += s.offers.weight[j] * satisfaction.value(s.total[j], wants)
    return satisfied


@compiled
def _finest(utility: float, own: float, num_asps: int, wants: satisfaction.Wants) -> float:
    """How far apart an MU's best utility and its bound may stay, when it has ``own`` by what it posts."""
    least = _TOLERANCE * max(utility, 0.0) + _FLOOR * satisfaction.value(num_asps, wants)
    return max(least, _OF_GAIN * (utility - own))


@compiled
def _search_part(
    s: MixtureSearch, m: int, market: MarketArrays, k: int, part: int, utility: float, own: float, best: FloatArray
) -> tuple[float, float]:
    """Bring the ceiling of one part of the rewards down to the best utility, which rises to what is met on the way.

    Steps are halved, or shortened to where the slope vanishes by false position, until the ceiling falls. Until the
    worths are right, proofs are no finer than what wrong worths cost.

    Returns:
        The best utility met so far, and the lowest ceiling.
    """
    wants = wants_of(market, k, m)
    worths, tried, gradient, new_gradient, step = s.worths
    lowest = here = mispriced = np.inf
    tried[:], step[:] = s.start[part], 0.0
    length = slope = 0.0
    for _ in range(_WORTHS):
        finest = _finest(utility, own, best.shape[0], wants)
        tolerance = max(_COARSE * mispriced, finest)
        settled = max(_SETTLING * _COARSE * mispriced, _SETTLED * finest)
        paid, ceiling = _choose(s, m, market, k, part, tried, tolerance, settled)
        lowest = min(lowest, ceiling)
        expected = _expected_satisfaction(s, wants) - paid
        if expected > utility:
            utility = expected
            best[:] = s.row
        if lowest <= utility + _finest(utility, own, best.shape[0], wants):
            break
        new_mispriced = _mispriced(s, tried, wants, new_gradient)
        new_slope = _product(new_gradient, step)
        if ceiling < here or mispriced == np.inf:
            if mispriced == np.inf:
                _reset(s, tried, wants)
            elif new_slope > slope:
                _update(s, length, gradient, new_gradient, step)
            worths[:], gradient[:] = tried, new_gradient
            here, mispriced = ceiling, new_mispriced
            slope = _direction(s, gradient, step)
            length = _longest(worths, step)
        else:
            length *= min(max(slope / (slope - new_slope), 0.1), 0.5) if new_slope > slope else 0.5
        if length * _relative(step, worths) <= _SHORTEST and tolerance == finest:
            break
        for j in range(tried.shape[0]):
            tried[j] = worths[j] + length * step[j]
    s.start[part] = worths
    return utility, lowest


@compiled
def _choose(
    s: MixtureSearch,
    m: int,
    market: MarketArrays,
    k: int,
    part: int,
    worths: FloatArray,
    tolerance: float,
    settled: float,
) -> tuple[float, float]:
    """Fill ``s.row`` and ``s.total`` with what an MU chooses to whom QoE is worth ``worths`` (L,).

    It chooses in one part of the rewards. No more than ``settled`` is to be gained by other rewards nearby.

    Returns:
        Expected payment, and the ceiling at these worths, proven to ``tolerance``.
    """
    wants = wants_of(market, k, m)
    o, paid, ceiling = s.offers, 0.0, 0.0
    share = 0.5 * tolerance / s.row.shape[0]
    s.total[:] = 0.0
    for n in range(s.row.shape[0]):
        asp, low, high = asp_of(market, k, n), s.low[part, n], s.high[part, n]
        place, bound = best_reward(o, n, m, asp, worths, low, high, share)
        place = climb_rewards(o, n, m, asp, worths, low, high, place, settled / s.row.shape[0])
        ceiling += max(bound, expected_surplus(o, worths, n, place))
        s.row[n] = reward_of(o, n, place)
        for j in range(worths.shape[0]):
            offer = o.table[n, place, j]
            s.total[j] += offer[QOE]
            paid += o.weight[j] * offer[REWARD] * offer[QOE]
    for j in range(worths.shape[0]):
        ceiling += o.weight[j] * satisfaction.conjugate(worths[j], wants)
    return paid, ceiling + _ROUNDING * _expected_satisfaction(s, wants)


@compiled
def _mispriced(s: MixtureSearch, worths: FloatArray, wants: satisfaction.Wants, gradient: FloatArray) -> float:
    """What the ceiling loses to wrong worths; ``gradient`` (L,) gets its derivatives."""
    lost = 0.0
    for j in range(worths.shape[0]):
        weight, total = s.offers.weight[j], s.total[j]
        gradient[j] = weight * (total - satisfaction.inverse_marginal(worths[j], wants))
        conjugate = satisfaction.conjugate(worths[j], wants)
        lost += weight * (conjugate + worths[j] * total - satisfaction.value(total, wants))
    return max(lost, 0.0)


# Steps of the worths -------------------------------------------------------------------------------------------------


@compiled
def _product(a: FloatArray, b: FloatArray) -> float:
    total = 0.0
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@compiled
def _reset(s: MixtureSearch, worths: FloatArray, wants: satisfaction.Wants) -> None:
    """Begin with the Hessian of Σ π V*(p) alone: choices of rewards only add to it."""
    s.inverse[:] = 0.0
    for j in range(worths.shape[0]):
        curvature = satisfaction.scaled_curvature(worths[j], wants)
        s.inverse[j, j] = worths[j] * worths[j] / (s.offers.weight[j] * curvature)


@compiled
def _update(s: MixtureSearch, length: float, gradient: FloatArray, new_gradient: FloatArray, step: FloatArray) -> None:
    """Update the inverse Hessian by what a step of ``length`` times ``step`` did to the gradient (BFGS)."""
    size = step.shape[0]
    curved = length * (_product(new_gradient, step) - _product(gradient, step))
    turned, scaled = s.scratch[0], 0.0  # H y, and y H y
    for i in range(size):
        turned[i] = 0.0
        for j in range(size):
            turned[i] += s.inverse[i, j] * (new_gradient[j] - gradient[j])
        scaled += turned[i] * (new_gradient[i] - gradient[i])
    for i in range(size):
        for j in range(size):
            one, other = length * step[i], length * step[j]
            s.inverse[i, j] += (1.0 + scaled / curved) * one * other / curved
            s.inverse[i, j] -= (one * turned[j] + turned[i] * other) / curved


@compiled
def _direction(s: MixtureSearch, gradient: FloatArray, step: FloatArray) -> float:
    """Fill ``step`` with the quasi-Newton step; return the slope of the ceiling along it."""
    for i in range(step.shape[0]):
        step[i] = -_product(s.inverse[i], gradient)
    return _product(gradient, step)


@compiled
def _longest(worths: FloatArray, step: FloatArray) -> float:
    """The share of a step, at most all of it, that at most doubles or halves every worth."""
    length = 1.0
    for j in range(step.shape[0]):
        room = worths[j] if step[j] > 0.0 else 0.5 * worths[j]
        if abs(step[j]) > room:
            length = min(length, room / abs(step[j]))
    return length


@compiled
def _relative(step: FloatArray, worths: FloatArray) -> float:
    """The largest relative change of a worth."""
    largest = 0.0
    for j in range(step.shape[0]):
        largest = max(largest, abs(step[j]) / worths[j])
    return largest


# Parts ---------------------------------------------------------------------------------------------------------------


@compiled
def _cut(s: MixtureSearch, m: int, market: MarketArrays, k: int, part: int, gap: float) -> bool:
    """Put two parts in the place of one, cut at one ASP; False if there is nothing to cut.

    Choices whose expected surplus is within ``gap`` of the largest, at the best worths of the part, may be what keeps
    its ceiling up. The cut is at the ASP where these are farthest from one another, at the lowest surplus in between.
    """
    o, worths = s.offers, s.start[part]
    found, widest, cut = -1, 0.0, 0.0
    for n in range(s.row.shape[0]):
        first, last = rows_within(o, n, s.low[part, n], s.high[part, n])
        best, reached = best_of(o, worths, n, first, last)
        for i in range(first, last + 1):
            width = 0.0
            for j in range(worths.shape[0]):
                width += o.weight[j] * abs(o.table[n, i, j, QOE] - o.table[n, best, j, QOE])
            if width > widest and expected_surplus(o, worths, n, i) >= reached - gap:
                found, widest = n, width
                cut = _valley(s, worths, n, min(i, best), max(i, best))
    if found < 0:
        return False
    if not s.low[part, found] < cut < s.high[part, found]:
        return False
    s.low[part + 1], s.high[part + 1], s.start[part + 1] = s.low[part], s.high[part], worths
    s.high[part, found] = s.low[part + 1, found] = cut
    s.ceiling[part + 1] = s.ceiling[part]
    return True


@compiled
def _valley(s: MixtureSearch, worths: FloatArray, n: int, first: int, last: int) -> float:
    """The reward of the lowest expected surplus between two rows; at the ends, the middle row."""
    place, lowest = first, np.inf
    for i in range(first, last + 1):
        value = expected_surplus(s.offers, worths, n, i)
        if value < lowest:
            place, lowest = i, value
    return reward_of(s.offers, n, place if first < place < last else (first + last) // 2)
