"""The command line, the report, and the files."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import FAKES
from matplotlib.image import imread
from rich.console import Console

from aigc_market_env.evaluation import intervals as statistics
from baselines.study import command
from baselines.study.command import Arguments, main, plan_of
from baselines.study.export import GUARANTEED_FILE, MATCHED_FILE, PLAYED_FILE, SUMMARY_FILE
from experiments.intervals import mean

ROOT = Path(__file__).parents[3]
SWEPT = ["service_cost", "consumption", "overhead", "mu_utility", "qoe"]
FIGURES = ["table", *SWEPT, "savings", "savings_at_equal_qoe", "savings_at_equal_guarantee"]


@pytest.fixture(autouse=True, scope="module")
def fakes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "MECHANISMS", FAKES)
        patch.setattr(command, "SIZES", ((2, 2),))
        patch.setattr(statistics, "RESAMPLES", 60)
        yield


def small(out, **changes):
    arguments = {
        "markets": 4,
        "seed": 5,
        "size": (3, 2),
        "loads": (0.05, 0.4, 1.0),
        "workers": 1,
        "sweep_markets": 4,
    } | changes
    return Arguments(out=out, **arguments)


def said(arguments):
    text = io.StringIO()
    status = main(arguments, Console(file=text))
    return status, text.getvalue()


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("mechanisms") / "deep" / "folder"
    return out, *said(small(out))


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_failure_is_told_with_the_seed_and_the_status(ran):
    out, status, text = ran
    assert status == 1
    failed = [row for row in rows_of(out / PLAYED_FILE) if row["error"]]
    assert failed
    assert {row["mechanism"] for row in failed} == {"broken"}
    assert all(row["mu_qoe"] == "" for row in failed)
    assert f"{len(failed)} failures" in text
    assert f"market seed {failed[0]['market_seed']}: ArithmeticError: too much to want" in text
    summary = json.loads((out / SUMMARY_FILE).read_text())
    assert [failure["error"] for failure in summary["failures"]] == ["ArithmeticError: too much to want"] * len(failed)


def test_the_csv_is_tidy(ran):
    rows = rows_of(ran[0] / PLAYED_FILE)
    places = [(row["num_mus"], row["num_asps"], row["load"], row["market_seed"], row["mechanism"]) for row in rows]
    assert len(set(places)) == len(places) == 3 * 4 * len(FAKES) + 4 * 2
    one = next(row for row in rows if row["mechanism"] == "priced_out")
    assert (float(one["mu_service_cost"]), one["probes"], float(one["reached"])) == (0.0, "", 1.0)
    matched = rows_of(ran[0] / MATCHED_FILE)
    assert {row["mechanism"] for row in matched} == {"slow_learner", "generous", "priced_out", "broken"}
    assert set(matched[0]) >= {"matched", "scale", "mu_service_cost", "utilisation", "asp_cost", "mu_qoe"}
    guaranteed = rows_of(ran[0] / GUARANTEED_FILE)
    assert {row["mechanism"] for row in guaranteed} == {"slow_learner", "generous", "priced_out", "broken"}
    never = next(row for row in guaranteed if row["mechanism"] == "priced_out")
    assert (float(never["matched"]), never["intensity"], never["mu_service_cost"]) == (0.0, "", "")


def test_the_summary_is_what_the_csv_comes_to(ran):
    summary = json.loads((ran[0] / SUMMARY_FILE).read_text())
    costs = {
        name: [
            float(row["mu_service_cost"])
            for row in rows_of(ran[0] / PLAYED_FILE)
            if (row["mechanism"], row["load"], row["num_mus"]) == (name, "1.0", "3")
        ]
        for name in ("dual_perturbation", "generous")
    }
    assert summary["table"]["generous"]["mu_service_cost"] == mean(np.array(costs["generous"])).as_json()
    found = summary["reductions"]["dual_perturbation"]["generous"]["mu_service_cost"]
    assert found["value"] == pytest.approx(1.0 - sum(costs["dual_perturbation"]) / sum(costs["generous"]))
    assert summary["paper"]["mu_service_cost"] == 0.665
    assert [point["load"] for point in summary["sweep"]] == [0.05, 0.4, 1.0]
    points = summary["regimes"]["generous"]["points"]
    met = [
        point["load"]
        for point in points
        if point["reductions"]["mu_service_cost"]["value"] >= 0.665 and point["mu_utility_gain"]["value"] >= 0
    ]
    intervals = summary["regimes"]["generous"]["intervals"]["service cost"]
    assert met
    assert [load for load in (0.05, 0.4, 1.0) if any(low <= load <= high for low, high in intervals)] == met


def test_the_report_has_every_mechanism_and_the_papers_figures(ran):
    text = ran[2]
    for mechanism in FAKES.values():
        assert mechanism.label in text
    for figure in ("64.9%", "66.5%", "76.8%"):
        assert figure in text
    assert "2 MUs and 2 ASPs" in text
    assert "Loads at which ours saves" in text


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_terminal_is_too_narrow_for_the_numbers(ran, width):
    """Headers and numbers of all tables are whole, whatever is below one another."""

    def words(columns):
        text = io.StringIO()
        main(small(ran[0]), Console(file=text, width=columns))
        lines = text.getvalue().partition("resources")[2].partition("failures")[0].splitlines()
        return {word for line in lines for word in re.split(r"[\s│┃]+", line) if re.search(r"\w", word)}

    assert words(400) <= words(width)


def test_figures_are_pictures(ran):
    for name in FIGURES:
        picture = imread(ran[0] / f"{name}.png")
        assert picture[..., :3].std() > 0.01, name


def test_again_gives_the_same_bytes_and_so_do_other_workers(ran, tmp_path):
    names = [PLAYED_FILE, MATCHED_FILE, GUARANTEED_FILE, SUMMARY_FILE]
    before = [(ran[0] / name).read_bytes() for name in names]
    said(small(ran[0]))
    assert [(ran[0] / name).read_bytes() for name in names] == before
    said(small(tmp_path, workers=2))
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_without_a_sweep(tmp_path):
    status, text = said(small(tmp_path, loads=(), only=("dual_perturbation", "generous")))
    assert status == 0
    assert [path.name for path in tmp_path.glob("*.png")] == ["table.png"]
    assert "Loads at which" not in text


def test_without_ours_there_is_nothing_to_compare_but_a_table(tmp_path):
    status, text = said(small(tmp_path, loads=(0.1, 1.0), only=("generous", "priced_out"), markets=1))
    assert status == 0
    assert "generous" in text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"markets": 0}, "--markets 0 must be at least 1"),
        ({"sweep_markets": 0}, "--sweep-markets 0 must be at least 1"),
        ({"seed": -1}, "--seed -1 must be at least 0"),
        ({"workers": -2}, "--workers -2 must be at least 0"),
        ({"load": 0.0}, "load"),
        ({"loads": (1.0, float("nan"))}, "load"),
        ({"size": (0, 2)}, "num_mus"),
        ({"scenario": "duo"}, "num_mus"),
        ({"only": ("generous", "nobody")}, "--only nobody: no such mechanism; there are dual_perturbation, oracle"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path, changes, problem):
    with pytest.raises(ValueError, match=problem):
        main(small(tmp_path / "out", **changes), Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()


def test_a_mechanism_whose_library_is_missing_is_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        command, "NEEDS", {"priced_out": ("no_such_library", "pip install it"), "generous": ("json", "")}
    )
    assert [m.name for m in plan_of(Arguments()).mechanisms] == [name for name in FAKES if name != "priced_out"]
    _, text = said(small(tmp_path, loads=(), markets=1))
    assert "Left out: priced_out, whose library is not installed (pip install it)" in text
    with pytest.raises(ValueError, match="--only priced_out needs a library that is not installed: pip install it"):
        plan_of(Arguments(only=("oracle", "priced_out")))


def test_the_sizes_of_the_overhead_are_those_of_the_issue_unless_the_preset_has_one_size():
    assert [(s.num_mus, s.num_asps) for s in plan_of(Arguments()).sizes] == [(2, 2)]  # here replaced
    assert plan_of(Arguments(scenario="duo")).sizes == ()


@pytest.mark.parametrize(("markets", "given", "swept"), [(100, None, 20), (10, None, 2), (1, None, 1), (10, 7, 7)])
def test_the_sweep_plays_a_fifth_of_the_markets_but_two_or_more(markets, given, swept):
    assert plan_of(Arguments(markets=markets, sweep_markets=given)).sweep_markets == swept


def test_it_is_a_command_beside_that_for_runs():
    words = [sys.executable, str(ROOT / "evaluate.py"), "mechanisms", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "evaluate.py mechanisms [-h]" in done.stdout
    assert "--only" in done.stdout
    assert "docs/mechanisms.md" in done.stdout
