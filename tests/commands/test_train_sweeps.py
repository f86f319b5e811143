"""Several runs of train.py: seeds, sweeps, and what is done when they go on."""

from dataclasses import replace

import pytest
from tiny_runs import TINY, fails, typed

from agents.config import LeaderConfig
from agents.documents import with_fields
from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import read_config
from agents.sweeps import plan
from agents.training.one_side import train_leaders
from aigc_market_env import Market, Scenario


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seeds", "0..2", "--seed", "3"], ["--seed ", "--seeds "]),
        (["--seeds", "2..0"], ["--seeds 2..0", "0..9"]),
        (["--workers", "2"], ["--workers", "--seeds", "--sweep"]),
        (["--sweep", "epochs=1", "--seeds", "0..2", "--seed", "3"], ["--seed ", "--seeds "]),
        (["--sweep", "epochs=1,2", "transitions=1,2", "--transitions", "3"], ["--transitions", "--sweep transitions"]),
        (["--sweep"], ["--sweep names no field"]),
        (["--sweep", "epochs=1,0"], ["--sweep epochs=0", "from 1"]),
        (["--sweep", "load=1,2", "--policy", "set"], ["--sweep load", "choose from updates"]),
        (["--seeds", "0..2", "--workers", "-1"], ["--workers -1"]),
    ],
)
def test_what_is_wrong_with_seeds_sweeps_and_workers_is_told(command, tmp_path, options, words):
    assert fails(command("train.py", *options), *words)
    assert not any(tmp_path.iterdir())


#: Of TINY; --sweep is given those of them that train.py has no option for.
TINY_FIELDS = ["markets=8", "slots=4", "batch_size=32", "hidden=8", "evaluation_slots=4", "final_evaluation_slots=8"]


def test_a_sweep_is_of_every_combination_with_every_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = typed("--train leaders --seeds 3..4 --sweep epochs=1,2 hidden=8,8x8", "--out", tmp_path)
    runs = plan.sweep_runs(asked)
    assert [str(run.out.relative_to(tmp_path)) for run in runs] == [
        f"epochs={epochs},hidden={hidden}/seed{seed}" for epochs in (1, 2) for hidden in ("8", "8x8") for seed in (3, 4)
    ]
    plain = with_fields(LeaderConfig(), {"seed": 4, "epochs": 2, "hidden": (8, 8)})
    assert (runs[-1].config, runs[-1].values) == (plain, {"epochs": 2, "hidden": (8, 8)})
    assert len({run.out for run in plan.sweep_runs(replace(asked, runs=replace(asked.runs, out=None)))}) == 8


def test_a_market_file_has_no_loads_to_sweep(command, tmp_path):
    market = tmp_path / "market.json"
    Scenario.preset("duo").sample().to_json(market)
    assert fails(command("train.py", "--scenario", market, "--sweep", "load=1,2"), "load applies to presets")
    assert list(tmp_path.iterdir()) == [market]


def test_a_sweep_trains_what_plain_runs_would_and_is_resumed(command, tmp_path):
    asked = ["--train", "leaders", "--scenario", "duo", "--transitions", "640", "--seed", "1", "--workers", "1"]
    asked += ["--sweep", "epochs=1,2", "evaluate_every=200", *TINY_FIELDS, "--out", "grid"]
    status, out, _ = command("train.py", *asked)
    assert status == 0
    assert "least mean" in " ".join(out.split())
    name = f"epochs={{}},evaluate_every=200,{','.join(TINY_FIELDS)}"
    folders = [tmp_path / "grid" / name.format(epochs) / "seed1" for epochs in (1, 2)]
    assert {path.parent for path in (tmp_path / "grid").rglob("config.json")} == set(folders)
    plain = with_fields(TINY, {"epochs": 2, "seed": 1, "checkpoint_seconds": 30.0})
    assert read_config(folders[1]) == plain
    train_leaders(plain, tmp_path / "plain")
    weights = (tmp_path / "plain" / WEIGHTS_FILE).read_bytes()
    assert (folders[1] / WEIGHTS_FILE).read_bytes() == weights
    files = [folder / WEIGHTS_FILE for folder in folders]
    times = [path.stat().st_mtime_ns for path in files]
    assert fails(command("train.py", *asked), "--resume")
    (folders[1] / "evaluation.json").unlink()
    assert command("train.py", *asked, "--resume")[0] == 0
    assert (folders[1] / "evaluation.json").exists()
    assert files[1].read_bytes() == weights
    assert files[0].stat().st_mtime_ns == times[0]
    assert files[1].stat().st_mtime_ns != times[1]


def test_runs_of_a_sweep_without_out_are_called_after_it(command, tmp_path):
    asked = ["--scenario", "duo", "--train", "leaders", "--transitions", "0", "--sweep", *TINY_FIELDS, "--workers", "1"]
    assert command("train.py", *asked, "--seed", "4")[0] == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name == f"duo-leaders-{','.join(TINY_FIELDS)}-seed4"
    assert command("train.py", *asked, "--seed", "4", "--resume")[0] == 0
    assert list((tmp_path / "runs").iterdir()) == [run]


def test_a_sweep_whose_names_another_command_took_meanwhile_takes_the_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = typed("--train leaders --scenario duo --seeds 0..1")
    choose, stale = plan.sweep_runs, [plan.sweep_runs(asked)]
    assert not any(tmp_path.iterdir())
    plan.begun_sweep(asked)
    monkeypatch.setattr(plan, "sweep_runs", lambda asked: stale.pop() if stale else choose(asked))
    assert {run.out.name for run in plan.begun_sweep(asked)} == {"duo-leaders-seed0-2", "duo-leaders-seed1-2"}


@pytest.mark.parametrize("out", [[], ["--out", "grid"]])
def test_a_sweep_resumed_with_more_seeds_and_values_begins_the_new_ones(command, tmp_path, out):
    asked = ["--train", "leaders", "--scenario", "duo", "--transitions", "64", "--workers", "1", *out]
    assert fails(command("train.py", *asked, "--resume", "--seeds", "1..2"), "no run to resume", "--resume")
    assert not any(tmp_path.iterdir())
    assert command("train.py", *asked, "--seeds", "1..1", "--sweep", "epochs=1", *TINY_FIELDS)[0] == 0
    (first,) = (path.parent for path in tmp_path.rglob("config.json"))
    before = (first / WEIGHTS_FILE).stat().st_mtime_ns
    more = ["--resume", "--seeds", "1..2", "--sweep", "epochs=1,2", *TINY_FIELDS]
    assert command("train.py", *asked[:4], "--workers", "1", *out, *more)[0] == 0
    found = [path.parent for path in tmp_path.rglob("evaluation.json")]
    configs = [read_config(folder) for folder in found]
    assert sorted((config.algorithm.epochs, config.seed) for config in configs) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert {config.transitions for config in configs} == {64}  # of the run that there was
    assert (first / WEIGHTS_FILE).stat().st_mtime_ns == before
    assert fails(command("train.py", *asked, *more, "--load", "2"), "--load 2.0")


def test_a_sweep_on_a_market_file_resumed_with_more_seeds_has_the_same_market(command, tmp_path):
    market = Scenario.preset("duo").sample()
    market.to_json(tmp_path / "m.json")
    asked = ["--train", "leaders", "--scenario", "m.json", "--transitions", "0", "--workers", "1", "--out", "x"]
    asked += ["--sweep", *TINY_FIELDS]
    assert command("train.py", *asked, "--seeds", "0..0")[0] == 0
    (tmp_path / "m.json").unlink()
    assert command("train.py", *asked, "--seeds", "0..1", "--resume")[0] == 0
    copies = [Market.from_json(path) for path in tmp_path.rglob("market/m.json")]
    assert copies == [market, market]


MANY = """
from dataclasses import replace
from aigc_market_env import Scenario
drawn = Scenario.preset("random", num_mus=2, num_asps=1)
many = replace(drawn, build=lambda uniforms: drawn.build(uniforms))
"""


def test_markets_of_code_that_no_worker_has_are_swept_and_the_sweep_goes_on(command, tmp_path):
    (tmp_path / "mine.py").write_text(MANY)
    asked = ["--train", "leaders", "--transitions", "0", "--final-evaluation-slots", "4", "--out", "x"]
    own = ["--scenario", "mine.py:many"]
    assert command("train.py", *asked, *own, "--workers", "2", "--sweep", "market_seed=3,4")[0] == 0
    more = ["--workers", "1", "--resume", "--sweep", "market_seed=3,4,5"]
    assert fails(command("train.py", *asked, *more), "--sweep market_seed", "is one market")
    assert command("train.py", *asked, *more, *own)[0] == 0
    drawn = Scenario.preset("random", num_mus=2, num_asps=1)
    assert drawn.sample(3) != drawn.sample(4)
    for seed in (3, 4, 5):
        (run,) = (tmp_path / "x" / f"market_seed={seed}").iterdir()
        assert read_config(run).make_scenario().sample() == drawn.sample(seed)
