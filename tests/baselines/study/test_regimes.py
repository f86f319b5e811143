import pytest

from baselines.study.comparison import SAVINGS
from baselines.study.jobs import Setting
from baselines.study.regimes import CONDITIONS, Point, runs
from baselines.study.styles import spread_out
from experiments.intervals import Estimate


def estimate(value):
    return Estimate(value, None, None, 1)


def point(cost, utilisation, asp_cost, gain=0.0, matched=1.0):
    savings = dict(zip(SAVINGS, map(estimate, (cost, utilisation, asp_cost)), strict=True))
    return Point(Setting("campus", 8, 4, 1.0), savings, estimate(gain), matched)


@pytest.mark.parametrize(
    ("found", "met"),
    [
        (point(0.665, 0.768, 0.768), list(CONDITIONS)),
        (point(0.664, 0.768, 0.768), ["utilisation", "ASP cost"]),
        (point(0.9, 0.767, 0.9), ["service cost", "ASP cost", "service cost and ASP cost"]),
        (point(0.9, 0.9, 0.767), ["service cost", "utilisation", "service cost and utilisation"]),
        (point(0.9, 0.9, 0.9, gain=-1e-9), []),
        (point(0.9, 0.9, 0.9, gain=float("nan")), []),
        (point(float("nan"), 0.9, 0.1), ["utilisation"]),
        (point(0.9, 0.9, 0.9, matched=0.94), []),
        (point(0.9, 0.9, 0.9, matched=float("nan")), []),
    ],
)
def test_what_a_regime_asks_for(found, met):
    assert [name for name, metrics in CONDITIONS.items() if found.meets(metrics)] == met


@pytest.mark.parametrize(
    ("met", "intervals"),
    [
        ([], []),
        ([False, False], []),
        ([True, True, True], [(1.0, 3.0)]),
        ([True, False, True], [(1.0, 1.0), (3.0, 3.0)]),
        ([False, True, True, False], [(2.0, 3.0)]),
        ([False, False, False, True], [(4.0, 4.0)]),
    ],
)
def test_intervals_are_runs_of_loads(met, intervals):
    assert runs([(float(i + 1), value) for i, value in enumerate(met)]) == intervals


@pytest.mark.parametrize(
    ("heights", "spread"),
    [
        ([0.0, 1.0], [0.0, 1.0]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.0, 0.05, 1.0], [-0.025, 0.075, 1.0]),
        ([0.5, 0.5, 0.56], [0.42, 0.52, 0.62]),
    ],
)
def test_names_of_lines_make_room_for_one_another(heights, spread):
    assert spread_out(heights, 0.1) == pytest.approx(spread)
