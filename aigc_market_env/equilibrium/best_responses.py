"""Best responses from several starts, where the first-order conditions lead to no equilibrium (docs/equilibrium.md).

Where a leader's utility is not concave, the solution of the first-order conditions may be the place between two peaks,
and best responses may go round in circles. Other places are searched here: damped best responses of all leaders at
once, whole ones in random order, both from several starts, and small random steps about the best place. At each place
every leader's regret is found and bounded; the place of the least regret is the answer. It is a search: that it finds
no equilibrium does not say that there is none.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.game.leader_bound import Search, best_row, new_search
from aigc_market_env.game.leaders import settle, standing
from aigc_market_env.model import satisfaction
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of
from aigc_market_env.scenarios.streams import next_uniform

#: Sweeps in order and in random order, and rounds of damped best responses, at most, from one start.
_SWEEPS, _RANDOM_SWEEPS, _DAMPED_ROUNDS = 20, 12, 40
#: Small random steps, at most, and best rows that are searched for after the sweeps in order: half a second at 8x4.
_SMALL_STEPS, _MOST_ROWS = 100, 1200
#: Random starts, and the rewards they are drawn between, as shares of the reward bound.
_STARTS, _LOWEST, _HIGHEST = 2, 0.01, 0.8
#: Least share of the way to its best row that an MU goes in a damped sweep.
_LEAST_SHARE = 0.3
#: Small steps are taken where the regret is no more than this many tolerances; they rarely do more than halve it.
_CLOSE = 4.0
#: A sweep is judged where nobody gained more than this many times the least regret so far, and is the last one where
#: nobody gained more than a share of the utility.
_PROMISING, _STILL = 1.5, 1e-8
#: Every market's random numbers begin here, so that answers depend on the market alone.
_SEED = np.uint64(0x5DEECE66D)


class Play(NamedTuple):
    """One market as MUs respond to one another; arrays of links have the ASP first."""

    search: Search  # with links and the rewards posted (N, M)
    prices: FloatArray  # shadow prices there (N, 2)
    x: FloatArray  # throughputs there, tokens/s (N, M)
    row: FloatArray  # (N,)
    utility: FloatArray  # of the MUs, credits per slot (M,)
    target: FloatArray  # best rows where all were last assessed (N, M)
    least: FloatArray  # the rewards of the least regret (N, M)
    least_target: FloatArray  # best rows there (N, M)
    score: FloatArray  # largest regret there, but at least the tolerance, and largest bound, over mean utility (2,)
    worst: npt.NDArray[np.int64]  # the MU that regrets most there (1,)
    rows: npt.NDArray[np.int64]  # best rows searched for so far (1,)
    stream: npt.NDArray[np.uint64]  # random numbers (1,)
    order: npt.NDArray[np.int64]  # in which MUs move (M,)


def least_regret(
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    default: FloatArray,
    tolerance: float,
) -> FloatArray:
    """Rewards (B, M, N) of the least regret that best responses come by.

    Args:
        market: markets.
        index: which of them each entry of the batch is. (B,)
        rewards: where each search begins, r, credits per QoE. (B, M, N)
        default: where it goes on. (B, M, N)
        tolerance: leader regret that counts as none, relative to the MUs' mean utility; the search ends where it is
            proven.
    """
    found = rewards.copy()
    over_markets(_search, len(found), market, index, default, tolerance, found, min_slice=1)
    return found


@compiled
def _search(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    default: FloatArray,
    tolerance: float,
    rewards: FloatArray,
) -> None:
    p = _new_play(rewards.shape[1], rewards.shape[2])
    posted = p.search.offers.rewards
    for i in range(start, stop):
        k = index[i]
        _forget(p)
        for begin in (rewards[i].T, default[i].T):
            posted[:] = begin
            if p.score[1] > tolerance:
                _respond_in_order(p, market, k, tolerance)
        p.rows[0] = 0
        posted[:] = rewards[i].T
        _respond_damped(p, market, k, tolerance)
        posted[:] = rewards[i].T
        _respond_in_turn(p, market, k, 1.0, tolerance)
        _step_about(p, market, k, tolerance)
        for j in range(_STARTS + 1):
            posted[:] = default[i].T
            if j > 0:
                _draw_rewards(p, market, k)
            _respond_in_turn(p, market, k, _LEAST_SHARE, tolerance)
        _step_about(p, market, k, tolerance)
        if p.score[0] < np.inf:
            rewards[i] = p.least.T


@compiled
def _new_play(num_mus: int, num_asps: int) -> Play:
    m, n = num_mus, num_asps
    return Play(
        new_search(m, n),
        np.empty((n, 2)),
        np.empty((n, m)),
        np.empty(n),
        np.empty(m),
        np.empty((n, m)),
        np.empty((n, m)),
        np.empty((n, m)),
        np.empty(2),
        np.zeros(1, dtype=np.int64),
        np.zeros(1, dtype=np.int64),
        np.zeros(1, dtype=np.uint64),
        np.arange(m),
    )


@compiled
def _forget(p: Play) -> None:
    """Begin another market as if it were the first."""
    p.score[:], p.worst[0], p.rows[0], p.stream[0] = np.inf, 0, 0, _SEED
    for m in range(len(p.order)):
        p.order[m] = m


@compiled
def _draw_rewards(p: Play, market: MarketArrays, k: int) -> None:
    """Post random rewards."""
    posted = p.search.offers.rewards
    for m in range(posted.shape[1]):
        bound = satisfaction.marginal(0.0, wants_of(market, k, m))
        for n in range(posted.shape[0]):
            posted[n, m] = (_LOWEST + (_HIGHEST - _LOWEST) * next_uniform(p.stream, 0)) * bound


# What is known of a place --------------------------------------------------------------------------------------------


@compiled
def _settle(p: Play, market: MarketArrays, k: int) -> None:
    """Have the ASPs respond to the rewards posted."""
    p.prices[:], p.x[:] = 0.0, 0.0
    settle(market, k, p.search.offers.rewards, p.search.offers.links, p.prices, p.x, p.search.offers.providers)


@compiled
def _find_row(p: Play, market: MarketArrays, k: int, m: int) -> tuple[float, float, float]:
    """Fill ``p.row`` with MU ``m``'s best row; return its utility now, with that row, and at most."""
    offers = p.search.offers
    utility, worth = standing(market, k, offers.links, m, offers.rewards, p.x)
    best, ceiling = best_row(p.search, m, market, k, p.prices, p.x, worth, utility, p.row)
    p.rows[0] += 1
    return utility, best, ceiling


@compiled
def _assess(p: Play, market: MarketArrays, k: int, tolerance: float, only_if_less: bool) -> None:
    """Find all MUs' regrets and best rows at the rewards posted, and keep these if no others met have less regret.

    Regrets within the tolerance count as none; of several such places the one with the smallest bound is kept. With
    ``only_if_less``, the MU that regretted most so far comes first, and the first one that regrets more ends it.
    """
    offers = p.search.offers
    _settle(p, market, k)
    num_mus = len(p.utility)
    for m in range(num_mus):
        p.utility[m], _ = standing(market, k, offers.links, m, offers.rewards, p.x)
    mean = p.utility.mean()
    largest, bound, worst = tolerance, 0.0, 0
    for j in range(num_mus):
        m = (j + p.worst[0]) % num_mus
        utility, best, ceiling = _find_row(p, market, k, m)
        p.target[:, m] = p.row
        regret = (best - utility) / mean if mean > 0.0 else np.inf
        bound = max(bound, (ceiling - utility) / mean if mean > 0.0 else np.inf)
        if regret > largest:
            largest, worst = regret, m
        if only_if_less and largest > p.score[0]:
            return
    if largest < p.score[0] or (largest == p.score[0] and bound < p.score[1]):
        p.score[0], p.score[1], p.worst[0] = largest, bound, worst
        p.least[:], p.least_target[:] = offers.rewards, p.target


@compiled
def _ended(p: Play, tolerance: float) -> bool:
    """Whether an equilibrium has been found, or all the work been done that one market is worth."""
    return p.score[1] <= tolerance or p.rows[0] >= _MOST_ROWS


# Steps ---------------------------------------------------------------------------------------------------------------


@compiled
def _respond_in_order(p: Play, market: MarketArrays, k: int, tolerance: float) -> None:
    """MUs post their best rows, one after another, until nobody gains."""
    posted = p.search.offers.rewards
    for _ in range(_SWEEPS):
        gained = earned = 0.0
        for m in range(posted.shape[1]):
            _settle(p, market, k)
            utility, best, _ = _find_row(p, market, k, m)
            gained, earned = gained + best - utility, earned + best
            posted[:, m] = p.row
        if gained <= _STILL * earned:
            break
    _assess(p, market, k, tolerance, True)


@compiled
def _respond_damped(p: Play, market: MarketArrays, k: int, tolerance: float) -> None:
    """All MUs move towards their best rows at once, less and less of the way."""
    posted = p.search.offers.rewards
    for step in range(_DAMPED_ROUNDS):
        _assess(p, market, k, tolerance, False)
        if _ended(p, tolerance):
            return
        posted += (p.target - posted) / math.sqrt(step + 1.0)


@compiled
def _respond_in_turn(p: Play, market: MarketArrays, k: int, least_share: float, tolerance: float) -> None:
    """MUs move towards their best rows, one after another in random order, at least ``least_share`` of the way."""
    posted = p.search.offers.rewards
    for _ in range(_RANDOM_SWEEPS):
        if _ended(p, tolerance):
            return
        _shuffle(p)
        share = 1.0 - (1.0 - least_share) * next_uniform(p.stream, 0)
        gained = total = 0.0
        for m in p.order:
            _settle(p, market, k)
            utility, best, _ = _find_row(p, market, k, m)
            gained, total = max(gained, best - utility), total + utility
            posted[:, m] += share * (p.row - posted[:, m])
        mean = total / posted.shape[1]
        if gained <= _PROMISING * p.score[0] * mean:
            _assess(p, market, k, tolerance, True)
        if gained <= _STILL * mean:
            return


@compiled
def _shuffle(p: Play) -> None:
    """Put the MUs into random order."""
    for i in range(len(p.order) - 1, 0, -1):
        j = int(next_uniform(p.stream, 0) * (i + 1))
        p.order[i], p.order[j] = p.order[j], p.order[i]


@compiled
def _step_about(p: Play, market: MarketArrays, k: int, tolerance: float) -> None:
    """Some MUs at random move a little from the best place towards their best rows there, the worst one any part.

    Between two peaks of one MU there is often a place where it regrets little because the others give way.
    """
    if p.score[0] > _CLOSE * tolerance:
        return
    posted = p.search.offers.rewards
    for _ in range(_SMALL_STEPS):
        if _ended(p, tolerance):
            return
        posted[:] = p.least
        share, portion = next_uniform(p.stream, 0) ** 2, next_uniform(p.stream, 0)
        for m in range(posted.shape[1]):
            if m == p.worst[0]:
                posted[:, m] += next_uniform(p.stream, 0) * (p.least_target[:, m] - posted[:, m])
            elif next_uniform(p.stream, 0) < portion:
                posted[:, m] += share * (p.least_target[:, m] - posted[:, m])
        _assess(p, market, k, tolerance, True)
