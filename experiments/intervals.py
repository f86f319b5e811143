"""Bootstrap confidence intervals: of means and reductions over markets, and of ratios over runs and slots.

Missing values are NaN. Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS
2021 (arXiv 2108.13264) say why a few runs want an interquartile mean and an interval that covers runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env.evaluation.intervals import CONFIDENCE, Interval, bootstrap_ends, paired_interval
from aigc_market_env.model.parameters import FloatArray

#: Resamples of runs and slots held in memory at once.
_AT_ONCE = 100

#: From above and below (..., R, S) to a figure for each of the leading axes.
Statistic = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Estimate:
    """A figure over markets, its 95 % interval, and how many markets it is from.

    Attributes:
        value: the point estimate; NaN where it is not defined.
        low: lower end; None for a single market, or where there is no value.
        high: upper end, likewise.
        markets: those that count in it.
    """

    value: float
    low: float | None
    high: float | None
    markets: int

    def as_json(self) -> dict[str, Any]:
        """For a JSON document, which has no NaN."""
        value = self.value if np.isfinite(self.value) else None
        return {"value": value, "interval_95": None if self.low is None else [self.low, self.high]} | {
            "markets": self.markets
        }


def mean(values: FloatArray) -> Estimate:
    """The mean of values (S,) over markets."""
    return _estimate(lambda x, axis: x.mean(axis=axis), values)


def reduction(ours: FloatArray, theirs: FloatArray) -> Estimate:
    """How far our mean is below theirs, 1 - mean(ours)/mean(theirs), on the markets that both have; shapes (S,).

    Markets are resampled in pairs. It is negative where ours is above, and not defined where theirs is not positive.
    """
    return _estimate(_reduction, ours, theirs)


def difference(ours: FloatArray, theirs: FloatArray) -> Estimate:
    """Mean of ours minus theirs, on the markets that both have, resampled in pairs; shapes (S,)."""
    return mean(ours - theirs)


def crossed_interval(
    above: FloatArray, below: FloatArray, statistic: Statistic, confidence: float = CONFIDENCE
) -> Interval | None:
    """Bootstrap interval (percentile) of a figure of R runs on S common slots; None for one run or one slot.

    Runs are resampled, and slots, the latter the same for all runs: what holds of other seeds of the learner as well
    as of other slots. Of few runs, such an interval says little about seeds, and is rather too narrow.

    Args:
        above: regret, say, of each run in each slot. (R, S)
        below: what it is relative to. (R, S)
        statistic: :func:`~aigc_market_env.evaluation.intervals.ratio_of_means`, say.
        confidence: probability with which the interval is to contain the truth.
    """
    if min(above.shape) < 2:
        return None

    def resampled(runs: npt.NDArray[np.floating], slots: npt.NDArray[np.floating], axis: int) -> FloatArray:
        chosen = runs.astype(np.int64)[..., :, None], slots.astype(np.int64)[..., None, :]
        return statistic(above[chosen], below[chosen])

    indices = tuple(np.arange(length, dtype=np.float64) for length in above.shape)
    return bootstrap_ends(resampled, indices, confidence, "percentile", batch=_AT_ONCE)


def _reduction(ours: FloatArray, theirs: FloatArray, axis: int) -> FloatArray:
    above, below = ours.mean(axis=axis), theirs.mean(axis=axis)
    ratio = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0.0)
    reduced: FloatArray = 1.0 - ratio
    return reduced


def _estimate(statistic: Callable[..., FloatArray], *samples: FloatArray) -> Estimate:
    """The same number of markets is resampled in the same way for every figure."""
    known = np.isfinite(np.stack(samples)).all(axis=0)
    data = tuple(sample[known] for sample in samples)
    count = int(known.sum())
    value = float(statistic(*data, axis=-1)) if count else float("nan")
    ends = paired_interval(statistic, data, value) if count >= 2 and np.isfinite(value) else None
    low, high = ends or (None, None)
    return Estimate(value, low, high, count)
