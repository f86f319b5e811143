"""Which worlds are on the map, and how many markets of each: a study whose settings are the map's cells."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from baselines.mechanism import Mechanism
from baselines.study.jobs import Setting
from baselines.study.study import ORACLE, StudyPlan

#: How far apart requirements are: all alike, as drawn, and twice as far on a log scale.
SPREADS = (0.0, 1.0, 2.0)
#: Bayesian optimisation takes many seconds a market, and the oracle is no benchmark.
LEFT_OUT = ("bayesian_optimisation", ORACLE)


class Grid(NamedTuple):
    """The worlds of a map, at every spread.

    Attributes:
        markets: in every cell.
        loads: demand against capacity.
        satiations: k of all MUs.
    """

    markets: int
    loads: Sequence[float]
    satiations: Sequence[float]


#: Wants without end, and such that with QoE q an MU has a share 1 - 2^-k of all satisfaction: 75 %, 94 % and 99.6 %.
WHOLE = Grid(20, (0.03, 0.1, 0.3, 1.0, 3.0), (0.0, 2.0, 4.0, 8.0))
#: A part of it that takes minutes; the whole one goes on from its results.
QUICK = Grid(4, (0.03, 0.3, 1.0), (0.0, 2.0, 8.0))


def map_plan(world: Setting, seeds: Sequence[int], mechanisms: Sequence[Mechanism], grid: Grid) -> StudyPlan:
    """Every mechanism in the same markets of every cell, but for those left out.

    Args:
        world: the preset and its size.
        seeds: of the markets of every cell.
        mechanisms: who plays.
        grid: the cells.
    """
    cells = [
        Setting(world.scenario, world.num_mus, world.num_asps, load, satiation, spread)
        for spread, satiation, load in product(SPREADS, sorted(set(grid.satiations)), sorted(set(grid.loads)))
    ]
    playing = tuple(mechanism for mechanism in mechanisms if mechanism.name not in LEFT_OUT)
    return StudyPlan(cells[0], tuple(cells), (), tuple(seeds), len(seeds), playing, {})


def axes(plan: StudyPlan) -> tuple[list[float], list[float], list[float]]:
    """Loads, satiations and spreads of a map."""
    cells = plan.sweep
    satiations = sorted({cell.satiation for cell in cells if cell.satiation is not None})
    return sorted({cell.load for cell in cells}), satiations, sorted({cell.spread for cell in cells})
