"""What one MU's rewards buy at one ASP: a table of the offers asked for so far, and bounds on all in between.

An ASP's offer depends on the rewards posted to it alone. So, with QoE worth v, each ASP's best reward maximises a
function of one number, the surplus (v - r) Q(r), and branch and bound finds it together with a proof: a *cell* between
two neighbouring offers is bounded by :mod:`~aigc_market_env.game.surplus_bounds` and halved while that is not enough.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env.game.demand import (
    ASKED,
    BANDWIDTH,
    BANDWIDTH_COST,
    COMPUTE,
    COMPUTE_COST,
    LAM,
    MU,
    Providers,
    ask_for,
    fill_blocks,
    hessian_of,
    marginal_use,
    new_providers,
    of_asp,
    put_reward,
    rate_of,
    set_of_asp,
)
from aigc_market_env.game.followers import TOLERANCE
from aigc_market_env.game.marginal_cost import Supply, slope_range
from aigc_market_env.game.reactions import throughput_slope
from aigc_market_env.game.shadow_prices import (
    Asp,
    asp_in,
    asp_of,
    find_shadow_prices,
    put_asp,
    shadow_prices,
    solve_prices,
)
from aigc_market_env.game.surplus_bounds import surplus_bound
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import ENTRY, LINK_ROWS, coefficients_of
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: Rewards tried at first, evenly in log from the entry threshold to the reward bound.
_GRID = 8
#: Offers that a table holds, at most; up to how many cells are halved, for climbs need room as well.
_MOST_OFFERS, _MOST_HALVED = 320, 256
#: Columns of a table: the reward; throughput, QoE and its derivative in the reward; unit cost and the shadow prices;
#: how far rounding and the solver's tolerance may have moved them, as a share; then, of the cell up to the next reward:
#: the range of the marginal cost's slope, whether it was taken from this very cell, and the bound on the surplus.
REWARD, RATE, QOE, RESPONSE, COST, COMPUTE_PRICE, BANDWIDTH_PRICE, ERROR, LEAST, MOST, OWN, BOUND = range(12)
COLUMNS = 12
#: What is lost to the solver's tolerance is estimated to first order, and taken this many times; what to rounding, as a
#: share, many times more than was ever seen.
_SAFETY, _ROUNDING = 4.0, 1e-13
#: Steps of a climb, at most; every so many it bisects; relative width at which its bracket is closed.
_CLIMB, _BISECT_EVERY, _CLOSED = 100, 3, 1e-9


class Offers(NamedTuple):
    """Tables of one MU's offers, one per ASP, and scratch."""

    links: FloatArray  # (N, LINK_ROWS, M)
    rewards: FloatArray  # (N, M), as posted
    table: FloatArray  # (N, _MOST_OFFERS, COLUMNS)
    length: npt.NDArray[np.int64]  # (N,), rows in use
    asked: FloatArray  # (N,), the reward that is asked for
    row: npt.NDArray[np.int64]  # (N,), the row that it is to fill, -1 where there is none
    providers: Providers  # the ASPs, and where the search of each stands
    guess: FloatArray  # (N, M), of throughputs


@compiled
def new_offers(num_mus: int, num_asps: int) -> Offers:
    """Room for the tables of an MU in markets of this size."""
    return Offers(
        np.empty((num_asps, LINK_ROWS, num_mus)),
        np.empty((num_asps, num_mus)),
        np.empty((num_asps, _MOST_OFFERS, COLUMNS)),
        np.zeros(num_asps, dtype=np.int64),
        np.empty(num_asps),
        np.zeros(num_asps, dtype=np.int64),
        new_providers(num_mus, num_asps),
        np.empty((num_asps, num_mus)),
    )


@compiled_in_place
def surplus(worth: float, offer: FloatArray) -> float:
    """(v - r) Q of one offer."""
    return (worth - offer[REWARD]) * offer[QOE]


@compiled_in_place
def _derivative(worth: float, offer: FloatArray) -> float:
    """Derivative of the surplus in the reward."""
    return (worth - offer[REWARD]) * offer[RESPONSE] - offer[QOE]


# Asking --------------------------------------------------------------------------------------------------------------


@compiled
def open_tables(s: Offers, m: int, market: MarketArrays, k: int, prices: FloatArray, x: FloatArray) -> None:
    """Begin the tables of all ASPs: from the entry threshold to the reward bound, and what is posted.

    Where a threshold is above the bound, one offer of nothing, at the bound, is all there is. The search begins at
    ``prices`` (N, 2) and throughputs ``x`` (N, M). All ASPs are asked together, for the sake of speed.
    """
    num_asps, bound = x.shape[0], satisfaction.marginal(0.0, wants_of(market, k, m))
    s.guess[:] = x
    for n in range(num_asps):
        put_asp(asp_of(market, k, n), prices[n, 0], prices[n, 1], s.providers.asps, n)
        fill_blocks(s.links[n], s.rewards[n], x[n], s.providers.blocks[n])
        s.length[n], s.row[n], s.asked[n] = 1, 0, 0.0
    _ask(s, m, 0, num_asps)
    for n in range(num_asps):
        first = s.table[n, 0]
        threshold = first[COST] / s.links[n, ENTRY, m]
        first[REWARD], first[LEAST], first[MOST], first[OWN] = min(threshold, bound), 0.0, np.inf, 0.0
        s.row[n], s.asked[n] = 1 if threshold < bound else -1, bound
    _ask(s, m, 0, num_asps)
    for n in range(num_asps):
        s.length[n] += s.row[n] == 1
    for j in range(1, _GRID + 1):
        for n in range(num_asps):
            lowest = s.table[n, 0, REWARD]
            reward = lowest * (bound / lowest) ** (j / _GRID) if j < _GRID else s.rewards[n, m]
            _, s.row[n] = _make_room(s, n, reward)
        _ask(s, m, 0, num_asps)


@compiled_in_place
def insert(s: Offers, n: int, m: int, reward: float) -> int:
    """The place of ``reward`` in the table, which gets a row for it unless it has one; -1 where it is full.

    A reward outside the table is brought to its end.
    """
    place, s.row[n] = _make_room(s, n, reward)
    _ask(s, m, n, n + 1)
    return place


@compiled_in_place
def _make_room(s: Offers, n: int, reward: float) -> tuple[int, int]:
    """The place of ``reward`` in the table, -1 where it is full, and the row that is to be filled, -1 where none is."""
    table, length = s.table[n], s.length[n]
    if reward <= table[0, REWARD]:
        return 0, -1
    j = length - 1
    if reward >= table[j, REWARD]:
        return j, -1
    while table[j, REWARD] > reward:
        j -= 1
    if table[j, REWARD] == reward:
        return j, -1
    if length == _MOST_OFFERS:
        return -1, -1
    for i in range(length, j + 1, -1):
        for column in range(COLUMNS):
            table[i, column] = table[i - 1, column]
    s.length[n] = length + 1
    for column in range(COLUMNS):
        table[j + 1, column] = table[j, column]
    table[j, OWN] = table[j + 1, OWN] = 0.0
    asps, before, after = s.providers.asps, table[j], table[j + 2]
    lam = between(of_asp(asps, n, COMPUTE_COST), before[COMPUTE_PRICE], after[COMPUTE_PRICE])
    mu = between(of_asp(asps, n, BANDWIDTH_COST), before[BANDWIDTH_PRICE], after[BANDWIDTH_PRICE])
    ask_for(asps, n, lam, mu)
    s.asked[n] = reward
    return j + 1, j + 1


@compiled
def between(cost: float, low: float, high: float) -> float:
    """The shadow price whose effective price is the geometric mean of those of two others."""
    return low if low == high else max(math.sqrt((cost + low) * (cost + high)) - cost, 0.0)


@compiled_in_place
def _ask(s: Offers, m: int, first: int, last: int) -> None:
    """Fill ``s.row`` of the tables of ASPs ``first`` to ``last`` with what ``s.asked`` buys, where there is a row."""
    asps, blocks = s.providers
    for n in range(first, last):
        set_of_asp(asps, n, ASKED, 1.0 if s.row[n] >= 0 else 0.0)
        put_reward(blocks[n], m, s.asked[n])
    find_shadow_prices(s.providers, TOLERANCE)
    for n in range(first, last):
        if s.row[n] >= 0:
            write_offer(s.links[n], m, asps, n, s.asked[n], rate_of(blocks[n], m), s.table[n, s.row[n]])


@compiled_in_place
def ask(
    link: FloatArray,
    m: int,
    asp: Asp,
    rewards: FloatArray,
    reward: float,
    prices: FloatArray,
    x: FloatArray,
    providers: Providers,
    offer: FloatArray,
) -> None:
    """Fill the first eight columns of an offer: what ``reward`` buys MU ``m`` where the others post ``rewards`` (M,).

    ``prices`` (2,) and ``x`` (M,) hold a start for the ASP's own search and get what it finds; ``providers`` is
    scratch.
    """
    posted, rewards[m] = rewards[m], reward
    shadow_prices(link, asp, rewards, TOLERANCE, prices, x, providers)
    rewards[m] = posted
    write_offer(link, m, providers.asps, 0, reward, x[m], offer)


@compiled_in_place
def write_offer(link: FloatArray, m: int, asps: FloatArray, n: int, reward: float, x: float, offer: FloatArray) -> None:
    """Fill the first eight columns of an offer to MU ``m`` from what ASP ``n`` ended its search with."""
    asp, prices = asp_in(asps, n), (of_asp(asps, n, LAM), of_asp(asps, n, MU))
    # Of demand at the prices: x itself may be a mean of what is best on either side of a price that cannot be hit.
    huu, huw, hww = hessian_of(asps, n)
    f, b = of_asp(asps, n, COMPUTE), of_asp(asps, n, BANDWIDTH)
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    c = coefficients_of(link, m)
    cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
    offer[REWARD], offer[RATE], offer[QOE], offer[COST] = reward, x, qoe.value(x, c), u * cu + w * cw
    offer[COMPUTE_PRICE], offer[BANDWIDTH_PRICE] = prices[0], prices[1]
    offer[RESPONSE] = qoe.slope(x, c) * throughput_slope(link, m, asp, *prices, reward, x, (huu, huw, hww))
    # A Newton step to where the capacities would be met: what it would do to the unit cost, and to the throughput.
    free_u, free_w = prices[0] > 0.0 or f > asp.compute_capacity, prices[1] > 0.0 or b > asp.bandwidth_capacity
    missed_u, missed_w = abs(f - asp.compute_capacity), abs(b - asp.bandwidth_capacity)
    du, dw = solve_prices(free_u, free_w, missed_u, missed_w, huu, -abs(huw), hww)
    moved = (cu * abs(du) + cw * abs(dw)) / offer[COST]
    if x > 0.0:
        slope, curvature = qoe.slope_and_curvature(x, c)
        moved += moved * slope / (-curvature * x)
    offer[ERROR] = _SAFETY * min(moved, 1.0) + _ROUNDING


# Branch and bound ----------------------------------------------------------------------------------------------------


@compiled_in_place
def best_offer(
    s: Offers, n: int, m: int, asp: Asp, worth: float, low: float, high: float, tolerance: float
) -> tuple[int, float]:
    """The row of the offer with the largest surplus from ``low`` to ``high``, and an upper bound of all in that range.

    Cells are halved, the one of the largest bound first, until the two are within ``tolerance`` or the table is full.
    Both ends must be in the table, or beyond it.
    """
    table = s.table[n]
    first, last = _rows_within(table, s.length[n], low, high)
    best = first
    for j in range(first + 1, last + 1):
        if surplus(worth, table[j]) > surplus(worth, table[best]):
            best = j
    for j in range(first, last):
        table[j, BOUND] = _cell_bound(s, n, m, asp, worth, j, surplus(worth, table[best]) + tolerance)
    while True:
        reached = surplus(worth, table[best])
        bound, widest = reached, -1
        for j in range(first, last):
            if table[j, BOUND] > bound:
                bound, widest = table[j, BOUND], j
        length = s.length[n]
        if bound <= reached + tolerance or length >= _MOST_HALVED:
            return best, bound
        new = insert(s, n, m, math.sqrt(table[widest, REWARD] * table[widest + 1, REWARD]))
        if s.length[n] == length:  # nothing lies in between
            return best, bound
        last += 1
        best = _better(table, worth, best, new)
        for j in (new - 1, new):
            table[j, BOUND] = _cell_bound(s, n, m, asp, worth, j, surplus(worth, table[best]) + tolerance)


@compiled_in_place
def _rows_within(table: FloatArray, length: int, low: float, high: float) -> tuple[int, int]:
    """The first and the last row of the offers from ``low`` to ``high``."""
    first, last = 0, length - 1
    while first < last and table[first, REWARD] < low:
        first += 1
    while last > first and table[last, REWARD] > high:
        last -= 1
    return first, last


@compiled_in_place
def _better(table: FloatArray, worth: float, best: int, new: int) -> int:
    """The row of the best offer once row ``new`` has been put in; ``best`` is where it was before."""
    if best >= new:
        best += 1
    return new if surplus(worth, table[new]) > surplus(worth, table[best]) else best


@compiled_in_place
def _cell_bound(s: Offers, n: int, m: int, asp: Asp, worth: float, j: int, target: float) -> float:
    """An upper bound of the surplus between offers j and j + 1, no tighter than ``target`` asks for."""
    a, b = s.table[n, j], s.table[n, j + 1]
    if a[REWARD] >= worth:  # the margin is negative and falls, the QoE rises
        return (worth - a[REWARD]) * a[QOE]
    # The QoE rises with the reward.
    lost = worth * (a[ERROR] + b[ERROR]) * b[QOE]
    simple = (worth - a[REWARD]) * b[QOE] + lost
    if simple <= target or b[RATE] <= a[RATE]:
        return simple
    c = coefficients_of(s.links[n], m)
    bound = _bound_by_slopes(worth, c, a, b, target - lost)
    if bound + lost > target and a[OWN] == 0.0:
        found = slope_range(
            s.links[n],
            m,
            asp,
            s.rewards[n],
            Supply(a[RATE], a[COMPUTE_PRICE], a[BANDWIDTH_PRICE]),
            Supply(b[RATE], b[COMPUTE_PRICE], b[BANDWIDTH_PRICE]),
            s.guess[n],
        )
        a[LEAST], a[MOST], a[OWN] = max(a[LEAST], found.least), min(a[MOST], found.most), 1.0
        bound = _bound_by_slopes(worth, c, a, b, target - lost)
    return min(simple, bound + lost)


@compiled_in_place
def _bound_by_slopes(worth: float, c: qoe.Coefficients, a: FloatArray, b: FloatArray, target: float) -> float:
    return surplus_bound(worth, c, a[RATE], b[RATE], a[COST], b[COST], a[LEAST], a[MOST], target)


# Climbing ------------------------------------------------------------------------------------------------------------


@compiled_in_place
def climb(s: Offers, n: int, m: int, worth: float, low: float, high: float, best: int, tolerance: float) -> int:
    """The row of the peak next to offer ``best``, which gets rows on the way; rewards stay from ``low`` to ``high``.

    False position on the derivative, halving the retained end's weight (Illinois), and bisection whenever that is slow,
    as it is on a kink; until no more than ``tolerance`` is to be gained.
    """
    table = s.table[n]
    other = _uphill(table, s.length[n], worth, low, high, best)
    if other < 0 or tolerance == np.inf:
        return best
    near, far = table[best, REWARD], table[other, REWARD]
    ahead, beyond = _derivative(worth, table[best]), _derivative(worth, table[other])
    for step in range(_CLIMB):
        reward, length = 0.5 * (near + far), s.length[n]
        if ahead * beyond < 0.0 and step % _BISECT_EVERY:
            reward = near + (far - near) * (ahead / (ahead - beyond))
            if abs(ahead * (reward - near)) <= tolerance or abs(reward - near) <= _CLOSED * near:
                break
        elif step == 0 and near == s.rewards[n, m]:  # what is posted may well be next to a kink that has the peak
            reward = near + math.copysign(min(_CLOSED * near, 0.5 * abs(far - near)), far - near)
        new = insert(s, n, m, reward)
        if s.length[n] == length or abs(far - near) <= _CLOSED * near:
            break
        best, derivative = _better(table, worth, best, new), _derivative(worth, table[new])
        if derivative * ahead > 0.0:
            near, ahead, beyond = reward, derivative, 0.5 * beyond
        else:
            far, beyond, ahead = reward, derivative, 0.5 * ahead
    return best


@compiled_in_place
def _uphill(table: FloatArray, length: int, worth: float, low: float, high: float, best: int) -> int:
    """The row next to ``best`` to which the surplus rises, from ``low`` to ``high``; -1 if there is none."""
    if table[best, QOE] <= 0.0:
        return -1
    other = best + 1 if _derivative(worth, table[best]) > 0.0 else best - 1
    return other if 0 <= other < length and low <= table[other, REWARD] <= high else -1
