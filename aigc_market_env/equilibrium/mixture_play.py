"""MUs that mix a few rows of rewards, played out: every joint profile, what is earned, and small steps uphill.

MU m posts one of its *support rows*, each with a probability, independently of the others; all joint profiles of rows
are played, the ASPs responding exactly to each. A row is worth to its MU what it earns on average over the profiles of
the others. Compiled; the search for an equilibrium (:mod:`~aigc_market_env.equilibrium.mixed`) consists of these steps.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.game.demand import Providers, new_providers
from aigc_market_env.game.mixture_bound import best_row_against, new_mixture_search
from aigc_market_env.game.offers import COLUMNS, QOE, RESPONSE, ask
from aigc_market_env.game.shadow_prices import asp_of
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import LINK_ROWS, coefficients_of, fill_links
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: A climb starts with half the last move, from one of these shares of the reward to the other, and doubles it up to the
#: last one until the slope changes sign.
_SHORTEST, _FIRST, _LONGEST = 1e-9, 1e-3, 2e-2
#: Steps of a climb until the slope changes sign, and from then on; every so many of these it bisects.
_STRIDES, _CLIMB, _BISECT_EVERY = 40, 60, 3
#: Relative width at which a climb's bracket is closed.
_CLOSED = 1e-10


class Play(NamedTuple):
    """Support rows of M MUs, at most K each, all J joint profiles of them, and scratch."""

    rows: FloatArray  # (M, K, N), credits per QoE
    probabilities: FloatArray  # (M, K)
    sizes: npt.NDArray[np.int64]  # (M,), support rows of each MU
    strides: npt.NDArray[np.int64]  # (M,), profile s has row (s // stride) % size of an MU
    step: FloatArray  # (M, K, N), first step of the next climb
    links: FloatArray  # (N, LINK_ROWS, M)
    posted: FloatArray  # (N, J, M)
    prices: FloatArray  # (N, J, 2)
    rate: FloatArray  # (N, J, M)
    bought: FloatArray  # (N, J, M), QoE
    providers: Providers  # scratch
    offer: FloatArray  # (COLUMNS,)


@compiled
def new_play(
    market: MarketArrays,
    k: int,
    rows: FloatArray,
    probabilities: FloatArray,
    sizes: npt.NDArray[np.int64],
) -> Play:
    """All joint profiles of rows (M, K, N) in market ``k``, of which each MU has as many as ``sizes`` (M,) says."""
    num_mus, num_asps = rows.shape[0], rows.shape[2]
    strides, profiles = np.ones(num_mus, np.int64), 1
    for m in range(num_mus):
        strides[m] = profiles
        profiles *= sizes[m]
    p = Play(
        rows,
        probabilities,
        sizes,
        strides,
        np.full(rows.shape, _FIRST),
        np.empty((num_asps, LINK_ROWS, num_mus)),
        np.empty((num_asps, profiles, num_mus)),
        np.zeros((num_asps, profiles, 2)),
        np.zeros((num_asps, profiles, num_mus)),
        np.empty((num_asps, profiles, num_mus)),
        new_providers(num_mus, 1),
        np.zeros(COLUMNS),
    )
    for n in range(num_asps):
        fill_links(market, k, n, p.links[n])
        for s in range(profiles):
            for m in range(num_mus):
                p.posted[n, s, m] = rows[m, row_in(p, m, s), n]
            _respond(market, k, p, 0, n, s, p.posted[n, s, 0])
    return p


@compiled
def row_in(p: Play, m: int, s: int) -> int:
    """Which of its rows MU ``m`` posts in profile ``s``."""
    return (s // p.strides[m]) % p.sizes[m]


@compiled
def _weight(p: Play, m: int, s: int) -> float:
    """Probability that all MUs but ``m`` post what they post in profile ``s``."""
    weight = 1.0
    for i in range(p.sizes.shape[0]):
        if i != m and p.sizes[i] > 1:
            weight *= p.probabilities[i, row_in(p, i, s)]
    return weight


@compiled
def _respond(market: MarketArrays, k: int, p: Play, m: int, n: int, s: int, reward: float) -> None:
    """Have ASP ``n`` respond in profile ``s``, where MU ``m`` posts ``reward``; ``p.offer`` gets what it buys."""
    p.posted[n, s, m] = reward
    asp = asp_of(market, k, n)
    ask(p.links[n], m, asp, p.posted[n, s], reward, p.prices[n, s], p.rate[n, s], p.providers, p.offer)
    for i in range(p.sizes.shape[0]):
        p.bought[n, s, i] = qoe.value(p.rate[n, s, i], coefficients_of(p.links[n], i))


@compiled
def _total(p: Play, m: int, s: int) -> float:
    """QoE that MU ``m`` gets from all ASPs in profile ``s``."""
    total = 0.0
    for n in range(p.posted.shape[0]):
        total += p.bought[n, s, m]
    return total


@compiled
def profile_utilities(market: MarketArrays, k: int, p: Play, utilities: FloatArray) -> None:
    """Fill ``utilities`` (J, M) with what every MU earns in every profile, credits per slot."""
    for s in range(p.posted.shape[1]):
        for m in range(p.sizes.shape[0]):
            paid = 0.0
            for n in range(p.posted.shape[0]):
                paid += p.posted[n, s, m] * p.bought[n, s, m]
            utilities[s, m] = satisfaction.value(_total(p, m, s), wants_of(market, k, m)) - paid


@compiled
def row_utilities(market: MarketArrays, k: int, p: Play, utilities: FloatArray) -> None:
    """Fill ``utilities`` (M, K) with what each support row earns its MU on average, credits per slot."""
    earned = np.empty((p.posted.shape[1], p.sizes.shape[0]))
    profile_utilities(market, k, p, earned)
    utilities[:] = 0.0
    for s in range(earned.shape[0]):
        for m in range(earned.shape[1]):
            utilities[m, row_in(p, m, s)] += _weight(p, m, s) * earned[s, m]


# Steps uphill --------------------------------------------------------------------------------------------------------


@compiled
def climb_rows(market: MarketArrays, k: int, p: Play, sweeps: int, limit: float, mixed_limit: float) -> float:
    """Move every reward of every row in turn to its next peak, for some sweeps; return the last one's largest move.

    Moves are relative. None is longer than ``limit``, or ``mixed_limit`` where its MU has several rows, so that each of
    them stays at its own peak; where a limit is 0 the rewards stay as they are.
    """
    moved = 0.0
    for _ in range(sweeps):
        moved = 0.0
        for m in range(p.sizes.shape[0]):
            longest = limit if p.sizes[m] == 1 else mixed_limit
            if longest <= 0.0:
                continue
            for a in range(p.sizes[m]):
                for n in range(p.rows.shape[2]):
                    moved = max(moved, _climb(market, k, p, m, a, n, longest))
        if moved <= 10.0 * _CLOSED:
            break
    return moved


@compiled
def _climb(market: MarketArrays, k: int, p: Play, m: int, a: int, n: int, limit: float) -> float:
    """Move one reward of one row to its next peak, at most by ``limit``; return the relative move.

    A pair that is served in no profile posts the largest worth that QoE has to the MU, and is gone down from there if
    that gets it served.
    """
    start = reward = p.rows[m, a, n]
    slope, bought = _slope(market, k, p, m, a, n, reward)
    if bought <= 0.0:
        reward = _largest_worth(market, k, p, m, a)
        slope, bought = _slope(market, k, p, m, a, n, reward)
    if bought <= 0.0 or slope == 0.0:
        p.rows[m, a, n] = reward
        return 0.0
    bound = satisfaction.marginal(0.0, wants_of(market, k, m))
    lowest, highest = reward * (1.0 - limit), min(reward * (1.0 + limit), bound)
    sign, step = 1.0 if slope > 0.0 else -1.0, min(p.step[m, a, n], limit)
    near, ahead, far, beyond = reward, slope, reward, slope
    for _ in range(_STRIDES):
        far = min(max(near * (1.0 + sign * step), lowest), highest)
        beyond, bought = _slope(market, k, p, m, a, n, far)
        if bought <= 0.0:  # below the entry threshold, which is a valley's floor
            beyond = abs(ahead)
        if beyond * sign <= 0.0 or not lowest < far < highest:
            break
        near, ahead, step = far, beyond, min(2.0 * step, _LONGEST)
    near = far if beyond * sign > 0.0 else _close(market, k, p, m, a, n, near, far, ahead, beyond)
    _slope(market, k, p, m, a, n, near)
    p.rows[m, a, n] = near
    moved = abs(near - start) / near
    p.step[m, a, n] = min(max(0.5 * moved, _SHORTEST), _FIRST)
    return moved


@compiled
def _close(
    market: MarketArrays,
    k: int,
    p: Play,
    m: int,
    a: int,
    n: int,
    near: float,
    far: float,
    ahead: float,
    beyond: float,
) -> float:
    """The reward between two others where the slope changes sign, by false position (Illinois) and bisection."""
    sign = 1.0 if ahead > 0.0 else -1.0
    for step in range(_CLIMB):
        if abs(far - near) <= _CLOSED * near:
            break
        reward = 0.5 * (near + far)
        if step % _BISECT_EVERY:
            edge = 0.1 * _CLOSED * near
            reward = near + (far - near) * (ahead / (ahead - beyond))
            reward = min(max(reward, min(near, far) + edge), max(near, far) - edge)
        slope, bought = _slope(market, k, p, m, a, n, reward)
        if bought <= 0.0:
            slope = abs(slope) + abs(ahead)
        if slope * sign > 0.0:
            near, ahead, beyond = reward, slope, 0.5 * beyond
        else:
            far, beyond, ahead = reward, slope, 0.5 * ahead
    return near


@compiled
def _slope(market: MarketArrays, k: int, p: Play, m: int, a: int, n: int, reward: float) -> tuple[float, float]:
    """Derivative of a row's expected utility in one of its rewards, where that is ``reward``, and the QoE it buys."""
    wants = wants_of(market, k, m)
    slope = bought = 0.0
    for s in range(p.posted.shape[1]):
        if row_in(p, m, s) == a:
            _respond(market, k, p, m, n, s, reward)
            worth, weight = satisfaction.marginal(_total(p, m, s), wants), _weight(p, m, s)
            slope += weight * ((worth - reward) * p.offer[RESPONSE] - p.offer[QOE])
            bought += weight * p.offer[QOE]
    return slope, bought


@compiled
def _largest_worth(market: MarketArrays, k: int, p: Play, m: int, a: int) -> float:
    """The most that a further unit of QoE is worth to MU ``m`` in any profile with its row ``a``."""
    worth = 0.0
    for s in range(p.posted.shape[1]):
        if row_in(p, m, s) == a:
            worth = max(worth, satisfaction.marginal(_total(p, m, s), wants_of(market, k, m)))
    return worth


# Best responses ------------------------------------------------------------------------------------------------------


@compiled
def best_rows(market: MarketArrays, k: int, p: Play, best: FloatArray, found: FloatArray) -> None:
    """Every MU's best row against the mixture of the others, searched globally, with a proof.

    ``best`` (M, N) gets the rows; ``found`` (3, M) what they earn, what no row exceeds, and what the MU earns by its
    own mixture, credits per slot.
    """
    num_mus, num_asps, profiles = p.rows.shape[0], p.rows.shape[2], p.posted.shape[1]
    for m in range(num_mus):
        against = profiles // p.sizes[m]
        search = new_mixture_search(num_mus, num_asps, against)
        j = 0
        for s in range(profiles):
            if row_in(p, m, s) == 0:
                search.offers.weight[j] = _weight(p, m, s)
                for n in range(num_asps):
                    search.offers.rewards[n, j] = p.posted[n, s]
                j += 1
        search.offers.links[:] = p.links
        own, often = p.rows[m, : p.sizes[m]], p.probabilities[m, : p.sizes[m]]
        found[0, m], found[1, m], found[2, m] = best_row_against(search, m, market, k, own, often, best[m])
