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
from aigc_market_env.equilibrium.kept_answers import KeptAnswers, new_kept_answers, place_of
from aigc_market_env.game.followers import TOLERANCE
from aigc_market_env.game.leader_bound import Search, best_row, new_search
from aigc_market_env.game.leaders import settle
from aigc_market_env.game.shadow_prices import asp_of, shadow_prices
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import coefficients_of, fill_links
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: MUs that a box is for.
MUS = 2
#: Corners are moved out of their box by this share of each reward, a thousand times what the followers' capacities are
#: met to; a bound on a utility is widened by this share of the satisfaction with the highest QoE, for rounding.
_OUTWARD, _ROUNDING = 1e-9, 1e-12


class BoxBounds(NamedTuple):
    """Scratch, and what was asked of followers and leaders: rewards at the corners of many boxes are the same."""

    search: Search
    prices: FloatArray  # (N, 2)
    x: FloatArray  # (N, 2)
    row: FloatArray  # (N,)
    pair: FloatArray  # (2,), rewards of both MUs at one ASP
    least: FloatArray  # (2, N), QoE that an MU is delivered at least
    most: FloatArray  # (2, N), and at most
    top: FloatArray  # (2, N), and where both post most
    delivered: list[KeptAnswers]  # of each ASP: QoE of both MUs for the rewards of both
    best: list[KeptAnswers]  # of each MU: utility of a best response to the other's rewards


@compiled
def new_box_bounds(market: MarketArrays) -> BoxBounds:
    """Scratch for one market of two MUs."""
    num_asps = market.compute_cost.shape[1]
    search = new_search(MUS, num_asps)
    for n in range(num_asps):
        fill_links(market, 0, n, search.offers.links[n])
    return BoxBounds(
        search,
        np.empty((num_asps, 2)),
        np.empty((num_asps, MUS)),
        np.empty(num_asps),
        np.empty(MUS),
        np.empty((MUS, num_asps)),
        np.empty((MUS, num_asps)),
        np.empty((MUS, num_asps)),
        [new_kept_answers(MUS, MUS) for _ in range(num_asps)],
        [new_kept_answers(num_asps, 1) for _ in range(MUS)],
    )


@compiled
def regrets(s: BoxBounds, market: MarketArrays, low: FloatArray, high: FloatArray, unit: float) -> tuple[float, float]:
    """The largest regret of an MU over the mean utility, which counts as ``unit`` at least.

    Returns:
        What it is at least all over the box, not above zero where nothing is known, and what it is at the corner
        ``high``.
    """
    for n in range(low.shape[0]):
        down, up = 1.0 - _OUTWARD, 1.0 + _OUTWARD
        s.least[0, n], s.most[1, n] = _deliver(s, market, n, down * low[n, 0], up * high[n, 1])
        s.most[0, n], s.least[1, n] = _deliver(s, market, n, up * high[n, 0], down * low[n, 1])
        s.top[0, n], s.top[1, n] = _deliver(s, market, n, up * high[n, 0], up * high[n, 1])
    least = at_corner = -np.inf
    mean_most = mean = 0.0
    for m in range(MUS):
        wants = wants_of(market, 0, m)
        rounding = _ROUNDING * satisfaction.value(low.shape[0], wants)
        utility = _utility(wants, high[:, m], s.top[m])
        best = max(_best_utility(s, market, m, high, utility), utility)
        most = _most_utility(wants, low[:, m], s.least[m], s.most[m])
        least, at_corner = max(least, best - most - 2.0 * rounding), max(at_corner, best - utility)
        mean_most, mean = mean_most + (most + rounding) / MUS, mean + utility / MUS
    return least / max(mean_most, unit), at_corner / max(mean, unit)


@compiled
def _deliver(s: BoxBounds, market: MarketArrays, n: int, first: float, second: float) -> tuple[float, float]:
    """QoE that ASP ``n`` delivers to the two MUs for their rewards."""
    s.pair[0], s.pair[1] = first, second
    kept = s.delivered[n]
    place, known = place_of(kept, s.pair)
    if not known:
        link = s.search.offers.links[n]
        s.prices[n], s.x[n] = 0.0, 0.0
        shadow_prices(link, asp_of(market, 0, n), s.pair, TOLERANCE, s.prices[n], s.x[n], s.search.offers.providers)
        for m in range(MUS):
            kept.answers[place, m] = qoe.value(s.x[n, m], coefficients_of(link, m))
    return kept.answers[place, 0], kept.answers[place, 1]


@compiled
def _utility(wants: satisfaction.Wants, rewards: FloatArray, delivered: FloatArray) -> float:
    """What an MU has from QoE (N,) paid at ``rewards`` (N,)."""
    total = paid = 0.0
    for n in range(rewards.shape[0]):
        total, paid = total + delivered[n], paid + rewards[n] * delivered[n]
    return satisfaction.value(total, wants) - paid


@compiled
def _most_utility(wants: satisfaction.Wants, rewards: FloatArray, least: FloatArray, most: FloatArray) -> float:
    """The highest utility from any QoE between two rows (N,), paid at ``rewards`` (N,): the cheapest comes first."""
    total = paid = 0.0
    for n in range(rewards.shape[0]):
        total, paid = total + least[n], paid + rewards[n] * least[n]
    for n in np.argsort(rewards):
        bought = min(max(satisfaction.inverse_marginal(rewards[n], wants) - total, 0.0), most[n] - least[n])
        total, paid = total + bought, paid + rewards[n] * bought
    return satisfaction.value(total, wants) - paid


@compiled
def _best_utility(s: BoxBounds, market: MarketArrays, m: int, high: FloatArray, utility: float) -> float:
    """What a best response of MU ``m`` earns against ``high`` (N, 2), at which it has ``utility`` itself."""
    for n in range(s.row.shape[0]):
        s.row[n] = (1.0 + _OUTWARD) * high[n, 1 - m]
    kept = s.best[m]
    place, known = place_of(kept, s.row)
    if not known:
        s.search.offers.rewards[:], s.prices[:], s.x[:] = (1.0 + _OUTWARD) * high, 0.0, 0.0
        settle(market, 0, s.search.offers.rewards, s.search.offers.links, s.prices, s.x, s.search.offers.providers)
        worth = satisfaction.marginal(s.top[m].sum(), wants_of(market, 0, m))
        kept.answers[place, 0] = best_row(s.search, m, market, 0, s.prices, s.x, worth, utility, s.row)[0]
    return kept.answers[place, 0]
