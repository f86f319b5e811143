"""What one MU's rewards buy at one ASP while other MUs mix: tables of offers, and bounds on all in between.

Others who mix post one of L joint *profiles* of rewards, each with a probability. The MU does not see which, so that
one reward r buys it Q_s(r) in profile s. With QoE worth p_s there, an ASP's best reward maximises the expected surplus

    Σ_s π_s (p_s - r) Q_s(r),

a function of one number, as where nobody mixes (:mod:`~aigc_market_env.game.offers`). Throughputs differ by profile, so
that cells are ranges of the *reward* here. Derived in docs/equilibrium.md#regret-against-a-mixture.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.game.demand import Providers, new_providers
from aigc_market_env.game.marginal_cost import Supply, slope_range
from aigc_market_env.game.offers import (
    BANDWIDTH_PRICE,
    COLUMNS,
    COMPUTE_PRICE,
    COST,
    ERROR,
    LEAST,
    MOST,
    OWN,
    QOE,
    RATE,
    RESPONSE,
    REWARD,
    ask,
    between,
)
from aigc_market_env.game.shadow_prices import Asp
from aigc_market_env.game.surplus_bounds import peak_between
from aigc_market_env.model import qoe
from aigc_market_env.model.links import ENTRY, LINK_ROWS, coefficients_of
from aigc_market_env.model.parameters import FloatArray

#: Rewards tried at first, evenly in log from the lowest entry threshold to the reward bound.
_GRID = 8
#: Rewards that a table holds, at most; up to how many cells are halved, for climbs need room as well.
_MOST_OFFERS, _MOST_HALVED = 576, 512
#: Steps of a climb, at most; every so many it bisects; relative width at which its bracket is closed.
_CLIMB, _BISECT_EVERY, _CLOSED = 100, 3, 1e-9


class MixtureOffers(NamedTuple):
    """Tables of one MU's offers, one per ASP, with a layer per profile of the others, and scratch."""

    links: FloatArray  # (N, LINK_ROWS, M)
    rewards: FloatArray  # (N, L, M), as posted in each profile; the MU's own do not matter
    weight: FloatArray  # (L,), probabilities π of the profiles
    table: FloatArray  # (N, _MOST_OFFERS, L, COLUMNS), offers as of game/offers.py
    bound: FloatArray  # (N, _MOST_OFFERS), on the expected surplus of the cell up to the next reward
    length: npt.NDArray[np.int64]  # (N,), rewards in use
    prices: FloatArray  # (2,)
    rate: FloatArray  # (N, L, M)
    providers: Providers  # scratch
    guess: FloatArray  # (N, L, M)


@compiled
def new_mixture_offers(num_mus: int, num_asps: int, profiles: int) -> MixtureOffers:
    """Room for the tables of an MU in markets of this size, the others in so many profiles."""
    return MixtureOffers(
        np.empty((num_asps, LINK_ROWS, num_mus)),
        np.empty((num_asps, profiles, num_mus)),
        np.empty(profiles),
        np.empty((num_asps, _MOST_OFFERS, profiles, COLUMNS)),
        np.empty((num_asps, _MOST_OFFERS)),
        np.zeros(num_asps, dtype=np.int64),
        np.empty(2),
        np.zeros((num_asps, profiles, num_mus)),
        new_providers(num_mus, 1),
        np.zeros((num_asps, profiles, num_mus)),
    )


@compiled
def reward_of(s: MixtureOffers, n: int, place: int) -> float:
    """The reward of a row of a table."""
    return s.table[n, place, 0, REWARD]


@compiled
def expected_surplus(s: MixtureOffers, worths: FloatArray, n: int, place: int) -> float:
    """Σ_s π_s (p_s - r) Q_s of one row of a table; ``worths`` (L,) is p."""
    total = 0.0
    for j in range(s.weight.shape[0]):
        offer = s.table[n, place, j]
        total += s.weight[j] * (worths[j] - offer[REWARD]) * offer[QOE]
    return total


@compiled
def _derivative(s: MixtureOffers, worths: FloatArray, n: int, place: int) -> float:
    """Derivative of the expected surplus in the reward."""
    total = 0.0
    for j in range(s.weight.shape[0]):
        offer = s.table[n, place, j]
        total += s.weight[j] * ((worths[j] - offer[REWARD]) * offer[RESPONSE] - offer[QOE])
    return total


# Asking --------------------------------------------------------------------------------------------------------------


@compiled
def open_mixture_table(s: MixtureOffers, n: int, m: int, asp: Asp, reward_bound: float) -> None:
    """Begin the table of one ASP: from the lowest entry threshold to the bound.

    Where no profile's threshold is below the bound, one offer of nothing, at the bound, is all there is.
    """
    table, threshold = s.table[n], np.inf
    for j in range(s.weight.shape[0]):
        s.prices[:] = 0.0
        ask(s.links[n], m, asp, s.rewards[n, j], 0.0, s.prices, s.rate[n, j], s.providers, table[0, j])
        table[0, j, LEAST], table[0, j, MOST], table[0, j, OWN] = 0.0, np.inf, 0.0
        threshold = min(threshold, table[0, j, COST] / s.links[n, ENTRY, m])
        s.guess[n, j] = s.rate[n, j]
    for j in range(s.weight.shape[0]):
        table[0, j, REWARD] = min(threshold, reward_bound)
    s.length[n] = 1
    if threshold >= reward_bound:
        return
    for j in range(s.weight.shape[0]):
        s.prices[0], s.prices[1] = table[0, j, COMPUTE_PRICE], table[0, j, BANDWIDTH_PRICE]
        ask(s.links[n], m, asp, s.rewards[n, j], reward_bound, s.prices, s.rate[n, j], s.providers, table[1, j])
    s.length[n] = 2
    for i in range(1, _GRID):
        insert_reward(s, n, m, asp, threshold * (reward_bound / threshold) ** (i / _GRID))


@compiled
def insert_reward(s: MixtureOffers, n: int, m: int, asp: Asp, reward: float) -> int:
    """The place of ``reward`` in the table, which gets a row for it unless it has one; -1 where it is full.

    A reward outside the table is brought to its end.
    """
    table, bound, length = s.table[n], s.bound[n], s.length[n]
    if reward <= table[0, 0, REWARD]:
        return 0
    place = length - 1
    if reward >= table[place, 0, REWARD]:
        return place
    low = _row_before(table, place, reward)
    if table[low, 0, REWARD] == reward:
        return low
    if length == _MOST_OFFERS:
        return -1
    for i in range(length, low + 1, -1):
        bound[i] = bound[i - 1]
        for j in range(s.weight.shape[0]):
            for column in range(COLUMNS):
                table[i, j, column] = table[i - 1, j, column]
    s.length[n] = length + 1
    for j in range(s.weight.shape[0]):
        before, new, after = table[low, j], table[low + 1, j], table[low + 2, j]
        for column in range(COLUMNS):
            new[column] = before[column]
        before[OWN] = new[OWN] = 0.0
        s.prices[0] = between(asp.compute_cost, before[COMPUTE_PRICE], after[COMPUTE_PRICE])
        s.prices[1] = between(asp.bandwidth_cost, before[BANDWIDTH_PRICE], after[BANDWIDTH_PRICE])
        ask(s.links[n], m, asp, s.rewards[n, j], reward, s.prices, s.rate[n, j], s.providers, new)
    return low + 1


@compiled
def _row_before(table: FloatArray, last: int, reward: float) -> int:
    """The last row of a table whose reward is not above ``reward``, which is below that of row ``last``."""
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if table[middle, 0, REWARD] <= reward:
            low = middle
        else:
            high = middle
    return low


# Branch and bound ----------------------------------------------------------------------------------------------------


@compiled
def best_reward(
    s: MixtureOffers, n: int, m: int, asp: Asp, worths: FloatArray, low: float, high: float, tolerance: float
) -> tuple[int, float]:
    """The row with the largest expected surplus from ``low`` to ``high``, and an upper bound of all in that range.

    Cells are halved, the one of the largest bound first, until the two are within ``tolerance`` or the table is full.
    Both ends must be in the table, or beyond it.
    """
    first, last = rows_within(s, n, low, high)
    best, reached = best_of(s, worths, n, first, last)
    for i in range(first, last):
        s.bound[n, i] = _cell_bound(s, n, m, asp, worths, i, reached + tolerance)
    while True:
        bound, widest = reached, -1
        for i in range(first, last):
            if s.bound[n, i] > bound:
                bound, widest = s.bound[n, i], i
        length = s.length[n]
        if bound <= reached + tolerance or length >= _MOST_HALVED:
            return best, bound
        new = insert_reward(s, n, m, asp, math.sqrt(reward_of(s, n, widest) * reward_of(s, n, widest + 1)))
        if s.length[n] == length:  # nothing lies in between
            return best, bound
        last += 1
        best = best + 1 if best >= new else best
        value = expected_surplus(s, worths, n, new)
        if value > reached:
            best, reached = new, value
        for i in (new - 1, new):
            s.bound[n, i] = _cell_bound(s, n, m, asp, worths, i, reached + tolerance)


@compiled
def best_of(s: MixtureOffers, worths: FloatArray, n: int, first: int, last: int) -> tuple[int, float]:
    """The row with the largest expected surplus from ``first`` to ``last``, and that surplus."""
    best, reached = first, expected_surplus(s, worths, n, first)
    for i in range(first + 1, last + 1):
        value = expected_surplus(s, worths, n, i)
        if value > reached:
            best, reached = i, value
    return best, reached


@compiled
def rows_within(s: MixtureOffers, n: int, low: float, high: float) -> tuple[int, int]:
    """The first and the last row of the rewards from ``low`` to ``high``."""
    first, last = 0, s.length[n] - 1
    while first < last and reward_of(s, n, first) < low:
        first += 1
    while last > first and reward_of(s, n, last) > high:
        last -= 1
    return first, last


@compiled
def _cell_bound(s: MixtureOffers, n: int, m: int, asp: Asp, worths: FloatArray, place: int, target: float) -> float:
    """An upper bound of the expected surplus between two rows, no tighter than ``target`` asks for."""
    simple = lost = 0.0
    for j in range(s.weight.shape[0]):
        a, b = s.table[n, place, j], s.table[n, place + 1, j]
        margin = worths[j] - a[REWARD]  # falls with the reward, while the QoE rises
        simple += s.weight[j] * margin * (b[QOE] if margin > 0.0 else a[QOE])
        lost += s.weight[j] * worths[j] * (a[ERROR] + b[ERROR]) * b[QOE]
    if simple + lost <= target:
        return simple + lost
    bound = _bound_by_slopes(s, n, m, worths, place)
    if bound + lost > target:
        narrowed = False
        for j in range(s.weight.shape[0]):
            narrowed = _narrow(s, n, m, asp, place, j) or narrowed
        if narrowed:
            bound = _bound_by_slopes(s, n, m, worths, place)
    return min(simple, bound) + lost


@compiled
def _narrow(s: MixtureOffers, n: int, m: int, asp: Asp, place: int, j: int) -> bool:
    """Find the range of the marginal cost's slope in a cell of one profile, unless that has been done."""
    a, b = s.table[n, place, j], s.table[n, place + 1, j]
    if a[OWN] > 0.0 or b[RATE] <= a[RATE]:
        return False
    found = slope_range(
        s.links[n],
        m,
        asp,
        s.rewards[n, j],
        Supply(a[RATE], a[COMPUTE_PRICE], a[BANDWIDTH_PRICE]),
        Supply(b[RATE], b[COMPUTE_PRICE], b[BANDWIDTH_PRICE]),
        s.guess[n, j],
    )
    a[LEAST], a[MOST], a[OWN] = max(a[LEAST], found.least), min(a[MOST], found.most), 1.0
    return True


@compiled
def _bound_by_slopes(s: MixtureOffers, n: int, m: int, worths: FloatArray, place: int) -> float:
    """An upper bound of the expected surplus between two rows from what its derivative can be.

    The derivative is Σ_s π_s [(p_s - r) dQ_s/dr - Q_s].
    """
    c = coefficients_of(s.links[n], m)
    low = high = rise = fall = 0.0
    for j in range(s.weight.shape[0]):
        a, b = s.table[n, place, j], s.table[n, place + 1, j]
        least, most = response_range(c, a, b)
        before, after = worths[j] - a[REWARD], worths[j] - b[REWARD]
        low += s.weight[j] * before * a[QOE]
        high += s.weight[j] * after * b[QOE]
        rise += s.weight[j] * (before * (most if before > 0.0 else least) - a[QOE])
        fall += s.weight[j] * (after * (least if after > 0.0 else most) - b[QOE])
    return peak_between(low, high, rise, fall, reward_of(s, n, place + 1) - reward_of(s, n, place))


@compiled
def response_range(c: qoe.Coefficients, a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """The least and most that dQ/dr is between two offers.

    dQ/dr = 1/(C'/Q'² + r |Q''|/Q'²), and |Q''|/Q'² is the product of |Q''|/Q'^1.5, which falls with the throughput
    because Q'^-0.5 is concave, and Q'^-0.5, which rises. Zero where the MU is not served.
    """
    if b[RATE] <= 0.0:
        return 0.0, 0.0
    if b[RATE] < a[RATE]:  # by rounding
        return 0.0, np.inf
    slope_a, curvature_a = qoe.slope_and_curvature(a[RATE], c)
    slope_b, curvature_b = qoe.slope_and_curvature(b[RATE], c)
    root_a, root_b = math.sqrt(slope_a), math.sqrt(slope_b)
    bend_a, bend_b = -curvature_a / (slope_a * root_a), -curvature_b / (slope_b * root_b)
    most = 1.0 / (a[LEAST] / (slope_a * slope_a) + a[REWARD] * bend_b / root_a)
    least = 0.0
    if a[RATE] > 0.0 and a[MOST] < np.inf:
        least = 1.0 / (a[MOST] / (slope_b * slope_b) + b[REWARD] * bend_a / root_b)
    return least, most


# Climbing ------------------------------------------------------------------------------------------------------------


@compiled
def climb_rewards(
    s: MixtureOffers,
    n: int,
    m: int,
    asp: Asp,
    worths: FloatArray,
    low: float,
    high: float,
    best: int,
    tolerance: float,
) -> int:
    """The row of the peak next to row ``best``, which gets rows on the way; rewards stay from ``low`` to ``high``.

    False position on the derivative, halving the retained end's weight (Illinois), and bisection whenever that is slow,
    as it is on a kink; until no more than ``tolerance`` is to be gained.
    """
    ahead = _derivative(s, worths, n, best)
    other = best + 1 if ahead > 0.0 else best - 1
    if other < 0 or other >= s.length[n] or tolerance == np.inf:
        return best
    near, far, beyond = reward_of(s, n, best), reward_of(s, n, other), _derivative(s, worths, n, other)
    if not low <= far <= high:
        return best
    for step in range(_CLIMB):
        reward, length = 0.5 * (near + far), s.length[n]
        if ahead * beyond < 0.0 and step % _BISECT_EVERY:
            reward = near + (far - near) * (ahead / (ahead - beyond))
            if abs(ahead * (reward - near)) <= tolerance or abs(reward - near) <= _CLOSED * near:
                break
        elif step == 0 and ahead * beyond >= 0.0:  # a kink next to the row may well have the peak
            reward = near + math.copysign(min(_CLOSED * near, 0.5 * abs(far - near)), far - near)
        new = insert_reward(s, n, m, asp, reward)
        if s.length[n] == length or abs(far - near) <= _CLOSED * near:
            break
        best = best + 1 if best >= new else best
        if expected_surplus(s, worths, n, new) > expected_surplus(s, worths, n, best):
            best = new
        derivative = _derivative(s, worths, n, new)
        if derivative * ahead > 0.0:
            near, ahead, beyond = reward, derivative, 0.5 * beyond
        else:
            far, beyond, ahead = reward, derivative, 0.5 * ahead
    return best
