"""Bootstrap confidence intervals of ratios over slots: of regrets relative to utilities or profits.

Regret is relative to a mean utility or profit over the same slots, so numerator and denominator are resampled together.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from aigc_market_env.equilibrium.certificate import share_of
from aigc_market_env.model.parameters import FloatArray

CONFIDENCE, RESAMPLES = 0.95, 2000

Interval = tuple[float, float]
Method = Literal["BCa", "percentile"]


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
    return paired_interval(_share_of_means, (regret, scale), point, confidence) if len(regret) >= 2 else None


def ratio_of_means(above: FloatArray, below: FloatArray) -> FloatArray:
    """Mean over runs and slots of one over that of the other, (..., R, S) to (...); 0 for 0 / 0."""
    return _share_of_means(above, below, axis=(-2, -1))


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
    return _share_of_means(np.take_along_axis(above, middle, -1), np.take_along_axis(below, middle, -1), axis=-1)


def _share_of_means(above: FloatArray, below: FloatArray, axis: int | tuple[int, int]) -> FloatArray:
    return share_of(above.mean(axis=axis), below.mean(axis=axis))


def paired_interval(
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
    return _interval(statistic, samples, point, confidence, paired=True)


def _interval(
    statistic: Callable[..., FloatArray],
    samples: Sequence[FloatArray],
    point: float,
    confidence: float,
    *,
    paired: bool,
) -> Interval | None:
    from scipy.stats import DegenerateDataWarning

    methods: tuple[Method, ...] = ("BCa", "percentile")
    for method in methods:
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", DegenerateDataWarning)
            low, high = bootstrap_ends(statistic, samples, confidence, method, paired=paired)
        if np.isfinite([low, high]).all():
            return min(low, point), max(high, point)
    return None


def bootstrap_ends(
    statistic: Callable[..., FloatArray],
    samples: Sequence[FloatArray],
    confidence: float,
    method: Method,
    *,
    paired: bool = False,
    batch: int | None = None,
) -> Interval:
    """Ends of a bootstrap interval; resamples are the same in every call on as many observations: it is repeatable."""
    from scipy.stats import bootstrap  # takes as long to import as everything else

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


def interval_of_strata(
    statistic: Callable[..., FloatArray],
    strata: Sequence[tuple[FloatArray, ...]],
    point: float,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Bootstrap interval (BCa, else percentile) of a statistic of several groups of markets, each resampled by itself.

    Args:
        statistic: of all arrays of all groups, in order, along the last axis.
        strata: arrays (S,) of each group, whose entries belong together.
        point: the estimate, which the interval is made to contain.
        confidence: probability with which the interval is to contain the truth.

    Returns:
        None where a group has a single market.
    """
    indices = [np.arange(len(stratum[0]), dtype=np.float64) for stratum in strata]
    if min(map(len, indices)) < 2:
        return None

    def resampled(*chosen: FloatArray, axis: int) -> FloatArray:
        rows = [index.astype(np.int64) for index in chosen]
        return statistic(*(array[index] for stratum, index in zip(strata, rows, strict=True) for array in stratum))

    return _interval(resampled, indices, point, confidence, paired=False)
