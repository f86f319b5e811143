"""One MU's best response with a proof, others' rewards fixed (docs/equilibrium.md#regret-with-a-proof).

An MU's utility is V(S) less what it pays, S being the QoE that all ASPs deliver. Satisfaction V is concave, so it lies
below each of its tangents, and for any worth v of a unit of QoE

    U <= V*(v) + Σ_n max_r (v - r) Q_n(r),        V*(v) = max_S V(S) - v S.

The right side, the *ceiling*, needs one search per ASP, each with a proof of its own
(:mod:`~aigc_market_env.game.offers`). It is convex in v; where the QoE that its searches choose makes v its worth, the
best row is met and the two sides are equal. Where one ASP's choice jumps across that point, they may not be: the range
of rewards to that ASP is then cut in two, and each part has a ceiling of its own.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env.game.offers import (
    QOE,
    REWARD,
    Offers,
    best_offer,
    climb,
    insert,
    new_offers,
    open_tables,
    surplus,
)
from aigc_market_env.game.shadow_prices import asp_of
from aigc_market_env.model import satisfaction
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: Share of its utility that an MU's best row and the bound may be apart, and a share of the satisfaction with the
#: highest QoE there is, for MUs that get next to nothing.
_TOLERANCE, _FLOOR = 1e-9, 1e-14
#: Relative width at which a bracket on the worth v is closed, and mismatch of QoE that is none, over the QoE in which
#: its worth falls off; relative difference of rewards that are not the same.
_CLOSED, _MET, _APART = 1e-7, 1e-8, 1e-12
#: Until v is right, proofs are as fine as this share of what a wrong v costs, and rewards as this share of a proof. In
#: the end, rewards are as fine as a share of what the bound may be apart.
_COARSE, _SETTLING, _SETTLED = 0.1, 1e-2, 1e-6
#: Ceilings are raised by this share of the satisfaction, for rounding.
_ROUNDING = 1e-13
#: Values of v tried for one part of the rewards, and parts, at most.
_WORTHS, _PARTS = 80, 24
#: The bracket on v is cut in the middle at every so many steps, so that secants cannot stall.
_BISECT_EVERY = 3


class Search(NamedTuple):
    """Scratch of the search for one MU: tables, ranges of rewards still to be searched, and rows."""

    offers: Offers
    low: FloatArray  # (_PARTS + 1, N)
    high: FloatArray  # (_PARTS + 1, N)
    ceiling: FloatArray  # (_PARTS + 1,)
    row: FloatArray  # (N,), rewards chosen at the v tried
    qoe: FloatArray  # (N,), what they buy
    chosen: FloatArray  # (2, N), rewards chosen at the lower and at the upper end of the bracket on v
    bought: FloatArray  # (2, N), what they buy


@compiled
def new_search(num_mus: int, num_asps: int) -> Search:
    """Scratch for markets of this size."""
    return Search(
        new_offers(num_mus, num_asps),
        np.empty((_PARTS + 1, num_asps)),
        np.empty((_PARTS + 1, num_asps)),
        np.empty(_PARTS + 1),
        np.empty(num_asps),
        np.empty(num_asps),
        np.empty((2, num_asps)),
        np.empty((2, num_asps)),
    )


@compiled_in_place
def best_row(
    s: Search,
    m: int,
    market: MarketArrays,
    k: int,
    prices: FloatArray,
    x: FloatArray,
    worth: float,
    posted: float,
    best: FloatArray,
) -> tuple[float, float]:
    """Fill ``best`` (N,) with leader ``m``'s best row; return its utility, and a bound that no row's exceeds.

    ``s.offers`` holds links and rewards (N, M); ``prices`` (N, 2) and throughputs ``x`` (N, M) are what they lead to,
    ``worth`` and ``posted`` what further QoE is then worth to the MU, and its utility.
    """
    wants = wants_of(market, k, m)
    bound, num_asps = satisfaction.marginal(0.0, wants), best.shape[0]
    open_tables(s.offers, m, market, k, prices, x)
    for n in range(num_asps):
        best[n] = min(max(s.offers.rewards[n, m], s.offers.table[n, 0, REWARD]), bound)
    utility = max(posted, _utility_of(s, m, market, k, best))
    s.low[0], s.high[0], s.ceiling[0] = 0.0, bound, np.inf
    parts, searched, proven = 1, 0, -np.inf
    while parts > 0:
        parts -= 1
        ceiling = s.ceiling[parts]
        if ceiling > utility + _finest(utility, num_asps, wants) and searched < _PARTS:
            searched += 1
            utility, lowest, worth = _search_part(s, m, market, k, parts, worth, utility, best)
            ceiling = min(ceiling, lowest)
            if ceiling > utility + _finest(utility, num_asps, wants):
                jump = _jump(s)
                if jump >= 0 and _cut(s, m, market, k, parts, jump, ceiling):
                    parts += 2
                    continue
        proven = max(proven, ceiling)
    return utility, max(proven, utility)


@compiled_in_place
def _utility_of(s: Search, m: int, market: MarketArrays, k: int, row: FloatArray) -> float:
    """Utility of a row of rewards, all in the tables."""
    total = paid = 0.0
    for n in range(row.shape[0]):
        offer = s.offers.table[n, insert(s.offers, n, m, row[n])]
        total += offer[QOE]
        paid += offer[REWARD] * offer[QOE]
    return satisfaction.value(total, wants_of(market, k, m)) - paid


@compiled
def _search_part(
    s: Search, m: int, market: MarketArrays, k: int, part: int, worth: float, utility: float, best: FloatArray
) -> tuple[float, float, float]:
    """Bring the ceiling of one part of the rewards down to the best utility, which rises to what is met on the way.

    Brackets the v that the QoE chosen at v makes its worth. The worth that it would have, V'(S), lies beyond, seen from
    v, so that every step gives both ends of a bracket; a good guess closes it at once. Until v is right, proofs are no
    finer than what a wrong v costs.

    Returns:
        The best utility met so far, the lowest ceiling, and the last v.
    """
    wants = wants_of(market, k, m)
    low, high = satisfaction.marginal(best.shape[0], wants), satisfaction.marginal(0.0, wants)
    last_worth = last_excess = np.nan
    lowest = mispriced = np.inf
    s.bought[:] = np.nan
    for step in range(_WORTHS):
        finest = _finest(utility, best.shape[0], wants)
        tolerance = max(_COARSE * mispriced, finest)
        settled = max(_SETTLING * _COARSE * mispriced, _SETTLED * finest)
        total, paid, ceiling = _choose(s, m, market, k, part, worth, tolerance, settled)
        lowest = min(lowest, ceiling)
        satisfied = satisfaction.value(total, wants)
        if satisfied - paid > utility:
            utility = satisfied - paid
            best[:] = s.row
        excess = total - satisfaction.inverse_marginal(worth, wants)
        side = 0 if excess < 0.0 else 1
        s.chosen[side], s.bought[side] = s.row, s.qoe
        mispriced = satisfaction.conjugate(worth, wants) + worth * total - satisfied
        if abs(excess) <= _MET * satisfaction.decay_length(total, wants):
            if tolerance == finest:
                break
            mispriced = 0.0
            continue
        if tolerance > max(mispriced, finest):  # which side v is on is not certain
            continue
        if high - low <= _CLOSED * high:
            break
        beyond = satisfaction.marginal(total, wants)
        low, high = (worth, min(high, beyond)) if excess < 0.0 else (max(low, beyond), worth)
        next_worth = worth - excess * (worth - last_worth) / (excess - last_excess)
        if not low < next_worth < high or step % _BISECT_EVERY == 0:
            next_worth = math.sqrt(low * high)
        last_worth, last_excess, worth = worth, excess, next_worth
    return utility, lowest, worth


@compiled
def _finest(utility: float, num_asps: int, wants: satisfaction.Wants) -> float:
    """How far apart an MU's best utility and its bound may stay."""
    return _TOLERANCE * max(utility, 0.0) + _FLOOR * satisfaction.value(num_asps, wants)


@compiled_in_place
def _choose(
    s: Search, m: int, market: MarketArrays, k: int, part: int, worth: float, tolerance: float, settled: float
) -> tuple[float, float, float]:
    """Fill ``s.row`` and ``s.qoe`` with what an MU to whom QoE is worth ``worth`` chooses in one part of the rewards.

    No more than ``settled`` is to be gained by other rewards nearby.

    Returns:
        Total QoE, payment, and the ceiling at this worth, proven to ``tolerance``.
    """
    wants = wants_of(market, k, m)
    total, paid, ceiling = 0.0, 0.0, satisfaction.conjugate(worth, wants)
    share = 0.5 * tolerance / s.row.shape[0]
    for n in range(s.row.shape[0]):
        asp, low, high = asp_of(market, k, n), s.low[part, n], s.high[part, n]
        place, bound = best_offer(s.offers, n, m, asp, worth, low, high, share)
        place = climb(s.offers, n, m, worth, low, high, place, settled / s.row.shape[0])
        offer = s.offers.table[n, place]
        ceiling += max(bound, surplus(worth, offer))
        s.row[n], s.qoe[n] = offer[REWARD], offer[QOE]
        total += offer[QOE]
        paid += offer[REWARD] * offer[QOE]
    return total, paid, ceiling + _ROUNDING * satisfaction.value(total, wants)


@compiled_in_place
def _jump(s: Search) -> int:
    """The ASP whose choice jumps most across the bracket on v, or -1."""
    found, widest = -1, 0.0
    for n in range(s.row.shape[0]):
        width = abs(s.bought[1, n] - s.bought[0, n])
        apart = abs(s.chosen[1, n] - s.chosen[0, n]) > _APART * s.chosen[0, n]
        if apart and width > widest:
            found, widest = n, width
    return found


@compiled
def _cut(s: Search, m: int, market: MarketArrays, k: int, part: int, n: int, ceiling: float) -> bool:
    """Put two parts in the place of one, cut between the two choices at ASP ``n``; False if there is nothing to cut."""
    place = insert(s.offers, n, m, math.sqrt(s.chosen[0, n] * s.chosen[1, n]))
    cut = s.offers.table[n, place, REWARD]
    if place < 0 or not s.low[part, n] < cut < s.high[part, n]:
        return False
    s.low[part + 1], s.high[part + 1] = s.low[part], s.high[part]
    s.high[part, n] = s.low[part + 1, n] = cut
    s.ceiling[part] = s.ceiling[part + 1] = ceiling
    return True
