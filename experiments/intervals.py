"""Bootstrap confidence intervals: of means and reductions over markets, and of ratios over slots, or runs and slots.

Missing values are NaN. Regret is relative to a mean utility or profit over the same slots, so numerator and denominator
are resampled together. Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS
2021 (arXiv 2108.13264) say why a few runs want an interquartile mean and an interval that covers runs.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import DegenerateDataWarning, bootstrap

from aigc_market_env.equilibrium.certificate import share_of
from aigc_market_env.model.parameters import FloatArray

CONFIDENCE, RESAMPLES = 0.95, 2000
#: Resamples of runs and slots held in memory at once.
_AT_ONCE = 100

Interval = tuple[float, float]
#: From above and below (..., R, S) to a figure for each of the leading axes.
Statistic = Callable[[FloatArray, FloatArray], FloatArray]
_Method = Literal["BCa", "percentile"]


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


def ratio_interval(
    regret: FloatArray, scale: FloatArray, point: float, confidence: float = CONFIDENCE
) -> Interval | None:
    """Bootstrap interval (over slots) of mean regret over mean utility or profit; None for a single slot.

    Args:
        regret: mean regret in each slot. (S,)
        scale: mean utility or profit in each slot. (S,)
        point: the estimate, which the interval is made to contain.
        confidence: probability with which the interval is to contain the truth.
    """
    return _paired_interval(_ratio_of_means, (regret, scale), point, confidence) if len(regret) >= 2 else None


def crossed_interval(
    above: FloatArray, below: FloatArray, statistic: Statistic, confidence: float = CONFIDENCE
) -> Interval | None:
    """Bootstrap interval (percentile) of a figure of R runs on S common slots; None for one run or one slot.

    Runs are resampled, and slots, the latter the same for all runs: what holds of other seeds of the learner as well
    as of other slots. Of few runs, such an interval says little about seeds, and is rather too narrow.

    Args:
        above: regret, say, of each run in each slot. (R, S)
        below: what it is relative to. (R, S)
        statistic: :func:`ratio_of_means` or :func:`interquartile_ratio`.
        confidence: probability with which the interval is to contain the truth.
    """
    if min(above.shape) < 2:
        return None

    def resampled(runs: npt.NDArray[np.floating], slots: npt.NDArray[np.floating], axis: int) -> FloatArray:
        chosen = runs.astype(np.int64)[..., :, None], slots.astype(np.int64)[..., None, :]
        return statistic(above[chosen], below[chosen])

    indices = tuple(np.arange(length, dtype=np.float64) for length in above.shape)
    return _bootstrap(resampled, indices, confidence, "percentile", batch=_AT_ONCE)


def ratio_of_means(above: FloatArray, below: FloatArray) -> FloatArray:
    """Mean over runs and slots of one over that of the other, (..., R, S) to (...); 0 for 0 / 0."""
    return _ratio_of_means(above, below, axis=(-2, -1))


def interquartile_ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """The ratio of means over those of all runs' slots that are the middle half by their own ratio; 0 for 0 / 0.

    Args:
        above: of each run in each slot. (..., R, S)
        below: what it is relative to. (..., R, S)

    Returns:
        Shape (...).
    """
    above, below = (values.reshape(*values.shape[:-2], -1) for values in (above, below))
    order = np.argsort(share_of(above, below), axis=-1, kind="stable")
    cut = order.shape[-1] // 4
    middle = order[..., cut : order.shape[-1] - cut]
    return _ratio_of_means(np.take_along_axis(above, middle, -1), np.take_along_axis(below, middle, -1), axis=-1)


def _ratio_of_means(above: FloatArray, below: FloatArray, axis: int | tuple[int, int]) -> FloatArray:
    return share_of(above.mean(axis=axis), below.mean(axis=axis))


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
    ends = _paired_interval(statistic, data, value) if count >= 2 and np.isfinite(value) else None
    low, high = ends or (None, None)
    return Estimate(value, low, high, count)


def _paired_interval(
    statistic: Callable[..., FloatArray],
    samples: Sequence[FloatArray],
    point: float,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Bootstrap interval (BCa) of a statistic of paired samples; None where there is none, as of an undefined figure.

    Where BCa is not defined, as when all markets agree, it is the percentile interval.

    Args:
        statistic: of samples along an ``axis``.
        samples: at least two observations of each, in pairs. (S,) each
        point: the estimate, which the interval is made to contain.
        confidence: probability with which the interval is to contain the truth.
    """
    methods: tuple[_Method, ...] = ("BCa", "percentile")
    for method in methods:
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", DegenerateDataWarning)
            low, high = _bootstrap(statistic, samples, confidence, method, paired=True)
        if np.isfinite([low, high]).all():
            return min(low, point), max(high, point)
    return None


def _bootstrap(
    statistic: Callable[..., FloatArray],
    samples: Sequence[FloatArray],
    confidence: float,
    method: _Method,
    *,
    paired: bool = False,
    batch: int | None = None,
) -> Interval:
    """Ends of a bootstrap interval; resamples are the same in every call on as many observations: it is repeatable."""
    low, high = bootstrap(
        tuple(samples),
        statistic,
        paired=paired,
        vectorized=True,
        batch=batch,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method=method,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(low), float(high)
