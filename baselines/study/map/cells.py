"""What ours saves against every benchmark in every cell of the map, and whether it is as much as the paper states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from baselines.study.comparison import reductions
from baselines.study.jobs import Setting
from baselines.study.regimes import PAPER, Point, saving_reaches
from baselines.study.study import OURS, Study, StudyPlan
from experiments.intervals import Estimate

#: How ours and a benchmark are made alike.
MATCHES: Mapping[str, Callable[[Study, Setting, str], Point]] = {
    "at equal guarantee": Point.at_equal_guarantee,
    "at equal QoE": Point.at_equal_qoe,
    "as played": Point.as_played,
}
#: Overhead until 1 % regret; as all of it is counted by whole-market slots, what is saved of any is saved of all.
OVERHEAD = "messages"
#: What is asked for, each at no lower mean MU utility. *At once* is all of the paper's figures, by one reading of
#: resource consumption or the other: of benchmarks that do not learn, all but overhead, which they have none of.
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "service cost": ("mu_service_cost",),
    "utilisation": ("utilisation",),
    "ASP cost": ("asp_cost",),
    "overhead": (OVERHEAD,),
    "at once, as utilisation": ("mu_service_cost", "utilisation", OVERHEAD),
    "at once, as ASP cost": ("mu_service_cost", "asp_cost", OVERHEAD),
}
AT_ONCE = tuple(CONDITIONS)[-2:]


@dataclass(frozen=True)
class Cell:
    """Ours against one benchmark in one world.

    Attributes:
        point: what is saved of costs and resources.
        overhead: what is saved of the overhead of learning; None against a benchmark that does not learn.
    """

    point: Point
    overhead: Estimate | None

    @property
    def setting(self) -> Setting:
        """The world."""
        return self.point.setting

    def meets(self, condition: str, surely: bool = False) -> bool:
        """Whether ours saves as much as the paper states, or so do the lower ends of all intervals."""
        metrics = [metric for metric in CONDITIONS[condition] if metric != OVERHEAD]
        learns_less = self.overhead is not None and saving_reaches(self.overhead, PAPER[OVERHEAD], surely)
        if not metrics:
            return learns_less
        needed = OVERHEAD in CONDITIONS[condition] and self.overhead is not None
        return self.point.meets(metrics, surely) and (learns_less or not needed)


@dataclass(frozen=True)
class Map:
    """All cells.

    Attributes:
        plan: what was played.
        cells: by match and benchmark, in the order of the plan's sweep. At equal guarantee there are those benchmarks
            that have an intensity.
        reached: share of markets in which ours ended at 1 % regret, in the cell where that is least; NaN where ours
            failed everywhere.
    """

    plan: StudyPlan
    cells: Mapping[str, Mapping[str, tuple[Cell, ...]]]
    reached: float

    @classmethod
    def of(cls, study: Study) -> Self:
        """Compare in every cell."""
        learners = {mechanism.name for mechanism in study.learners()}
        overheads = {m.name: _overheads(study, m.name, m.name in learners) for m in study.plan.benchmarks}
        found = {}
        for match, compare in MATCHES.items():
            playing = study.with_intensity() if match == "at equal guarantee" else study.plan.benchmarks
            found[match] = {
                m.name: tuple(
                    Cell(compare(study, setting, m.name), overhead)
                    for setting, overhead in zip(study.plan.sweep, overheads[m.name], strict=True)
                )
                for m in playing
            }
        reached = [study.played.values(setting, OURS, "reached") for setting in study.plan.sweep]
        shares = [float(values[np.isfinite(values)].mean()) for values in reached if np.isfinite(values).any()]
        return cls(study.plan, found, min(shares, default=float("nan")))

    def count(self, match: str, name: str, condition: str, surely: bool = False) -> int:
        """In how many cells a condition is met."""
        return sum(cell.meets(condition, surely) for cell in self.cells[match][name])

    def least_satiation(self, match: str, name: str, condition: str, load: float, spread: float) -> float | None:
        """The least satiation on the map from which on a condition is met; None where not even by the largest."""
        least = None
        column = [c for c in self.cells[match][name] if c.setting.load == load and c.setting.spread == spread]
        for cell in sorted(column, key=lambda cell: cell.setting.satiation or 0.0, reverse=True):
            if not cell.meets(condition):
                break
            least = cell.setting.satiation
        return least


def _overheads(study: Study, name: str, learns: bool) -> list[Estimate | None]:
    if not learns:
        return [None] * len(study.plan.sweep)
    return [reductions(study, setting, name, metrics=(OVERHEAD,))[OVERHEAD] for setting in study.plan.sweep]
