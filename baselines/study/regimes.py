"""Regimes: the intervals of load in which ours saves as much as the paper's abstract states."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from baselines.study.comparison import CLAIMS, SAVINGS, at_equal_qoe, reductions, utility_gain
from baselines.study.jobs import Setting
from baselines.study.study import MEAN, Study
from experiments.intervals import Estimate

#: What is asked for, each at no lower mean MU utility. The last two ask for both of the paper's figures at once.
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "service cost": ("mu_service_cost",),
    "utilisation": ("utilisation",),
    "ASP cost": ("asp_cost",),
    "service cost and utilisation": ("mu_service_cost", "utilisation"),
    "service cost and ASP cost": ("mu_service_cost", "asp_cost"),
}
#: A comparison at equal QoE counts for a regime where ours can deliver that QoE in this share of the markets or more.
MATCHED = 0.95

_PAPER = {claim.metric: claim.paper for claim in CLAIMS}


@dataclass(frozen=True)
class Point:
    """Ours against one benchmark at one load."""

    load: float
    reductions: Mapping[str, Estimate]
    utility_gain: Estimate
    matched: float = 1.0

    def meets(self, metrics: Sequence[str]) -> bool:
        """Whether ours saves as much as the paper states in all of these metrics, at no lower MU utility."""
        saves = all(self.reductions[metric].value >= _PAPER[metric] for metric in metrics)
        return saves and self.utility_gain.value >= 0.0 and self.matched >= MATCHED


@dataclass(frozen=True)
class Regime:
    """Where ours saves as much as the paper states against one benchmark, and the most that it saves anywhere.

    Attributes:
        points: the comparison at every load of the sweep, in its order.
        intervals: for each of ``CONDITIONS``, first and last load of every run of loads that meet it.
        best: for each of ``SAVINGS``, the largest reduction and its load; None where it is nowhere defined.
    """

    points: tuple[Point, ...]
    intervals: Mapping[str, list[tuple[float, float]]]
    best: Mapping[str, tuple[float, float] | None]


class Findings(NamedTuple):
    """The regimes of a study, by benchmark: as the mechanisms are (``MEAN`` too), and ours at the benchmark's QoE."""

    as_played: dict[str, Regime]
    at_equal_qoe: dict[str, Regime]

    @classmethod
    def of(cls, study: Study) -> Self:
        """Compare at every load of the sweep."""
        names = [m.name for m in study.plan.benchmarks if m.name not in study.plan.at_most]

        def as_played(setting: Setting, name: str) -> Point:
            saved = reductions(study, setting, name, metrics=SAVINGS)
            return Point(setting.load, saved, utility_gain(study, setting, name))

        def matched(setting: Setting, name: str) -> Point:
            equal = at_equal_qoe(study, setting, name)
            return Point(setting.load, equal.reductions, equal.utility_gain, equal.matched)

        study = study.swept
        return cls(_regimes(study, [*names, MEAN], as_played), _regimes(study, names, matched))


def _regimes(study: Study, names: Sequence[str], compare: Callable[[Setting, str], Point]) -> dict[str, Regime]:
    found = {}
    for name in names:
        points = tuple(compare(setting, name) for setting in study.plan.sweep)
        intervals = {
            condition: runs([(point.load, point.meets(metrics)) for point in points])
            for condition, metrics in CONDITIONS.items()
        }
        found[name] = Regime(points, intervals, {metric: _best(points, metric) for metric in SAVINGS})
    return found


def runs(points: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """First and last load of every run of neighbouring loads that meet a condition."""
    found: list[tuple[float, float]] = []
    before = False
    for load, met in points:
        if met:
            found.append((found.pop()[0], load) if before else (load, load))
        before = met
    return found


def _best(points: Sequence[Point], metric: str) -> tuple[float, float] | None:
    known = [(point.reductions[metric].value, point.load) for point in points]
    return max((pair for pair in known if np.isfinite(pair[0])), default=None)
