"""A mechanism at the QoE guarantee of another: what it costs to serve every MU as well, relative to what it requires.

The *guarantee* of an allocation is the worst-served MU's QoE relative to its requirement,

    g = min over m of Q_m/q_m

A mechanism that has an intensity (:class:`~baselines.mechanism.MechanismResult`) is made as intense as it takes to
guarantee as much as ours does, and no more. The guarantee need not grow with the intensity: where everybody pays more,
those who are hard to serve may get less. So a grid of intensities is scanned from below. Between the first that is
enough and the one before, the least is bisected; where none is enough, the neighbourhood of the best is searched for a
higher peak. This is a search and no proof: a peak narrower than a cell of the grid may be missed.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar

from aigc_market_env import Market, Outcome
from aigc_market_env.model import satisfaction
from baselines.mechanism import AtIntensity
from baselines.study.metrics import Figures, outcome_figures

#: Log intensities that are scanned: from a ten-thousandth of what is played to ten thousand times, eight a decade.
_GRID = np.linspace(-4.0, 4.0, 65) * math.log(10.0)
#: Accuracy of log intensity.
_ACCURACY = 1e-9


def guarantee(market: Market, outcome: Outcome) -> float:
    """QoE over requirement of the MU for which that is least, in a slot of a single market."""
    return float(satisfaction.relative(outcome.qoe.sum(axis=-1), market.qoe_requirement).min())


def match_guarantee(market: Market, at_intensity: AtIntensity | None, wanted: float) -> Figures:
    """A mechanism at the least intensity found that guarantees as much as is wanted.

    Args:
        market: a single market.
        at_intensity: what it produces; None if it has no intensity.
        wanted: the guarantee, Q/q.

    Returns:
        The figures of :func:`outcome_figures` there, ``intensity``, and ``matched``: 1, or 0 where no intensity
        guarantees as much, or no guarantee is wanted, for then anything would do, and there are no figures; None where
        the mechanism has no intensity.
    """
    if at_intensity is None:
        return {"matched": None}
    if not wanted > 0.0:
        return {"matched": 0.0}

    def log_excess(log_intensity: float) -> float:
        """How much more is guaranteed than wanted, on a scale on which all intensities count alike."""
        found = guarantee(market, at_intensity(math.exp(log_intensity)))
        return math.log(found / wanted) if found > 0.0 else -math.inf

    least = least_enough(log_excess)
    if least is None:
        return {"matched": 0.0}
    intensity = math.exp(least)
    return outcome_figures(at_intensity(intensity)) | {"intensity": intensity, "matched": 1.0}


def least_enough(excess: Callable[[float], float]) -> float | None:
    """The least log intensity with an excess of at least 0 that the search finds; None if it finds none."""
    values: list[float] = []
    for log_intensity in _GRID:
        values.append(excess(log_intensity))
        if values[-1] >= 0.0:
            break
    else:
        return _around_the_best(excess, np.array(values))
    last = len(values) - 1
    return float(_GRID[0]) if last == 0 else _bisected(excess, _GRID[last - 1], _GRID[last])


def _around_the_best(excess: Callable[[float], float], values: np.ndarray) -> float | None:
    """The same where no point of the grid is enough: a peak between the neighbours of the highest may be."""
    best = int(values.argmax())
    if not math.isfinite(values[best]):
        return None
    low, high = _GRID[max(best - 1, 0)], _GRID[min(best + 1, len(_GRID) - 1)]
    peak = float(minimize_scalar(lambda x: -excess(x), bounds=(low, high), method="bounded").x)
    return _bisected(excess, low, peak) if excess(peak) >= 0.0 else None


def _bisected(excess: Callable[[float], float], short: float, enough: float) -> float:
    """Where what is short at one log intensity becomes enough, as it is at the other and at the end returned."""
    while enough - short > _ACCURACY:
        middle = 0.5 * (short + enough)
        if excess(middle) >= 0.0:
            enough = middle
        else:
            short = middle
    return float(enough)
