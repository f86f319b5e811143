"""train.py, as a user types it: runs from the first option to the last file."""

import errno
import json
from pathlib import Path

import pytest
from tensorboard.summary.writer.record_writer import RecordWriter
from tiny_runs import TINY, evaluated, fails, typed

from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import begin_run, read_config
from agents.sweeps import plan

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
    asked = ["--policy", "set", "--preset", "quick", "--updates", "2", "--num-mus", "2", "3", "--num-asps", "1", "2"]
    asked += ["--loads", "0.5", "2"]
    asked += [] if algorithm == "equilibrium" else ["--algorithm", algorithm]
    asked += [] if side == "leaders" else ["--train", side]
    status, out, _ = command("train.py", *asked)
    assert status == 0
    assert all(f"worst {sizes}" in out for sizes in ("trained", "unseen"))
    run = tmp_path / "runs" / f"campus-set-{side}-{algorithm}-seed0"
    names = {path.name for path in run.iterdir()}
    assert {"config.json", "metrics.json", "evaluation.json", "checkpoint.pt", "regret_by_size.png"} <= names
    markets = {"scenario": "campus", "num_mus": [2, 3], "num_asps": [1, 2], "loads": [0.5, 2.0]}
    assert markets.items() <= json.loads((run / "config.json").read_text()).items()
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
    status, out, _ = command("train.py", *asked)
    assert status == 0
    assert "transitions (1 asked for, rounded up to whole rollouts) in" in out
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


def test_of_two_commands_that_chose_the_same_name_the_second_takes_the_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = iter(["runs/duo-leaders-seed0", "runs/duo-leaders-seed0-2"])
    monkeypatch.setattr(plan, "new_run_folder", lambda name: Path(next(names)))
    begin_run(TINY, Path("runs/duo-leaders-seed0"))  # since the second one looked
    config, out = plan.begun_run(typed("--train leaders --scenario duo --transitions 5"))
    assert out == Path("runs/duo-leaders-seed0-2")
    assert (read_config(out), read_config(Path("runs/duo-leaders-seed0"))) == (config, TINY)


@pytest.mark.parametrize("several", [[], ["--seeds", "1..2"]])
def test_a_folder_that_another_command_has_begun_is_not_begun_again(command, tmp_path, several):
    folder = tmp_path / "x" / "seed2" if several else tmp_path / "x"
    begin_run(TINY, folder)  # as a command does at once, before it trains
    before = sorted(tmp_path.rglob("*"))
    asked = ["--train", "leaders", "--scenario", "duo", "--transitions", "0", "--out", "x"]
    assert fails(command("train.py", *asked, *several), "already holds a run", "--resume")
    assert sorted(tmp_path.rglob("*")) == before
    assert read_config(folder) == TINY


def test_a_full_disk_is_one_line_that_names_the_file(command, run, monkeypatch):
    before, write_bytes = (run / "checkpoint.pt").read_bytes(), Path.write_bytes

    def full(path, content):
        if path.name.startswith("checkpoint.pt"):
            write_bytes(path, content[:1000])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    asked = ["--resume", "--transitions", "960", "--out", run]
    assert fails(command("train.py", *asked), "No space left on device", run / "checkpoint.pt")
    assert (run / "checkpoint.pt").read_bytes() == before
    monkeypatch.undo()
    assert not list(run.glob("*.new"))


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_too_full_for_tensorboard_is_one_line_too(command, run, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(RecordWriter, "write", lambda *_: (_ for _ in ()).throw(full))
    assert fails(command("train.py", "--resume", "--transitions", "960", "--out", run), "No space left", run)
