"""Regimes: the intervals of load in which ours saves as much as the paper's abstract states."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from baselines.study.comparison import (
    CLAIMS,
    SAVINGS,
    Matched,
    at_equal_guarantee,
    at_equal_qoe,
    reductions,
    utility_gain,
)
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
#: A comparison of what is made alike counts for a regime where that is possible in this share of the markets or more.
MATCHED = 0.95

PAPER = {claim.metric: claim.paper for claim in CLAIMS}


@dataclass(frozen=True)
class Point:
    """Ours against one benchmark in one setting, such as a load.

    Attributes:
        setting: where.
        reductions: of ours, by metric.
        utility_gain: MU utility of ours minus that of the benchmark, credits per slot.
        matched: share of the markets in which the two could be made alike, if that was tried.
    """

    setting: Setting
    reductions: Mapping[str, Estimate]
    utility_gain: Estimate
    matched: float = 1.0

    @classmethod
    def as_played(cls, study: Study, setting: Setting, name: str) -> Self:
        """Both as they are."""
        saved = reductions(study, setting, name, metrics=SAVINGS)
        return cls(setting, saved, utility_gain(study, setting, name))

    @classmethod
    def at_equal_qoe(cls, study: Study, setting: Setting, name: str) -> Self:
        """Ours at the QoE of the benchmark."""
        return cls._of(setting, at_equal_qoe(study, setting, name))

    @classmethod
    def at_equal_guarantee(cls, study: Study, setting: Setting, name: str) -> Self:
        """The benchmark at the guarantee of ours."""
        return cls._of(setting, at_equal_guarantee(study, setting, name))

    @classmethod
    def _of(cls, setting: Setting, found: Matched) -> Self:
        return cls(setting, found.reductions, found.utility_gain, found.matched)

    @property
    def counts(self) -> bool:
        """Whether the two could be made alike in nearly all markets."""
        return self.matched >= MATCHED

    def meets(self, metrics: Sequence[str], surely: bool = False) -> bool:
        """Whether ours saves as much as the paper states in all of these metrics, at no lower MU utility.

        Args:
            metrics: what is to be saved.
            surely: the lower ends of all intervals of savings must reach the paper's figures, too.
        """
        saves = all(saving_reaches(self.reductions[metric], PAPER[metric], surely) for metric in metrics)
        return saves and self.utility_gain.value >= 0.0 and self.counts


def saving_reaches(saving: Estimate, figure: float, surely: bool) -> bool:
    """Whether a saving, or the lower end of its interval, is a figure or more."""
    least = saving.low if surely else saving.value
    return least is not None and least >= figure


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
    """The regimes of a study, by benchmark.

    Attributes:
        as_played: as the mechanisms are, their mean (``MEAN``) among them.
        at_equal_qoe: ours at the benchmark's QoE.
        at_equal_guarantee: benchmarks that have an intensity, at the guarantee of ours.
    """

    as_played: dict[str, Regime]
    at_equal_qoe: dict[str, Regime]
    at_equal_guarantee: dict[str, Regime]

    @classmethod
    def of(cls, study: Study) -> Self:
        """Compare at every load of the sweep."""
        study = study.swept
        names = [m.name for m in study.plan.benchmarks if m.name not in study.plan.at_most]
        with_intensity = [m.name for m in study.with_intensity() if m.name in names]
        return cls(
            _regimes(study, [*names, MEAN], Point.as_played),
            _regimes(study, names, Point.at_equal_qoe),
            _regimes(study, with_intensity, Point.at_equal_guarantee),
        )


def _regimes(study: Study, names: Sequence[str], compare: Callable[[Study, Setting, str], Point]) -> dict[str, Regime]:
    found = {}
    for name in names:
        points = tuple(compare(study, setting, name) for setting in study.plan.sweep)
        intervals = {
            condition: runs([(point.setting.load, point.meets(metrics)) for point in points])
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
    known = [(point.reductions[metric].value, point.setting.load) for point in points]
    return max((pair for pair in known if np.isfinite(pair[0])), default=None)
