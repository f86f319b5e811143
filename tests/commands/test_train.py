"""train.py, as a user types it."""

import json
from dataclasses import replace

import pytest
from tiny_runs import TINY, evaluated, fails

import train
from agents.config import read_config
from agents.policy import WEIGHTS_FILE
from agents.training import train_leaders
from aigc_market_env import Scenario


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_help_teaches(command, script):
    status, out, _ = command(script, "--help")
    assert status == 0
    assert f"python {script}" in out
    assert "--out" in out


def test_help_tells_of_the_algorithms(command):
    _, out, _ = command("train.py", "--help")
    assert "ppo|sac|equilibrium" in out
    assert "critic" in out


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


def test_a_sweep_is_of_every_combination_with_every_seed(tmp_path):
    asked = train.Arguments(train="leaders", seeds="3..4", sweep=("epochs=1,2", "hidden=8,8x8"), out=tmp_path)
    runs = train.sweep_runs(asked)
    assert [str(run.out.relative_to(tmp_path)) for run in runs] == [
        f"epochs={epochs},hidden={hidden}/seed{seed}" for epochs in (1, 2) for hidden in ("8", "8x8") for seed in (3, 4)
    ]
    plain = replace(asked.config(), seed=4, epochs=2, hidden=(8, 8))
    assert (runs[-1].config, runs[-1].values) == (plain, {"epochs": 2, "hidden": (8, 8)})
    assert len({run.out for run in train.sweep_runs(replace(asked, out=None))}) == 8


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
    plain = replace(TINY, epochs=2, seed=1, checkpoint_seconds=30.0)
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


SIDES = {
    "both": ("duo-seed0", {"rewards.png", "regret.png", "allocation.png", "regret_of_asps.png"}, ["mus", "asps"]),
    "leaders": ("duo-leaders-seed0", {"rewards.png", "regret.png"}, ["."]),
    "followers": ("duo-followers-seed0", {"allocation.png", "regret_of_asps.png"}, ["."]),
}


@pytest.mark.parametrize(("side", "expected"), SIDES.items(), ids=SIDES)
def test_a_run_is_trained_evaluated_and_resumed(command, tmp_path, side, expected):
    name, figures, policies = expected
    asked = ["--scenario", "duo", "--transitions", "1", "--preset", "quick"]
    asked += [] if side == "both" else ["--train", side]
    status, out, _ = command("train.py", *asked)
    assert status == 0
    run = tmp_path / "runs" / name

    def weights(folder):
        return [(folder / sub / WEIGHTS_FILE).read_bytes() for sub in policies]

    names = {path.name for path in run.iterdir()}
    assert {"config.json", "metrics.json", "evaluation.json", "checkpoint.pt", "learning.png"} | figures <= names
    assert "regret" in out
    for file in ("metrics.json", "evaluation.json"):
        document = json.loads((run / file).read_text())
        assert {"leader_regret_relative", "follower_regret_relative"} <= set(document)
    assert json.loads((run / "evaluation.json").read_text())["slots"] == 128
    before = weights(run)
    assert fails(command("train.py", "--out", run), run, "--resume")
    assert command("train.py", "--resume", *asked)[0] == 0
    assert weights(run) == before
    assert command("evaluate.py", run, "--markets", "8", "--out", tmp_path / "out")[0] == 0
    files = {"evaluation.json", "slots.csv", "learning.png", "money.png"} | figures
    learners = {"both": ["leader", "follower"], "leaders": ["leader"], "followers": ["follower"]}[side]
    files |= {f"spread_of_{learner}_regret.png" for learner in learners}
    assert {path.name for path in (tmp_path / "out").iterdir()} == files
    assert evaluated(tmp_path / "out", run)["slots"] == 8


@pytest.mark.parametrize(
    ("algorithm", "side"), [("equilibrium", "leaders"), ("equilibrium", "followers"), ("ppo", "leaders")]
)
def test_one_network_for_every_market_is_trained_evaluated_and_resumed(command, tmp_path, algorithm, side):
    asked = ["--policy", "set", "--preset", "quick", "--updates", "2", "--sizes", "2x1..3x2", "--loads", "0.5", "2"]
    asked += [] if algorithm == "equilibrium" else ["--algorithm", algorithm]
    asked += [] if side == "leaders" else ["--train", side]
    status, out, _ = command("train.py", *asked)
    assert status == 0
    assert out.count("worst") == 2  # of sizes trained on, and of the others
    run = tmp_path / "runs" / f"campus-set-{side}-{algorithm}-seed0"
    names = {path.name for path in run.iterdir()}
    assert {"config.json", "metrics.json", "evaluation.json", "checkpoint.pt", "regret_by_size.png"} <= names
    markets = json.loads((run / "config.json").read_text())["markets"]
    assert markets == {"preset": "campus", "num_mus": [2, 3], "num_asps": [1, 2], "loads": [0.5, 2.0]}
    sizes = json.loads((run / "evaluation.json").read_text())["sizes"]
    assert [(size["num_mus"], size["num_asps"], size["trained"]) for size in sizes] == [
        (2, 1, True),
        (3, 2, True),
        (12, 6, False),
        (20, 5, False),
    ]
    before = (run / WEIGHTS_FILE).read_bytes()
    assert command("train.py", "--resume", *asked)[0] == 0
    assert (run / WEIGHTS_FILE).read_bytes() == before


def test_the_mobile_users_learn_by_sac(command, tmp_path):
    asked = ["--train", "leaders", "--algorithm", "sac", "--scenario", "duo", "--transitions", "1", "--preset", "quick"]
    assert command("train.py", *asked)[0] == 0
    run = tmp_path / "runs" / "duo-leaders-sac-seed0"
    config = json.loads((run / "config.json").read_text())
    assert config["algorithm"] == "sac"
    assert (config["batch_size"], config["epochs"]) == (256, 2)
    before = (run / WEIGHTS_FILE).read_bytes()
    assert command("train.py", "--resume", *asked)[0] == 0
    assert (run / WEIGHTS_FILE).read_bytes() == before
    assert command("evaluate.py", run, "--markets", "8")[0] == 0


def test_a_second_run_gets_a_folder_of_its_own(command, tmp_path):
    for _ in range(2):
        assert command("train.py", "--train", "leaders", "--scenario", "duo", "--transitions", "0")[0] == 0
    assert (tmp_path / "runs" / "duo-leaders-seed0-2" / WEIGHTS_FILE).is_file()


BAD_TRAINING = {
    "unknown scenario": (["--scenario", "compus"], "compus"),
    "scenario like markup": (["--scenario", "[/red]x[0, 1]"], "[/red]x[0, 1]"),
    "scenario a folder": (["--scenario", "."], "scenario"),
    "scenario not a market": (["--scenario", "bad.json"], "bad.json"),
    "scenario negative": (["--scenario", "negative.json"], "desired_tokens"),
    "load zero": (["--load", "0"], "load"),
    "load negative": (["--load", "-1"], "load"),
    "load not a number": (["--load", "nan"], "load"),
    "load of a file": (["--scenario", "good.json", "--load", "2"], "load"),
    "seed negative": (["--seed", "-1"], "seed"),
    "market seed negative": (["--market-seed", "-1"], "market_seed"),
    "transitions negative": (["--transitions", "-1"], "transitions"),
    "set policy of both sides": (["--policy", "set", "--train", "both"], "--train leaders"),
    "set policy of one load": (["--policy", "set", "--load", "2"], "--load"),
    "set policy of one market": (["--policy", "set", "--market-seed", "2"], "--market-seed"),
    "set policy in transitions": (["--policy", "set", "--transitions", "2"], "--transitions"),
    "set policy of a file": (["--policy", "set", "--scenario", "good.json"], "good.json"),
    "set policy of a small market": (["--policy", "set", "--scenario", "duo"], "duo"),
    "sizes not sizes": (["--policy", "set", "--sizes", "4..10"], "sizes"),
    "sizes the wrong way round": (["--policy", "set", "--sizes", "8x4..4x2"], "num_mus"),
    "loads the wrong way round": (["--policy", "set", "--loads", "3", "1"], "loads"),
    "updates negative": (["--policy", "set", "--updates", "-1"], "updates"),
    "followers of every market by ppo": (["--policy", "set", "--train", "followers", "--algorithm", "ppo"], "ppo"),
    "sizes of one market": (["--sizes", "4x2"], "--sizes"),
    "loads of one market": (["--loads", "1", "2"], "--loads"),
    "updates of one market": (["--updates", "2"], "--updates"),
    "exact conditions of one market": (["--algorithm", "equilibrium"], "--policy set"),
    "resume nothing": (["--resume"], "campus-seed0"),
    "resume no set policy": (["--resume", "--policy", "set"], "campus-set-leaders-equilibrium-seed0"),
    "resume another folder": (["--resume", "--out", "nowhere"], "nowhere"),
    "out a file": (["--out", "bad.json/x"], "bad.json"),
}


@pytest.mark.parametrize(("arguments", "word"), BAD_TRAINING.values(), ids=BAD_TRAINING)
def test_a_wrong_argument_of_train_is_one_line(command, tmp_path, arguments, word):
    market = Scenario.preset("duo").sample(0)
    market.to_json(tmp_path / "good.json")
    document = json.loads((tmp_path / "good.json").read_text())
    (tmp_path / "negative.json").write_text(json.dumps(document | {"desired_tokens": [-1.0, 1.0]}))
    (tmp_path / "bad.json").write_bytes(b"\x80\x04\xff{")
    before = sorted(tmp_path.rglob("*"))
    assert fails(command("train.py", *arguments), word)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["config.json", "checkpoint.pt"])
def test_a_damaged_run_is_not_resumed(command, run, name):
    (run / name).write_bytes((run / name).read_bytes()[:-9])
    assert fails(command("train.py", "--resume", "--out", run), name)
