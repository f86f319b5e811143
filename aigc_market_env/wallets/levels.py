"""Levels at which money lasts: the two-sided taut string of a wallet (docs/wallets.md#levels).

An MU that plays slot t at level s, as if its satisfaction were worth only the share s, spends about
``rate · (s - entry)`` credits there, and nothing at or below the entry level. Money then lasts, and none of it is
wasted without need, at the levels that solve the concave problem

    max Σ_t rate_t log(rate_t entry_t + p_t) - p_t,      0 <= p_t <= m_t,      m_(t+1) = min(cap, m_t - p_t + income),

with p_t the spending: at a price α_t of money, the marginal value of spending is 1/s_t = 1 + α_t. Levels are constant
but where money runs out, after which they may be higher, and where it comes up to the cap, after which they may be
lower. That is the shortest path between two walls, a *taut string*; in energy-harvesting links the same geometry is
called directional water-filling.

Source: Ozel, Tutuncuoglu, Yang, Ulukus, Yener (2011), IEEE JSAC 29(8), for entries of zero.
"""

import numpy as np

from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.model.parameters import FloatArray

#: A wallet is full at this share of its cap. Where nothing is spent for some slots and the wallet just gets full, the
#: levels before and after are then told apart, whichever way sums are rounded.
_FULL = 1.0 - 1e-12


def affordable_levels(
    rate: FloatArray, entry: FloatArray, money: FloatArray, income: FloatArray, cap: FloatArray
) -> FloatArray:
    """Levels in [0, 1] of every MU along its path.

    Args:
        rate: what a slot costs more per level above the entry, credits, >= 0. (B, T)
        entry: level at and below which nothing is spent, >= 0. (B, T)
        money: at the beginning, credits. (B,)
        income: after every slot, credits. (B,)
        cap: the most that the wallet holds, credits; may be infinite. (B,)

    Returns:
        The levels; 1 where money is no concern, and at most the least entry of the slots to come where there is none.
        (B, T)
    """
    levels = np.empty_like(rate)
    over_markets(_fill_levels, len(rate), rate, entry, money, income, _FULL * cap, levels)
    return levels


@compiled
def _fill_levels(
    start: int,
    stop: int,
    rate: FloatArray,
    entry: FloatArray,
    money: FloatArray,
    income: FloatArray,
    cap: FloatArray,
    levels: FloatArray,
) -> None:
    for i in range(start, stop):
        first, held = 0, min(money[i], cap[i])
        while first < rate.shape[1]:
            last, level, held = _piece(rate[i], entry[i], first, held, income[i], cap[i])
            levels[i, first : last + 1] = level
            first = last + 1


@compiled
def _piece(
    rate: FloatArray, entry: FloatArray, first: int, held: float, income: float, cap: float
) -> tuple[int, float, float]:
    """The longest run of slots at one level that begins with slot ``first`` and money ``held``.

    Walks on as long as one level spends no more than there is by any slot, ``high``, and enough to keep below the cap,
    ``low``; where the two cross, the run ends at the wall that was touched last.

    Returns:
        Its last slot, its level, and the money at the beginning of the slot after it.
    """
    low, high = 0.0, 1.0
    low_end = high_end = -1
    spent_low = spent_high = 0.0  # up to slot j, at either level
    for j in range(first, rate.shape[0]):
        spent_low += rate[j] * max(low - entry[j], 0.0)
        spent_high += rate[j] * max(high - entry[j], 0.0)
        available = held + income * (j - first)
        if spent_high > available:
            bound = _level_of(rate, entry, first, j, available)
            if bound < low:
                return low_end, low, cap
            high, high_end, spent_high = min(bound, high), j, available
        due = available + income - cap
        if j < rate.shape[0] - 1 and spent_low < due:
            bound = _level_of(rate, entry, first, j, due)
            if bound > high:
                return (j, high, cap) if high_end < 0 else (high_end, high, min(income, cap))
            low, low_end, spent_low = max(bound, low), j, due
    return (rate.shape[0] - 1, high, 0.0) if high_end < 0 else (high_end, high, min(income, cap))


@compiled
def _level_of(rate: FloatArray, entry: FloatArray, first: int, last: int, spending: float) -> float:
    """The level at which slots ``first`` to ``last`` cost ``spending`` together; inf where they cost nothing at any.

    The cost is convex in the level, so that Newton steps from above come down to it; each leaves entries behind.
    """
    level = np.inf
    while True:
        slope = offset = 0.0
        for t in range(first, last + 1):
            if entry[t] < level:
                slope += rate[t]
                offset += rate[t] * entry[t]
        if slope == 0.0:
            return level
        reached = (spending + offset) / slope
        if not reached < level:
            return level
        level = reached
