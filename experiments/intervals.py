"""Means and reductions over markets, with bootstrap intervals. Missing values are NaN."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap

from aigc_market_env.model.parameters import FloatArray

CONFIDENCE, RESAMPLES = 0.95, 2000


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
    ends = interval(statistic, data, value) if count >= 2 and np.isfinite(value) else None
    low, high = ends or (None, None)
    return Estimate(value, low, high, count)


def interval(
    statistic: Callable[..., FloatArray],
    samples: Sequence[FloatArray],
    point: float,
    confidence: float = CONFIDENCE,
) -> tuple[float, float] | None:
    """Bootstrap interval (BCa) of a statistic of paired samples; None where there is none, as of an undefined figure.

    Where BCa is not defined, as when all markets agree, it is the percentile interval.

    Args:
        statistic: of samples along an ``axis``.
        samples: at least two observations of each, in pairs. (S,) each
        point: the estimate, which the interval is made to contain.
        confidence: probability with which the interval is to contain the truth.
    """
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", DegenerateDataWarning)
            low, high = bootstrap(
                tuple(samples),
                statistic,
                paired=True,
                vectorized=True,
                confidence_level=confidence,
                n_resamples=RESAMPLES,
                method=method,
                rng=np.random.default_rng(0),
            ).confidence_interval
        if np.isfinite([low, high]).all():
            return min(float(low), point), max(float(high), point)
    return None
