"""How sure a mean is: interquartile means, and bootstrap intervals over slots, or over runs and slots.

Regret is relative to a mean utility or profit over the same slots, so numerator and denominator are resampled together.
Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021 (arXiv 2108.13264)
say why a few runs want an interquartile mean and an interval that covers runs.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

from aigc_market_env.model.parameters import FloatArray
from experiments.intervals import CONFIDENCE, RESAMPLES, interval

#: Resamples of runs and slots held in memory at once.
_AT_ONCE = 100

Interval = tuple[float, float]
#: From above and below (..., R, S) to a figure for each of the leading axes.
Statistic = Callable[[FloatArray, FloatArray], FloatArray]


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
    return interval(_ratio_of_means, (regret, scale), point, confidence) if len(regret) >= 2 else None


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

    low, high = bootstrap(
        tuple(np.arange(length, dtype=np.float64) for length in above.shape),
        resampled,
        vectorized=True,
        batch=_AT_ONCE,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(low), float(high)


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
    order = np.argsort(_quotient(above, below), axis=-1, kind="stable")
    cut = order.shape[-1] // 4
    middle = order[..., cut : order.shape[-1] - cut]
    return _ratio_of_means(np.take_along_axis(above, middle, -1), np.take_along_axis(below, middle, -1), axis=-1)


def _ratio_of_means(above: FloatArray, below: FloatArray, axis: int | tuple[int, int]) -> FloatArray:
    return _quotient(above.mean(axis=axis), below.mean(axis=axis))


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    endless = np.where(above > 0.0, np.inf, 0.0)  # something is missed where there is nothing
    ratio: FloatArray = np.divide(above, below, out=endless, where=below > 0.0)
    return ratio
