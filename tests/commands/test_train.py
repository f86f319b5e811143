"""train.py, as a user types it."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.summary.writer.record_writer import RecordWriter
from tiny_runs import TINY, evaluated, fails

from agents.config import JointConfig, LeaderConfig
from agents.documents import as_document, with_fields
from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import begin_run, read_config
from agents.sweeps import plan
from agents.sweeps.arguments import parse
from agents.sweeps.whole_run import train_whole
from agents.training.one_side import train_leaders
from aigc_market_env import Dynamics, Market, Scenario
from aigc_market_env.files import writing


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


def typed(text, *more):
    """The arguments of train.py, as it reads them."""
    return parse(None, [*text.split(), *map(str, more)])


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
    "set policy of a file": (["--policy", "set", "--scenario", "good.json"], "good.json"),
    "set policy of a small market": (["--policy", "set", "--scenario", "duo"], "duo"),
    "sizes the wrong way round": (["--policy", "set", "--num-mus", "8", "4"], "num_mus"),
    "a size that the preset cannot have": (["--scenario", "duo", "--num-mus", "3"], "num_mus"),
    "size of a file": (["--scenario", "good.json", "--num-asps", "2"], "num_asps applies to presets"),
    "gamma of one": (["--gamma", "1"], "gamma = 1.0"),
    "no configuration": (["--config", "nowhere/config.json"], "nowhere/config.json"),
    "a configuration and a choice": (["--config", "bad.json", "--train", "leaders"], "--train leaders"),
    "code that is not there": (["--scenario", "nowhere.py:market"], "nowhere.py"),
    "loads the wrong way round": (["--policy", "set", "--loads", "3", "1"], "loads"),
    "updates negative": (["--policy", "set", "--updates", "-1"], "updates"),
    "followers of every market by ppo": (["--policy", "set", "--train", "followers", "--algorithm", "ppo"], "ppo"),
    "exact conditions of one market": (["--algorithm", "equilibrium"], "--policy mlp"),
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


def write_tiny(folder, **changes):
    """Begin and end a run in a folder."""
    config = with_fields(TINY, changes)
    begin_run(config, folder)
    train_whole(config, folder, resume=True)
    return folder


def test_of_two_commands_that_chose_the_same_name_the_second_takes_the_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = iter(["runs/duo-leaders-seed0", "runs/duo-leaders-seed0-2"])
    monkeypatch.setattr(plan, "new_run_folder", lambda name: Path(next(names)))
    begin_run(TINY, Path("runs/duo-leaders-seed0"))  # since the second one looked
    config, out = plan.begun_run(typed("--train leaders --scenario duo --transitions 5"))
    assert out == Path("runs/duo-leaders-seed0-2")
    assert (read_config(out), read_config(Path("runs/duo-leaders-seed0"))) == (config, TINY)


def test_a_sweep_whose_names_another_command_took_meanwhile_takes_the_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = typed("--train leaders --scenario duo --seeds 0..1")
    choose, stale = plan.sweep_runs, [plan.sweep_runs(asked)]
    assert not any(tmp_path.iterdir())
    plan.begun_sweep(asked)
    monkeypatch.setattr(plan, "sweep_runs", lambda asked: stale.pop() if stale else choose(asked))
    assert {run.out.name for run in plan.begun_sweep(asked)} == {"duo-leaders-seed0-2", "duo-leaders-seed1-2"}


@pytest.mark.parametrize("several", [[], ["--seeds", "1..2"]])
def test_a_folder_that_another_command_has_begun_is_not_begun_again(command, tmp_path, several):
    folder = tmp_path / "x" / "seed2" if several else tmp_path / "x"
    begin_run(TINY, folder)  # as a command does at once, before it trains
    before = sorted(tmp_path.rglob("*"))
    asked = ["--train", "leaders", "--scenario", "duo", "--transitions", "0", "--out", "x"]
    assert fails(command("train.py", *asked, *several), "already holds a run", "--resume")
    assert sorted(tmp_path.rglob("*")) == before
    assert read_config(folder) == TINY


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_run_is_not_resumed_while_it_is_trained(command, run):
    before = (run / "checkpoint.pt").read_bytes()
    with writing(run):
        assert fails(command("train.py", "--resume", "--transitions", "960", "--out", run), run, "another command")
    assert (run / "checkpoint.pt").read_bytes() == before
    assert read_config(run).transitions == 640


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


def test_a_finished_run_goes_on_when_it_is_given_more_transitions(command, run):
    before = (run / WEIGHTS_FILE).read_bytes()
    assert command("train.py", "--resume", "--transitions", "960", "--out", run)[0] == 0
    assert read_config(run) == replace(TINY, transitions=960)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["transitions"] == 960
    assert metrics["curve"][-1]["transitions"] > 640
    after = (run / WEIGHTS_FILE).read_bytes()
    assert after != before
    assert command("train.py", "--resume", "--transitions", "960", "--out", run)[0] == 0
    assert (run / WEIGHTS_FILE).read_bytes() == after


CONTRADICTIONS = {
    "fewer transitions": (["--transitions", "5"], ["--transitions 5", "640", "not shorter"]),
    "another seed": (["--seed", "3"], ["--seed 3", "0"]),
    "another side": (["--train", "both"], ["--train both", "leaders"]),
    "another algorithm": (["--algorithm", "sac"], ["--algorithm sac", "ppo"]),
    "another scenario": (["--scenario", "campus"], ["--scenario campus", "duo"]),
    "a market file": (["--scenario", "market.json"], ["--scenario market.json", "duo"]),
    "another load": (["--load", "2"], ["--load 2.0", "1.0"]),
    "another market": (["--market-seed", "1"], ["--market-seed 1", "0"]),
    "another policy": (["--policy", "set"], ["--policy set", "mlp"]),
    "a preset": (["--preset", "quick"], ["--preset quick", LeaderConfig.presets["quick"]["transitions"], "640"]),
}


@pytest.mark.parametrize(("options", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_an_option_that_contradicts_the_run_to_resume_is_told(command, tmp_path, run, options, words):
    Scenario.preset("duo").sample().to_json(tmp_path / "market.json")
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert fails(command("train.py", "--resume", "--out", run, *options), *words)
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_options_that_were_not_given_are_those_of_the_run_also_their_defaults(command, tmp_path):
    folder = write_tiny(tmp_path / "x", seed=1, load=2.0, transitions=0)
    for option, value in (("--seed", "0"), ("--load", "1.0"), ("--scenario", "campus")):
        assert fails(command("train.py", "--resume", "--out", folder, option, value), f"{option} {value}")
    asked = ["--train", "leaders", "--scenario", "duo", "--seed", "1", "--load", "2.0", "--algorithm", "ppo"]
    assert command("train.py", "--resume", "--out", folder, *asked, "--policy", "mlp", "--transitions", "0")[0] == 0


def test_a_market_file_is_that_of_the_run_or_told(command, tmp_path):
    for name, seed in (("a.json", 0), ("same.json", 0), ("other.json", 1)):
        Scenario.preset("random", num_mus=2, num_asps=1).sample(seed).to_json(tmp_path / name)
    write_tiny(tmp_path / "x", scenario=str(tmp_path / "a.json"), transitions=0)
    for good in ("a.json", "same.json"):
        assert command("train.py", "--resume", "--out", "x", "--scenario", good)[0] == 0
    (tmp_path / "a.json").unlink()
    assert command("train.py", "--resume", "--out", "x", "--scenario", "a.json")[0] == 0
    assert fails(command("train.py", "--resume", "--out", "x", "--scenario", "other.json"), "--scenario other.json")


def test_a_set_policy_is_resumed_by_its_own_options_and_made_longer(command, tmp_path):
    asked = ["--policy", "set", "--preset", "quick", "--updates", "1", "--loads", "0.5", "2"]
    asked += ["--num-mus", "2", "3", "--num-asps", "1", "2"]
    assert command("train.py", *asked, "--out", "x")[0] == 0
    for options, words in (
        (["--num-mus", "2", "4"], ["--num-mus 2 4", "2 3"]),
        (["--loads", "0.5", "3"], ["--loads 0.5 3.0", "0.5 2.0"]),
        (["--preset", "long", "--updates", "2"], ["--preset long", "final_evaluation_markets"]),
        (["--updates", "0"], ["--updates 0", "not shorter"]),
    ):
        assert fails(command("train.py", "--resume", "--out", "x", *options), *words)
    status, _, err = command("train.py", "--resume", "--out", "x", "--transitions", "9")
    assert (status, "Unrecognized options: --transitions" in " ".join(err.split())) == (2, True)
    assert fails(command("train.py", "--resume", "--out", "x", "--policy", "mlp"), "--policy mlp", "--policy set")
    assert command("train.py", "--resume", "--updates", "2", "--out", "x")[0] == 0
    assert json.loads((tmp_path / "x" / "metrics.json").read_text())["updates"] == 2


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


SETTINGS = {"learning_rate": 3e-4, "hidden": (64, 64), "gamma": 0.9, "batch_size": 64, "slots": 2, "num_mus": 3}


def test_every_field_of_the_configuration_chosen_is_an_option_and_no_other(command):
    asked = typed("--learning-rate 3e-4 --hidden 64 64 --gamma 0.9 --batch-size 64 --slots 2 --num-mus 3")
    assert (asked.config, asked.given) == (with_fields(JointConfig(), SETTINGS), SETTINGS.keys())
    for chosen, foreign in (
        ([], ["--updates", "--replay", "--leaders", "--loads"]),
        (["--train", "leaders"], ["--rewards", "--head-start", "--follower-hidden", "--updates"]),
        (["--algorithm", "sac"], ["--clip-range", "--gae-lambda", "--initial-log-std"]),
        (["--policy", "set"], ["--transitions", "--load", "--market-seed", "--hidden", "--clip-range"]),
    ):
        _, text, _ = command("train.py", *chosen, "--help")
        for option in foreign:
            status, _, err = command("train.py", *chosen, option, "1")
            assert (status, option in err, "Unrecognized" in err) == (2, True, True)
            assert f"│ {option} " not in text


@pytest.mark.parametrize("chosen", [[], ["--train", "followers", "--algorithm", "sac"], ["--policy", "set"]])
def test_help_is_grouped_wrapped_and_names_no_none(command, monkeypatch, chosen):
    _, text, _ = command("train.py", *chosen, "--help")
    assert all(f"─ {group} options ─" in text for group in ("training", "configuration", "runs"))
    boxes = [line for line in text.splitlines() if line.startswith(("│", "╭", "╰"))]
    assert boxes
    assert max(map(len, boxes)) <= 80
    assert "None" not in text
    assert ":class:" not in text


def test_the_configuration_of_a_run_is_given_back(command, run):
    for file in (run / "config.json", run):
        assert typed("--config", file).config == read_config(run)
    asked = typed("--config", run / "config.json", "--seed", "5", "--epochs", "2")
    assert asked.config == with_fields(TINY, {"seed": 5, "epochs": 2})
    status, _, _ = command("train.py", "--config", run / "config.json", "--seed", "5", "--out", "again")
    assert (status, read_config(Path("again"))) == (0, replace(TINY, seed=5))


OWN = """
from aigc_market_env import Dynamics, Scenario
base = Scenario.preset("duo", dynamics=Dynamics(shadowing_db=1.0, request_probability=0.5))
market = base.sample()
number = 3
"""


def test_a_scenario_of_ones_own_is_trained_on_from_a_copy_that_runs_no_code(command, tmp_path):
    (tmp_path / "mine_only.py").write_text(OWN)
    asked = ["--train", "leaders", "--transitions", "0", "--final-evaluation-slots", "4"]
    for place in ("mine_only.py:base", "mine_only:base"):
        assert command("train.py", *asked, "--scenario", place, "--out", place)[0] == 0
    (tmp_path / "mine_only.py").unlink()
    for place in ("mine_only.py:base", "mine_only:base"):
        scenario = read_config(tmp_path / place).make_scenario()
        assert scenario.dynamics == Dynamics(shadowing_db=1.0, request_probability=0.5)
        assert scenario.sample() == Scenario.preset("duo").sample()
        assert command("train.py", "--resume", "--transitions", "64", "--out", place)[0] == 0
        assert command("evaluate.py", place, "--markets", "2")[0] == 0


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mine.py:nothing", ["no such object", "base, market"]),
        ("mine.py:number", ["a int, not a Scenario"]),
        ("mine.py:", ["FILE.py:object"]),
        ("bad.py:base", ["ZeroDivisionError"]),
        ("no_such_module:base", ["no module no_such_module"]),
    ],
)
def test_code_that_is_no_scenario_is_told(command, tmp_path, place, words):
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "bad.py").write_text("1 / 0")
    assert fails(command("train.py", "--scenario", place), place, *words)
    assert not (tmp_path / "runs").exists()


def test_a_market_of_ones_own_takes_no_load_and_no_code_comes_from_a_file(command, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    assert fails(command("train.py", "--scenario", "mine.py:market", "--load", "2"), "load applies to presets")
    document = as_document(LeaderConfig()) | {"scenario": "mine.py:base"}
    (tmp_path / "config.json").write_text(json.dumps(document))
    assert fails(command("train.py", "--config", "config.json"), "mine.py:base", "no such file")
