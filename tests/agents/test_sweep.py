"""Several seeds: which, where, and what their table says."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from agents.policy import WEIGHTS_FILE
from agents.sweep import SeedRun, begin, seeds_called, seeds_table, train_seeds
from agents.training import LeaderConfig, train_leaders
from baselines.study.execute import Done, here, in_processes

SMALL = {
    "scenario": "duo", "transitions": 640, "markets": 8, "slots": 4, "batch_size": 32, "epochs": 1, "hidden": (8,),
    "evaluate_every": 200, "evaluation_slots": 4, "final_evaluation_slots": 8,
}  # fmt: skip


def runs_in(folder, **changes):
    return [SeedRun(LeaderConfig(seed=seed, **SMALL | changes), folder / f"seed{seed}") for seed in (3, 4)]


def train(runs, execute):
    begin(runs)
    return train_seeds(runs, execute, Console(file=io.StringIO()))


@pytest.mark.parametrize(("text", "seeds"), [("0..9", range(10)), ("7", range(7, 8)), ("5..5", range(5, 6))])
def test_seeds_are_read(text, seeds):
    assert seeds_called(text) == seeds


@pytest.mark.parametrize("text", ["", "9..0", "-1..2", "0...2", "a", "1,2"])
def test_other_text_is_no_seeds(text):
    with pytest.raises(ValueError, match="--seeds"):
        seeds_called(text)


def test_weights_are_those_of_runs_one_by_one_and_what_has_ended_is_not_done_again(tmp_path):
    runs = runs_in(tmp_path)
    done = train(runs, in_processes(2))
    for run in runs:
        train_leaders(run.config, tmp_path / "alone")
        assert (run.out / WEIGHTS_FILE).read_bytes() == (tmp_path / "alone" / WEIGHTS_FILE).read_bytes()
    metrics = [json.loads((run.out / "metrics.json").read_text()) for run in runs]
    assert [result.result["leader_regret_relative"] for result in done] == [
        one["leader_regret_relative"] for one in metrics
    ]
    times = [(run.out / WEIGHTS_FILE).stat().st_mtime_ns for run in runs]
    assert train(runs, here) == done
    assert [(run.out / WEIGHTS_FILE).stat().st_mtime_ns for run in runs] == times


def test_an_interrupted_sweep_has_its_folders_and_goes_on(tmp_path, monkeypatch):
    runs = runs_in(tmp_path)

    def stopped(jobs):
        yield next(here(jobs))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(runs, stopped)
    assert [(run.out / "config.json").exists() for run in runs] == [True, True]
    assert [(run.out / "evaluation.json").exists() for run in runs] == [True, False]
    assert all(result.error is None for result in train(runs, here))
    assert (runs[1].out / "evaluation.json").exists()


def test_runs_of_different_configurations_are_no_sweep(tmp_path):
    runs = [runs_in(tmp_path)[0], runs_in(tmp_path, epochs=2)[1]]
    with pytest.raises(ValueError, match="different configurations"):
        begin(runs)
    assert not any(tmp_path.iterdir())


def test_folders_that_are_not_shared_are_told_of(tmp_path):
    runs = runs_in(tmp_path)
    with pytest.raises(OSError, match="must share this folder"):
        train(runs, lambda jobs: iter([Done(job.key, {}) for job in jobs]))


def test_the_table_has_every_seed_their_mean_and_range_and_what_failed():
    runs = [SeedRun(LeaderConfig(seed=seed), Path(f"seed{seed}")) for seed in range(3)]
    regrets = (0.01, 0.03)
    done = [Done("", {"leader_regret_relative": regret, "wall_seconds": 7.0}) for regret in regrets]
    text = io.StringIO()
    Console(file=text, width=100).print(seeds_table(runs, [*done, Done("", error="ValueError: [no] good")], "title"))
    for word in ("1.000%", "3.000%", "2.000%", "1.000 – 3.000%", "7 s", "ValueError: [no] good", "regret of mobile"):
        assert word in text.getvalue()
