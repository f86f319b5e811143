"""A proof that a market of two MUs has no equilibrium in pure strategies (docs/equilibrium.md#absence-with-a-proof).

Branch and bound over the rewards of both: a box of rewards in which one of them regrets every point is excluded, others
are cut in two, the one of the least regret first, until none is left.
"""

import heapq
import math
from dataclasses import dataclass

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.equilibrium.certificate import TOLERANCE, least_utility
from aigc_market_env.equilibrium.reward_boxes import MUS, new_box_bounds, regrets
from aigc_market_env.game.leaders import deviations
from aigc_market_env.market import Market
from aigc_market_env.model.options import positive_fraction, positive_integer, positive_number
from aigc_market_env.model.parameters import FloatArray, MarketArrays
from aigc_market_env.model.thresholds import entry_thresholds

#: A box is not cut further where its widest range of rewards is narrower than this, as a share.
_NARROWEST = 1e-8


@dataclass(frozen=True, eq=False)
class Absence:
    """How far a market is from having an equilibrium in pure strategies, from below and from above.

    The regret of a point is the largest of any MU, over the mean utility that the MUs have there: what ``tolerance`` is
    to :func:`~aigc_market_env.solve_equilibrium`.

    Attributes:
        epsilon: no point within the reward bounds has a smaller regret, so there is no pure ε-equilibrium for any
            smaller ε; 0 where nothing could be proven.
        least_regret: the smallest regret met, which no ``epsilon`` can exceed.
        rewards: where that was, credits per QoE. (2, N)
        boxes: how many boxes of rewards were bounded.
        left: those where an equilibrium could still be, as lowest and highest rewards; none where ``epsilon`` is
            positive. A reward below the entry threshold at the ASP's costs counts as that threshold: it serves nobody
            either. (K, 2, 2, N)
    """

    epsilon: float
    least_regret: float
    rewards: FloatArray
    boxes: int
    left: FloatArray

    @property
    def proven(self) -> bool:
        """Whether it is proven that there is no equilibrium in pure strategies."""
        return self.epsilon > 0.0


def no_pure_equilibrium(
    market: Market, *, accuracy: float = 0.1, tolerance: float = TOLERANCE, max_boxes: int = 1_000_000
) -> Absence:
    """Try to prove that a market of two MUs has no equilibrium in pure strategies.

    All rewards of both MUs are searched, from zero to the reward bounds, the ASPs responding exactly, until ``epsilon``
    is as near to ``least_regret`` as asked for, a point is an equilibrium to ``tolerance``, or boxes run out. With one
    ASP that takes seconds. Boxes have 2N dimensions: with two ASPs the proof takes up to minutes, and succeeds where
    regrets are of the order of a percent; with more, hardly ever.

    Args:
        market: one market of two MUs.
        accuracy: how much of ``least_regret`` may stay unproven.
        tolerance: regret that counts as none, relative to the mean utility of the MUs.
        max_boxes: how many boxes may be bounded.

    Returns:
        The :class:`Absence`. It is proven up to rounding and the followers' tolerance, which are allowed for by margins
        that are large beside them, not bounded.

    Raises:
        ValueError: ``market`` is a batch or has not two MUs, ``accuracy`` is not above 0 and at most 1, ``tolerance``
            is not a finite number > 0, or ``max_boxes`` is not an integer > 0.

    Source: docs/equilibrium.md#absence-with-a-proof.
    """
    accuracy, tolerance = positive_fraction("accuracy", accuracy), positive_number("tolerance", tolerance)
    max_boxes = positive_integer("max_boxes", max_boxes)
    if market.batch_shape:
        raise ValueError(f"market must be a single one, got a batch of shape {market.batch_shape}; index it first")
    if market.num_mus != MUS:
        raise ValueError(
            f"market must have {MUS} MUs, got {market.num_mus}: the best response of one alone is an equilibrium, and "
            "of three, one may be served more for another's higher reward, which the proof rules out"
        )
    low, high = _all_rewards(market)
    unit = float(least_utility(market))
    room = (max_boxes + 1) // 2  # a cut replaces one box by two
    boxes, bounds, best = np.empty((room, 2, market.num_asps, MUS)), np.empty(room), np.empty((market.num_asps, MUS))
    boxes[0] = low.T, high.T
    used = _exclude(market.flat, unit, accuracy, tolerance, boxes, bounds, best)
    point = deviations(market, best.T)
    left = boxes[:used][bounds[:used] <= 0.0].transpose(0, 1, 3, 2)
    return Absence(
        max(float(bounds[:used].min()), 0.0),
        float(point.regret_bound.max() / max(point.current.mean(), unit)),
        np.ascontiguousarray(best.T),
        2 * used - 1,
        np.ascontiguousarray(left),
    )


def _all_rewards(market: Market) -> tuple[FloatArray, FloatArray]:
    """The lowest and highest rewards that matter, (M, N): below the entry threshold at an ASP's costs all are alike."""
    high = np.broadcast_to(market.reward_bound[:, None], market.accuracy.shape)
    return np.minimum(entry_thresholds(market, market.compute_cost, market.bandwidth_cost), high), high


@compiled
def _exclude(
    market: MarketArrays,
    unit: float,
    accuracy: float,
    tolerance: float,
    boxes: FloatArray,
    bounds: FloatArray,
    best: FloatArray,
) -> int:
    """Cut ``boxes`` (B, 2, N, 2), of which the first is given, and fill ``bounds`` (B,): no point has less regret.

    ``best`` (N, 2) is filled with the rewards of the least regret met.

    Returns:
        How many boxes there are in the end.
    """
    s = new_box_bounds(market)
    bounds[0], least = regrets(s, market, boxes[0, 0], boxes[0, 1], unit)
    best[:] = boxes[0, 1]
    open_boxes = [(bounds[0], 0)]
    used = 1
    while used < bounds.shape[0] and least > tolerance:
        bound, i = open_boxes[0]
        if bound > (1.0 - accuracy) * least or not _halve(boxes[i], boxes[used]):
            break
        heapq.heappop(open_boxes)
        for j in (i, used):
            # What holds for a box holds for its halves.
            regret, at_corner = regrets(s, market, boxes[j, 0], boxes[j, 1], unit)
            bounds[j] = max(regret, bound)
            heapq.heappush(open_boxes, (bounds[j], j))
            if at_corner < least:
                least = at_corner
                best[:] = boxes[j, 1]
        used += 1
    return used


@compiled
def _halve(box: FloatArray, upper: FloatArray) -> bool:
    """Leave the lower half of a box (2, N, 2) in its place, put the other into ``upper``; False if it is too narrow.

    Cut is where the ratio of the highest to the lowest reward is largest, at the geometric mean.
    """
    asp = mu = 0
    widest = 1.0
    for n in range(box.shape[1]):
        for m in range(MUS):
            ratio = box[1, n, m] / box[0, n, m]
            if ratio > widest:
                asp, mu, widest = n, m, ratio
    if widest <= 1.0 + _NARROWEST:
        return False
    upper[:] = box
    upper[0, asp, mu] = box[1, asp, mu] = box[0, asp, mu] * math.sqrt(widest)
    return True
