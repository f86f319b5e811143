"""The map: its cells, what is met in them, interruption, files and pictures."""

import csv
import io
import json

import numpy as np
import pytest
from fakes import FAKES
from matplotlib.image import imread
from rich.console import Console

from aigc_market_env.evaluation import intervals as statistics
from baselines.study import command
from baselines.study.cache import CACHE_FILE
from baselines.study.command import Arguments, main, plan_of
from baselines.study.comparison import SAVINGS
from baselines.study.jobs import Setting, Trial
from baselines.study.map import plan as module
from baselines.study.map.cells import CONDITIONS, Cell, Map
from baselines.study.map.export import CELLS_FILE, DOCUMENT_FILE
from baselines.study.map.plan import Grid, axes
from baselines.study.regimes import Point
from experiments.intervals import Estimate

SPREADS, GRID = (0.0, 2.0), Grid(3, (0.05,), (0.0, 4.0))
CELLS = 4


@pytest.fixture(autouse=True, scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "MECHANISMS", FAKES)
        patch.setattr(command, "WHOLE", GRID)
        patch.setattr(module, "SPREADS", SPREADS)
        patch.setattr(statistics, "RESAMPLES", 60)
        yield


def asked(out, **changes):
    return Arguments(**({"map": True, "seed": 5, "size": (3, 2), "workers": 1, "out": out} | changes))


def said(arguments):
    text = io.StringIO()
    return main(arguments, Console(file=text, width=80)), text.getvalue()


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("map")
    return out, *said(asked(out))


def rows_of(out):
    with (out / CELLS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def written(out):
    return [(out / name).read_bytes() for name in (CELLS_FILE, DOCUMENT_FILE)]


def test_every_cell_is_shown_for_every_benchmark_and_match(ran):
    rows = rows_of(ran[0])
    places = [tuple(row[name] for name in ("load", "satiation", "spread", "match", "benchmark")) for row in rows]
    benchmarks = {"slow_learner", "generous", "priced_out", "broken"}
    assert len(set(places)) == len(places) == CELLS * 3 * len(benchmarks)
    assert {row["benchmark"] for row in rows} == benchmarks
    document = json.loads((ran[0] / DOCUMENT_FILE).read_text())
    assert len(document["cells"]) == len(rows)
    assert document["settings"]["satiations"] == [0.0, 4.0]
    assert document["paper"]["mu_service_cost"] == 0.665


def test_a_cell_at_equal_guarantee_by_hand(ran):
    setting = Setting("campus", 3, 2, 0.05, 4.0, 2.0)
    ours = [Trial(setting, seed, FAKES["dual_perturbation"]).run() for seed in (5, 6, 7)]
    theirs = [
        Trial(setting, seed, FAKES["generous"], own["guarantee"]).run()
        for seed, own in zip((5, 6, 7), ours, strict=True)
    ]
    (row,) = (
        row
        for row in rows_of(ran[0])
        if (row["load"], row["satiation"], row["spread"]) == ("0.05", "4.0", "2.0")
        and (row["match"], row["benchmark"]) == ("at equal guarantee", "generous")
    )
    cost = sum(one["mu_service_cost"] for one in ours) / sum(one["at_guarantee_mu_service_cost"] for one in theirs)
    assert float(row["mu_service_cost_saved"]) == pytest.approx(1.0 - cost)
    assert float(row["matched"]) == 1.0
    # A fake's rewards are a share of the bound, so that at the guarantee of ours it is ours.
    assert float(row["utilisation_saved"]) == pytest.approx(0.0, abs=1e-6)
    assert row["messages_saved"] == ""


def test_what_no_intensity_reaches_is_told(ran):
    rows = [row for row in rows_of(ran[0]) if (row["match"], row["benchmark"]) == ("at equal guarantee", "priced_out")]
    assert {float(row["matched"]) for row in rows} == {0.0}
    assert {row["mu_service_cost_saved"] for row in rows} == {""}
    assert not any(int(row[condition]) for row in rows for condition in CONDITIONS)


def test_a_failure_is_told_and_the_status(ran):
    assert ran[1] == 1
    assert "ArithmeticError: too much to want" in ran[2]


def test_the_tables_fit_80_columns_and_name_every_benchmark(ran):
    assert max(map(len, ran[2].partition("failures")[0].splitlines())) <= 80
    for words in ("at equal guarantee", "at equal QoE", "as played", "66.5 %", "76.8 %", "64.9 %", "generous"):
        assert words in " ".join(ran[2].split()), words


def test_pictures(ran):
    for name in ("map", "map_generous", "map_slow_learner"):
        assert imread(ran[0] / f"{name}.png")[..., :3].std() > 0.01, name


def test_interrupted_and_with_other_workers_it_ends_with_the_same_bytes(ran, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "save_map_figures", lambda found, pictures: [])
    lines = (ran[0] / CACHE_FILE).read_text().splitlines(keepends=True)
    for i, share in enumerate((0.2, 0.7)):
        out = tmp_path / str(i)
        out.mkdir()
        kept = lines[: int(share * len(lines))]
        (out / CACHE_FILE).write_text("".join(kept) + lines[len(kept)][:40])  # killed as it wrote a line
        said(asked(out, workers=1 + i))
        assert written(out) == written(ran[0])
        assert len((out / CACHE_FILE).read_text().splitlines()) == len(lines) + 1


def estimate(value, low=None):
    return Estimate(value, low, None if low is None else 1.0, 4)


def cell(cost, utilisation, asp_cost, overhead=None, setting=None, **point):
    setting = setting or Setting("campus", 3, 2, 1.0, 0.0)
    savings = dict(zip(SAVINGS, (estimate(*pair) for pair in (cost, utilisation, asp_cost)), strict=True))
    gain = estimate(point.pop("gain", 0.0))
    return Cell(Point(setting, savings, gain, **point), overhead and estimate(*overhead))


MUCH, SOME, LITTLE = (0.9, 0.8), (0.8, 0.6), (0.1, 0.0)


@pytest.mark.parametrize(
    ("found", "met", "surely"),
    [
        (cell(MUCH, MUCH, MUCH), ["service cost", "utilisation", "ASP cost", *list(CONDITIONS)[-2:]], "all"),
        (cell(MUCH, LITTLE, SOME), ["service cost", "ASP cost", "at once, as ASP cost"], ["service cost"]),
        (cell(MUCH, MUCH, MUCH, SOME), list(CONDITIONS), ["service cost", "utilisation", "ASP cost"]),
        (cell(MUCH, MUCH, MUCH, LITTLE), ["service cost", "utilisation", "ASP cost"], "all"),
        (cell(LITTLE, LITTLE, LITTLE, MUCH), ["overhead"], "all"),
        (cell(MUCH, MUCH, MUCH, MUCH, gain=-0.1), ["overhead"], "all"),
        (cell(MUCH, MUCH, MUCH, matched=0.94), [], "all"),
    ],
)
def test_what_a_cell_meets(found, met, surely):
    assert [condition for condition in CONDITIONS if found.meets(condition)] == met
    assert [c for c in CONDITIONS if found.meets(c, surely=True)] == (met if surely == "all" else surely)


def test_the_least_satiation_is_the_end_of_what_reaches_to_the_top():
    def column(*met):
        settings = [Setting("campus", 3, 2, 1.0, k, 0.0) for k in (0.0, 2.0, 4.0)]
        return tuple(cell(*[MUCH if m else LITTLE] * 3, setting=s) for m, s in zip(met, settings, strict=True))

    names = {"a": (0, 1, 1), "b": (1, 0, 1), "c": (1, 1, 0), "d": (1, 1, 1)}
    found = Map(None, {"as played": {name: column(*met) for name, met in names.items()}}, 1.0)
    least = [found.least_satiation("as played", name, "service cost", 1.0, 0.0) for name in names]
    assert least == [2.0, 4.0, None, 0.0]


def test_all_mechanisms_play_in_all_cells_but_the_oracle_and_those_that_take_long():
    plan = plan_of(asked("out"))
    assert axes(plan) == ([0.05], [0.0, 4.0], [0.0, 2.0])
    assert [m.name for m in plan.mechanisms] == [name for name in FAKES if name != "oracle"]
    assert len(plan.seeds) == plan.sweep_markets == 3
    assert plan_of(asked("out", quick=True, markets=2)).seeds == (5, 6)


def test_markets_are_the_same_in_every_cell():
    settings = plan_of(asked("out", loads=(0.05, 1.0))).sweep
    assert len(settings) == 8
    markets = [setting.market(5) for setting in settings]
    for market in markets:
        np.testing.assert_array_equal(market.accuracy, markets[0].accuracy)
        np.testing.assert_array_equal(market.satisfaction_scale, markets[0].satisfaction_scale)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"map": False, "quick": True}, "--quick is of --map"),
        ({"load": 2.0}, "--load has no meaning with --map"),
        ({"sweep_markets": 2}, "--sweep-markets has no meaning with --map"),
        ({"loads": ()}, "--loads names no load"),
        ({"loads": (-1.0,)}, "load"),
        ({"markets": 0}, "--markets 0 must be at least 1"),
        ({"only": ("generous", "oracle")}, "--only must name dual_perturbation"),
        ({"only": ("dual_perturbation", "oracle")}, "--only must name dual_perturbation, .* and another"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path, changes, problem):
    with pytest.raises(ValueError, match=problem):
        main(asked(tmp_path / "out", **changes), Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()
