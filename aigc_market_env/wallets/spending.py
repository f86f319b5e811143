"""What an MU spends in a slot at a level: a straight line from its lowest entry (docs/wallets.md#levels)."""

import numpy as np

from aigc_market_env.equilibrium.certificate import least_utility
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.model.thresholds import entry_thresholds
from aigc_market_env.wallets.levels import affordable_levels
from aigc_market_env.wallets.paths import Purses

#: Levels do not fall below this, so that no price of money is infinite.
LEAST_LEVEL = 1e-12
#: A slot in which something is spent has its entry below its level, by this share at least.
_BELOW = 1e-9
#: Who has less than this share of the mean utility is measured against this share of the mean.
_LEAST_SHARE = 1e-3


def entry_levels(market: Market, compute_price: FloatArray, bandwidth_price: FloatArray) -> FloatArray:
    """The level at and below which no ASP serves an MU at given shadow prices.

    Args:
        market: one market or a batch.
        compute_price: λ, credits per slot per TFLOP/s, that broadcasts against (..., M, N).
        bandwidth_price: μ, credits per slot per MHz, likewise.

    Returns:
        The lowest entry threshold r̲ over the reward bound ω/q; 1 is the level of a slot in which money is no concern.
        (..., M)
    """
    u, w = market.compute_cost[..., None, :] + compute_price, market.bandwidth_cost[..., None, :] + bandwidth_price
    lowest: FloatArray = entry_thresholds(market, u, w).min(axis=-1) / market.reward_bound
    return lowest


def first_levels(purses: Purses) -> FloatArray:
    """The highest levels (M,) that can be: 1, but next to nothing for MUs that never have any money."""
    most = np.maximum(purses.money, np.minimum(purses.income, purses.cap))
    highest: FloatArray = np.where(most > 0.0, 1.0, LEAST_LEVEL)
    return highest


class SpendingLines:
    """A line rate·(level - entry) for every slot and MU (T, M), through what was spent last.

    The entry is the level at which the MU would be priced out at the shadow prices met, so that lines are the steeper
    the nearer a level is to it. Where prices follow the level, as at an ASP's door, that is too steep, and levels would
    creep: lines become flatter, by a factor of two a round, as long as what was spent in the last two rounds says so.
    Where nothing was spent, the entry is above the level, and the rate is what it was when something was, at first ω.
    """

    def __init__(self, path: Market) -> None:
        self.rate = path.satisfaction_scale.copy()
        self.entry, self._last_levels, self._last_spent = np.zeros((3, *self.rate.shape))
        self._flatness = np.ones_like(self.rate)
        self._least = float(least_utility(path).mean())

    def pass_through(self, levels: FloatArray, spent: FloatArray, entry: FloatArray) -> None:
        """Lay lines through what was spent at levels, with entries at shadow prices, all (T, M)."""
        served = spent > 0.0
        above = np.maximum(levels - entry, _BELOW * levels)
        moved, more = levels - self._last_levels, spent - self._last_spent
        known = served & (self._last_spent > 0.0) & (moved * more > 0.0)
        steeper = np.divide(spent * moved, above * more, out=np.ones_like(spent), where=known)  # than it turned out
        self._flatness = np.where(
            steeper > 2.0 * self._flatness, 2.0 * self._flatness, np.maximum(0.5 * self._flatness, 1.0)
        )
        above = np.minimum(self._flatness * above, levels)
        self.entry = np.where(served, levels - above, np.maximum(entry, levels))
        self.rate = np.where(served, spent / above, self.rate)
        self._last_levels, self._last_spent = levels, spent

    def levels(self, purses: Purses) -> FloatArray:
        """Levels (T, M) at which the money lasts and none is wasted, were these lines right."""
        rate, entry = np.ascontiguousarray(self.rate.T), np.ascontiguousarray(self.entry.T)
        return np.minimum(np.maximum(affordable_levels(rate, entry, *purses).T, LEAST_LEVEL), first_levels(purses))

    def error_of(self, target: FloatArray, utility: FloatArray) -> float:
        """What it is worth to the MUs, at most, that they do not spend what they would at other levels (T, M).

        That is the price of money times what they would spend more or less, over the mean of the MU's utility (T, M);
        of who has less than a thousandth of the mean, over that thousandth; where nobody has any, as in certificates.
        """
        mean = np.maximum(utility.mean(axis=0), 0.0)
        scale = np.maximum(mean, max(_LEAST_SHARE * float(mean.mean()), self._least))
        spent, level = self._last_spent, self._last_levels
        misspent = np.where((spent > 0.0) | (target > self.entry), np.abs(self.rate * (target - level)) / level, 0.0)
        return float((misspent / scale).max())
