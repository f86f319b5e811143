"""What two MUs can regret at least, and have at most, over a box of rewards (docs/equilibrium.md#absence-with-a-proof).

A box is all rewards between ``low`` and ``high``, both (N, 2). Between two MUs, the throughput x that an ASP gives to
one never falls with the MU's own reward and never rises with the other's. Hence

- the QoE of MU m lies between that where it posts ``low`` and the other ``high``, and that where it posts ``high`` and
  the other ``low``, so its utility is at most what it would get from any QoE in between, paid at ``low``;
- its best response earns the less, the more the other posts, so everywhere at least what it earns against ``high``.
"""

from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.game.leader_bound import Search, best_row, new_search
from aigc_market_env.game.leaders import settle, standing
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import coefficients_of
from aigc_market_env.model.parameters import FloatArray, MarketArrays

#: MUs that a box is for.
MUS = 2
#: Corners are moved out of their box by this share of each reward, a thousand times what the followers' capacities are
#: met to; a bound on a utility is widened by this share of the satisfaction with the highest QoE, for rounding.
_OUTWARD, _ROUNDING = 1e-9, 1e-12
#: Best responses kept for each MU, a power of two: the other posts the same at the corners of many boxes.
_KEPT = 1 << 15


class BoxBounds(NamedTuple):
    """Scratch, and best responses kept."""

    search: Search
    prices: FloatArray  # (N, 2)
    x: FloatArray  # (N, 2)
    row: FloatArray  # (N,)
    least_qoe: FloatArray  # (2, N), what an MU is delivered at least
    most_qoe: FloatArray  # (2, N), and at most
    kept_rewards: FloatArray  # (2, _KEPT, N), what the other posts; NaN where nothing is kept
    kept_utility: FloatArray  # (2, _KEPT), what a best response to that earns


@compiled
def new_box_bounds(num_asps: int) -> BoxBounds:
    """Scratch for markets of two MUs."""
    return BoxBounds(
        new_search(MUS, num_asps),
        np.empty((num_asps, 2)),
        np.empty((num_asps, MUS)),
        np.empty(num_asps),
        np.empty((MUS, num_asps)),
        np.empty((MUS, num_asps)),
        np.full((MUS, _KEPT, num_asps), np.nan),
        np.empty((MUS, _KEPT)),
    )


@compiled
def regrets(s: BoxBounds, market: MarketArrays, low: FloatArray, high: FloatArray, unit: float) -> tuple[float, float]:
    """The largest regret of an MU in the one market given, over the mean utility, which counts as ``unit`` at least.

    Returns:
        What it is at least all over the box, not above zero where nothing is known, and what it is at the corner
        ``high``.
    """
    _deliver_at_corners(s, market, low, high)
    _post(s, market, (1.0 + _OUTWARD) * high, (1.0 + _OUTWARD) * high, 0)
    least = at_corner = -np.inf
    mean_most = mean = 0.0
    for m in range(MUS):
        omega, q = market.satisfaction_scale[0, m], market.qoe_requirement[0, m]
        utility, worth = standing(market, 0, s.search.offers.links, m, s.search.offers.rewards, s.x)
        best = _best_utility(s, market, m, utility, worth)
        most = _most_utility(omega, q, low[:, m], s.least_qoe[m], s.most_qoe[m])
        rounding = _ROUNDING * satisfaction.value(low.shape[0], omega, q)
        least, at_corner = max(least, best - most - 2.0 * rounding), max(at_corner, best - utility)
        mean_most, mean = mean_most + (most + rounding) / MUS, mean + utility / MUS
    return least / max(mean_most, unit), at_corner / max(mean, unit)


@compiled
def _post(s: BoxBounds, market: MarketArrays, own: FloatArray, other: FloatArray, m: int) -> None:
    """Let the ASPs respond to the rewards ``own`` of MU ``m`` and ``other`` of the other MU, both (N, 2)."""
    for n in range(own.shape[0]):
        s.search.offers.rewards[n, m], s.search.offers.rewards[n, 1 - m] = own[n, m], other[n, 1 - m]
    s.prices[:], s.x[:] = 0.0, 0.0
    settle(market, 0, s.search.offers.rewards, s.search.offers.links, s.prices, s.x, s.search.offers.trial)


@compiled
def _deliver_at_corners(s: BoxBounds, market: MarketArrays, low: FloatArray, high: FloatArray) -> None:
    """Fill ``s.least_qoe`` and ``s.most_qoe``."""
    for m in range(MUS):
        _post(s, market, (1.0 - _OUTWARD) * low, (1.0 + _OUTWARD) * high, m)
        for n in range(low.shape[0]):
            links = s.search.offers.links[n]
            s.least_qoe[m, n] = qoe.value(s.x[n, m], coefficients_of(links, m))
            s.most_qoe[1 - m, n] = qoe.value(s.x[n, 1 - m], coefficients_of(links, 1 - m))


@compiled
def _most_utility(omega: float, q: float, rewards: FloatArray, least: FloatArray, most: FloatArray) -> float:
    """The highest utility from any QoE between two rows (N,), paid at ``rewards`` (N,): the cheapest comes first."""
    total = paid = 0.0
    for n in range(rewards.shape[0]):
        total, paid = total + least[n], paid + rewards[n] * least[n]
    for n in np.argsort(rewards):
        bought = min(max(satisfaction.inverse_marginal(rewards[n], omega, q) - total, 0.0), most[n] - least[n])
        total, paid = total + bought, paid + rewards[n] * bought
    return satisfaction.value(total, omega, q) - paid


@compiled
def _best_utility(s: BoxBounds, market: MarketArrays, m: int, utility: float, worth: float) -> float:
    """What a best response of MU ``m`` to what the other posts earns, at least what it has, ``utility``."""
    posted, place = s.search.offers.rewards, np.int64(0)
    for n in range(s.row.shape[0]):
        place = place * np.int64(1000003) + (np.float64(posted[n, 1 - m]).view(np.int64) >> 8)
    place = (place ^ (place >> 29)) & (_KEPT - 1)
    kept = True
    for n in range(s.row.shape[0]):
        kept &= s.kept_rewards[m, place, n] == posted[n, 1 - m]
    if not kept:
        s.kept_utility[m, place] = best_row(s.search, m, market, 0, s.prices, s.x, worth, utility, s.row)[0]
        for n in range(s.row.shape[0]):
            s.kept_rewards[m, place, n] = posted[n, 1 - m]
    return max(s.kept_utility[m, place], utility)
