"""The two command lines, as a user types them."""

import json
import os
import pickle
import random
import runpy
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.image import imread
from PIL import Image

import train
from agents.config import read_config
from agents.follower_policy import FollowerArchitecture, FollowerPolicy
from agents.market_draws import MarketDistribution
from agents.policy import WEIGHTS_FILE, save_policy
from agents.set_config import SetPPOConfig
from agents.set_training import train_set_policy
from agents.training import LeaderConfig, train_leaders
from aigc_market_env import Scenario

ROOT = Path(__file__).parents[1]
TINY = LeaderConfig(
    scenario="duo",
    transitions=640,
    markets=8,
    slots=4,
    batch_size=32,
    epochs=1,
    hidden=(8,),
    evaluate_every=200,
    evaluation_slots=4,
    final_evaluation_slots=8,
    checkpoint_seconds=1e-9,
)


@pytest.fixture
def command(monkeypatch, tmp_path, capfd):
    """Run a command line in an empty folder; exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        return ended.value.code or 0, *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """A run folder, to be read only."""
    folder = tmp_path_factory.mktemp("finished")
    train_leaders(TINY, folder)
    return folder


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of a run folder, to do with as one likes."""
    return Path(shutil.copytree(finished_run, tmp_path / "a run"))


def fails(result, *words):
    status, out, err = result
    assert status == 2
    assert "Traceback" not in out + err
    assert err.count("\n") == 1
    for word in words:
        assert str(word) in err
    return True


# train.py ------------------------------------------------------------------------------------------------------------


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


def evaluated(folder, run):
    """What evaluate.py wrote of a run on one market."""
    (found,) = json.loads((folder / "evaluation.json").read_text())["runs"][str(run)].values()
    return found


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


# evaluate.py ---------------------------------------------------------------------------------------------------------


def test_evaluation_writes_figures_and_numbers_into_a_folder_of_the_run(command, run):
    before = {path: path.read_bytes() for path in run.iterdir()}
    status, out, err = command("evaluate.py", run, "--markets", "8")
    assert (status, err) == (0, "")
    assert "regret" in out
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    folder = run / "evaluation"
    metrics, document = json.loads((run / "metrics.json").read_text()), evaluated(folder, run)
    assert document["slots"] == 8
    assert document["leader_regret_relative"] == metrics["leader_regret_relative"]
    assert set(document["plays"]) == {"learned", "equilibrium", "best_response", "uniform"}
    figures = list(folder.glob("*.png"))
    assert len(figures) >= 4
    assert all(imread(path).size for path in figures)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    command("evaluate.py", run, "--markets", "8")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_a_run_of_which_only_policy_configuration_and_metrics_are_kept_can_be_evaluated(command, run, tmp_path):
    kept = {"config.json", "metrics.json", "policy.json", WEIGHTS_FILE}
    for path in run.iterdir():
        if path.name not in kept:
            path.unlink()
    assert command("evaluate.py", run, "--markets", "2", "--out", tmp_path / "out")[0] == 0
    assert {path.name for path in run.iterdir()} == kept
    assert command("evaluate.py", run, "--markets", "2")[0] == 0
    assert {path.name for path in run.iterdir()} == kept | {"evaluation"}


def test_a_video_is_written_beside_the_figures(command, run, tmp_path):
    status, out, err = command("evaluate.py", run, "--markets", "2", "--video", "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "episode.gif" in "".join(out.split())
    with Image.open(tmp_path / "out" / "episode.gif") as video:
        assert (video.format, video.n_frames) == ("GIF", 24)


def test_a_video_of_providers_alone_is_refused_before_anything_is_measured(command, run, tmp_path):
    architecture = FollowerArchitecture(2, 1, (4,), 1.0)
    network = architecture.network().to_empty(device="cpu")
    for weights in network.parameters():
        weights.data.zero_()
    save_policy(FollowerPolicy(architecture, network), run)
    assert fails(command("evaluate.py", run, "--video", "--out", tmp_path / "out"), "only ASPs", "--video")
    assert not (tmp_path / "out").exists()


def test_several_runs_are_evaluated_together(command, run, tmp_path):
    other = Path(shutil.copytree(run, tmp_path / "b run"))
    assert fails(command("evaluate.py", run, other), "--out")
    assert fails(command("evaluate.py", run, other, run, "--out", tmp_path / "out"), "name each run once")
    status, out, err = command("evaluate.py", run, other, "--markets", "4", "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "mean of all" in out
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert set(document["runs"]) == {str(run), str(other)}
    assert document["together"]["2x1"]["leader_regret_relative"]["mean_interval_95"] is not None
    rows = (tmp_path / "out" / "slots.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 4 * 4 * 3  # runs, slots, plays, agents


def test_evaluation_on_market_files_goes_where_it_is_told(command, run, tmp_path):
    for seed in range(3):
        Scenario.preset("random", num_mus=2, num_asps=1).sample(seed).to_json(tmp_path / f"{seed}.json")
    before = {path: path.read_bytes() for path in run.iterdir()}
    for count in (1, 3):
        out = tmp_path / "deep" / str(count)
        files = [f"{seed}.json" for seed in range(count)]
        status, _, err = command("evaluate.py", run, "--out", out, "--markets", *files)
        assert (status, err) == (0, "")
        found = evaluated(out, run)
        assert found["slots"] == count
        assert (found["leader_regret_relative_interval_95"] is None) == (count == 1)
        assert len(list(out.glob("*.png"))) >= 2
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_that_was_interrupted_before_its_metrics_can_be_evaluated(command, run):
    (run / "metrics.json").unlink()
    assert command("evaluate.py", run, "--markets", "2")[0] == 0


BAD_EVALUATION = {
    "no markets": (["--markets", "0"], "--markets 0"),
    "two numbers": (["--markets", "3", "4"], "3"),
    "missing file": (["--markets", "none.json"], "none.json"),
    "folder": (["--markets", "."], "no such file"),
    "half a market": (["--markets", "3.5"], "whole number"),
    "not a market": (["--markets", "bad.json"], "bad.json"),
    "another size": (["--markets", "campus.json"], "2 MUs and 1 ASPs"),
    "two sizes": (["--markets", "duo.json", "campus.json"], "size"),
    "out a file": (["--out", "bad.json"], "bad.json"),
}


@pytest.mark.parametrize(("arguments", "word"), BAD_EVALUATION.values(), ids=BAD_EVALUATION)
def test_a_wrong_argument_of_evaluate_is_one_line(command, run, tmp_path, arguments, word):
    for name in ("duo", "campus"):
        Scenario.preset(name).sample(0).to_json(tmp_path / f"{name}.json")
    (tmp_path / "bad.json").write_bytes(b"\x80\x04\xff{")
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert fails(command("evaluate.py", run, *arguments), word)
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_what_is_not_a_run_is_named(command, tmp_path):
    for path in (tmp_path / "nowhere", tmp_path, ROOT / "train.py"):
        assert fails(command("evaluate.py", path), path)


class Trap:
    def __reduce__(self):
        return open, ("sprung", "w")


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "policy.json", WEIGHTS_FILE, "checkpoint.pt"])
@pytest.mark.parametrize("save", [lambda path: path.write_bytes(pickle.dumps(Trap())), lambda p: torch.save(Trap(), p)])
def test_no_file_of_a_run_can_make_the_commands_execute_code(command, run, tmp_path, name, save):
    save(run / name)
    if name in ("config.json", "checkpoint.pt"):
        assert fails(command("train.py", "--resume", "--out", run), name)
    if name != "checkpoint.pt":
        assert fails(command("evaluate.py", run, "--markets", "2"), name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"curve": 3}', '{"curve": [{}]}', '{"curve": [[]]}', "NaN", "{"])
def test_damaged_metrics_are_named(command, run, content):
    (run / "metrics.json").write_text(content)
    assert fails(command("evaluate.py", run, "--markets", "2"), "metrics.json")


def test_paths_that_look_like_markup_are_shown_as_they_are(command, run, tmp_path):
    odd = Path(shutil.copytree(run, tmp_path / "[bold]x"))
    status, out, _ = command("evaluate.py", odd, "--markets", "2")
    assert status == 0
    assert "[bold]x" in out


# Interruptions, by the system ----------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
import train
from agents.follower_policy import FollowerArchitecture, FollowerPolicy
from agents.market_draws import MarketDistribution
from agents.set_config import SetPPOConfig
from agents.training import LeaderConfig
from rich.console import Console

train.read_config = lambda out: {config!r}
train.Arguments.config = lambda self: {config!r}
sys.exit(train.main(train.Arguments(out=Path({out!r}), resume={resume!r}), Console(width=40)))
"""


def child(config, out, resume=False):
    code = CHILD.format(config=config, out=str(out), resume=resume)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


def test_a_killed_run_of_a_set_policy_ends_with_the_same_bytes(tmp_path):
    small = MarketDistribution(num_mus=(2, 3), num_asps=(1, 2))
    config = SetPPOConfig(
        markets=small, updates=200, links=24, width=8, layers=1, evaluate_every=1000, evaluation_markets=2,
        final_evaluation_markets=2, larger_sizes=(), checkpoint_seconds=0.0,
    )  # fmt: skip
    killed = tmp_path / "killed"
    process = child(config, killed)
    wait_for(killed / "checkpoint.pt", process)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / WEIGHTS_FILE).exists()
    rarely = replace(config, checkpoint_seconds=1e9)
    train_set_policy(rarely, killed, resume=True)
    train_set_policy(rarely, tmp_path / "whole")
    assert (killed / WEIGHTS_FILE).read_bytes() == (tmp_path / "whole" / WEIGHTS_FILE).read_bytes()


LONG = replace(TINY, transitions=64 * 80)
RARELY_SAVED = replace(LONG, checkpoint_seconds=60.0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train_leaders(RARELY_SAVED, folder)
    torch.set_num_threads(threads)
    return (folder / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_process_leaves_a_run_that_ends_with_the_same_bytes(tmp_path, uninterrupted, number):
    process = child(LONG, tmp_path)
    wait_for(tmp_path / "checkpoint.pt", process)
    time.sleep(random.Random(int(number)).uniform(0, 0.3))
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert f"python train.py --resume --out {tmp_path}" in out
    assert not (tmp_path / WEIGHTS_FILE).exists()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _, metrics = train_leaders(RARELY_SAVED, tmp_path, resume=True)
    torch.set_num_threads(threads)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == uninterrupted
    assert metrics["transitions"] == LONG.transitions
