"""train.py --resume: what goes on, what becomes longer, what contradicts."""

import json
import os
from dataclasses import replace

import pytest
from tiny_runs import TINY, fails

from agents.config import JointConfig, LeaderConfig
from agents.documents import with_fields
from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import begin_run, read_config, write_config
from agents.sweeps.whole_run import train_whole
from aigc_market_env import Scenario
from aigc_market_env.files import writing


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


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_run_is_not_resumed_while_it_is_trained(command, run):
    before = (run / "checkpoint.pt").read_bytes()
    with writing(run):
        assert fails(command("train.py", "--resume", "--transitions", "960", "--out", run), run, "another command")
    assert (run / "checkpoint.pt").read_bytes() == before
    assert read_config(run).transitions == 640


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


MANY = """
from aigc_market_env import Scenario
many = Scenario.preset("random", num_mus=2, num_asps=1)
"""


def test_one_of_many_markets_of_ones_own_is_resumed_by_the_same_command_and_by_no_other_market(command, tmp_path):
    drawn = Scenario.preset("random", num_mus=2, num_asps=1)
    (tmp_path / "mine.py").write_text(MANY)
    asked = ["--train", "leaders", "--scenario", "mine.py:many", "--transitions", "0", "--final-evaluation-slots", "4"]
    assert command("train.py", *asked, "--market-seed", "3", "--out", "x")[0] == 0
    assert read_config(tmp_path / "x").make_scenario().sample() == drawn.sample(3) != drawn.sample(0)
    for options in (asked, [], ["--market-seed", "3"], [*asked, "--market-seed", "3"]):
        assert command("train.py", "--resume", "--out", "x", *options)[0] == 0
    assert fails(command("train.py", "--resume", "--out", "x", *asked, "--market-seed", "4"), "--market-seed 4")
    (tmp_path / "others.py").write_text(MANY.replace("num_mus=2", "num_mus=3"))
    others = ["--scenario", "others.py:many"]
    assert fails(command("train.py", "--resume", "--out", "x", *others), "--scenario random: x is a run with")


def test_a_configuration_that_contradicts_the_run_to_resume_is_told(command, tmp_path, run):
    other = write_tiny(tmp_path / "other", seed=1)
    same = write_tiny(tmp_path / "same", transitions=320, checkpoint_seconds=9.0)
    joint = tmp_path / "joint"
    write_config(JointConfig(), joint)
    resume = ["--resume", "--out", run, "--config"]
    assert fails(command("train.py", *resume, other), "--config", "other, which is --seed 1", "a run with 0")
    assert fails(command("train.py", *resume, joint), "--config", "joint, which is --train both", "--train leaders")
    assert fails(command("train.py", *resume, "nowhere.json"), "--config nowhere.json: no such file")
    assert command("train.py", *resume, same)[0] == 0
    assert command("train.py", *resume, other, "--seed", "0")[0] == 0


def test_how_often_a_run_is_saved_may_change_when_it_goes_on(command, tmp_path, run):
    assert command("train.py", "--resume", "--out", run, "--checkpoint-seconds", "7")[0] == 0
    assert read_config(tmp_path / run).checkpoint_seconds == 7.0


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
