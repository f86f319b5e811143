"""Several runs: of which seeds, where, and what their table says."""

import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny_configs import made
from widths import loses_nothing

from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import read_config
from agents.sweeps import sweep
from agents.sweeps.sweep import SweepRun, begin, seeds_called, seeds_table, train_runs
from agents.training.one_side import LeaderConfig, train_leaders
from aigc_market_env import Scenario
from aigc_market_env.files import FolderTakenError, writing
from experiments.execute import here, in_processes
from experiments.jobs import Done

SMALL = {
    "scenario": "duo", "transitions": 640, "markets": 8, "slots": 4, "batch_size": 32, "epochs": 1, "hidden": (8,),
    "evaluate_every": 200, "evaluation_slots": 4, "final_evaluation_slots": 8,
}  # fmt: skip


def runs_in(folder, **changes):
    return [SweepRun(made(LeaderConfig, seed=seed, **SMALL | changes), folder / f"seed{seed}") for seed in (3, 4)]


def train(runs, execute):
    begin(runs, resume=True)
    return train_runs(runs, execute, Console(file=io.StringIO()))


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


def swept(folder, values, **changes):
    return SweepRun(made(LeaderConfig, **SMALL | changes), folder / str(values), values)


def test_runs_differ_in_seeds_and_what_is_swept_only(tmp_path):
    runs = [swept(tmp_path, {"epochs": 1}), swept(tmp_path, {"epochs": 2}, epochs=2, seed=1)]
    begin(runs)
    assert [read_config(run.out) for run in runs] == [run.config for run in runs]
    shutil.rmtree(tmp_path)
    with pytest.raises(ValueError, match="different configurations"):
        begin([runs[0], swept(tmp_path, {"epochs": 2}, epochs=2, slots=8)])
    with pytest.raises(ValueError, match="other values than those"):
        begin([runs[0], swept(tmp_path, {"epochs": 2}, epochs=3)])
    assert not tmp_path.exists()


def test_runs_on_a_market_file_are_begun_and_resumed(tmp_path):
    market = tmp_path / "market.json"
    Scenario.preset("duo").sample().to_json(market)
    runs = runs_in(tmp_path, scenario=str(market))
    begin(runs)
    market.unlink()
    resumed = [SweepRun(read_config(run.out), run.out) for run in runs]
    begin(resumed, resume=True)
    assert [read_config(run.out) for run in resumed] == [run.config for run in resumed]


def test_a_sweep_of_which_a_run_is_taken_leaves_nothing_behind(tmp_path):
    runs = runs_in(tmp_path / "sweep", scenario="duo")
    begin(runs[1:])
    with pytest.raises(FolderTakenError, match="seed4 already holds a run"):
        begin(runs)
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["seed4"]


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_run_that_is_being_trained_is_not_trained_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "_PATIENCE", 0.0)
    runs = runs_in(tmp_path)
    begin(runs)
    with writing(runs[0].out):
        done = train(runs, here)
    assert "another command is writing" in done[0].error
    assert done[1].error is None
    assert not (runs[0].out / "checkpoint.pt").exists()


def test_a_sweep_is_made_longer(tmp_path):
    runs = runs_in(tmp_path)
    train(runs, here)
    longer = [replace(run, config=replace(run.config, transitions=960)) for run in runs]
    train(longer, here)
    for run in longer:
        assert read_config(run.out) == run.config
        assert json.loads((run.out / "metrics.json").read_text())["transitions"] == 960


def test_folders_that_are_not_shared_are_told_of(tmp_path):
    runs = runs_in(tmp_path)
    with pytest.raises(OSError, match="must share this folder"):
        train(runs, lambda jobs: iter([Done(job.key, {}) for job in jobs]))


def test_the_table_has_every_seed_their_mean_and_range_and_what_failed():
    runs = [SweepRun(LeaderConfig(seed=seed), Path(f"seed{seed}")) for seed in range(3)]
    regrets = (0.01, 0.03)
    done = [Done("", {"leader_regret_relative": regret, "wall_seconds": 7.0}) for regret in regrets]
    joint = {"follower_regret_relative": 0.123, "follower_regret_relative_near": 1e-13}
    everything = [replace(one, result=one.result | joint) for one in done]
    assert loses_nothing(seeds_table(runs[:2], everything, "title"))
    text = io.StringIO()
    Console(file=text, width=100).print(seeds_table(runs, [*done, Done("", error="ValueError: [no] good")], "title"))
    for word in ("1.000%", "3.000%", "2.000%", "1.000 – 3.000%", "7 s", "ValueError: [no] good", "regret of mobile"):
        assert word in text.getvalue()


def test_the_table_has_the_worst_agent_of_every_seed_and_of_all():
    runs = [SweepRun(LeaderConfig(seed=seed), Path(f"seed{seed}")) for seed in range(3)]
    name = "leader_regret_relative"
    measured = [{name: 0.01, "leader_regret_worst": worst, "wall_seconds": 7.0} for worst in (0.2, 0.4)]
    before = {name: 0.01, "wall_seconds": 7.0}  # a run of before it was measured
    text = io.StringIO()
    Console(file=text, width=80).print(seeds_table(runs, [Done("", one) for one in (*measured, before)], "title"))
    for word in ("worst 20.0%", "worst 40.0%"):
        assert word in text.getvalue()
    assert "forgoes most of its own utility" in " ".join(text.getvalue().split())
    assert re.search(r"worst +│ +40.0%", text.getvalue())
    text = io.StringIO()
    Console(file=text, width=80).print(seeds_table(runs[:1], [Done("", before)], "title"))
    assert "worst  " not in text.getvalue()
