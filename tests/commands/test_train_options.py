"""The options of train.py: those of the configuration chosen, files of configurations, scenarios of one's own."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_runs import TINY, fails, typed

from agents.config import JointConfig, LeaderConfig
from agents.documents import as_document, with_fields
from agents.run_folder import read_config
from aigc_market_env import Dynamics, Scenario, Wallet, WalletRange


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
    "market seed of a file": (["--scenario", "good.json", "--market-seed", "1"], "--market-seed 1"),
    "learning rate negative": (["--learning-rate", "-1"], "learning_rate = -1.0"),
    "checkpoints before the start": (["--checkpoint-seconds", "-1"], "checkpoint_seconds = -1.0"),
    "unknown rewards": (["--rewards", "far"], "error: rewards = 'far' must be one of"),
    "unknown rewards of followers": (
        ["--train", "followers", "--rewards", "far"],
        "error: rewards = 'far' must be one of",
    ),
    "leaders that are nowhere": (["--train", "followers", "--leaders", "nowhere"], "nowhere"),
    "transitions negative": (["--transitions", "-1"], "transitions"),
    "set policy of both sides": (["--policy", "set", "--train", "both"], "--train leaders"),
    "set policy of a file": (["--policy", "set", "--scenario", "good.json"], "good.json"),
    "set policy of a small market": (["--policy", "set", "--scenario", "duo"], "duo"),
    "sizes the wrong way round": (["--policy", "set", "--num-mus", "8", "4"], "num_mus"),
    "a size that the preset cannot have": (["--scenario", "duo", "--num-mus", "3"], "num_mus"),
    "size of a file": (["--scenario", "good.json", "--num-asps", "2"], "num_asps applies to presets"),
    "satiation of a file": (["--scenario", "good.json", "--satiation", "2"], "satiation applies to presets"),
    "more satiation than there is": (["--satiation", "101"], "satiation = 101"),
    "satiation the wrong way round": (["--policy", "set", "--satiation", "6", "0"], "satiation = (6.0, 0.0)"),
    "gamma of one": (["--gamma", "1"], "gamma = 1.0"),
    "no configuration": (["--config", "nowhere/config.json"], "nowhere/config.json"),
    "a configuration and a choice": (["--config", "bad.json", "--train", "leaders"], "--train leaders"),
    "code that is not there": (["--scenario", "nowhere.py:market"], "nowhere.py"),
    "loads the wrong way round": (["--policy", "set", "--loads", "3", "1"], "loads"),
    "updates negative": (["--policy", "set", "--updates", "-1"], "updates"),
    "followers of every market by ppo": (["--policy", "set", "--train", "followers", "--algorithm", "ppo"], "ppo"),
    "exact conditions of one market": (["--algorithm", "equilibrium"], "--policy mlp"),
    "resume nothing": (["--resume"], "campus-seed0"),
    "wallets by ppo": (["--policy", "set", "--scenario", "prepaid", "--algorithm", "ppo"], "scenario = 'prepaid'"),
    "followers of wallets": (
        ["--policy", "set", "--scenario", "prepaid", "--train", "followers"],
        "side = 'followers'",
    ),
    "no wallets by levels": (["--policy", "set", "--scenario", "town", "--algorithm", "levels"], "scenario = 'town'"),
    "resume no set policy": (["--resume", "--policy", "set"], "campus-set-leaders-equilibrium-seed0"),
    "resume another folder": (["--resume", "--out", "nowhere"], "nowhere"),
    "out a file": (["--out", "bad.json/x"], "bad.json"),
    "a scenario with a long name": (["--scenario", "x" * 300], "unknown scenario"),
    "a configuration with a long name": (["--config", "x" * 300], "--config xxx"),
    "a run with a long name": (["--resume", "--out", "x" * 300], "--out xxx"),
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


SETTINGS = {"learning_rate": 3e-4, "hidden": (64, 64), "gamma": 0.9, "batch_size": 64, "slots": 2, "num_mus": 3}


def test_every_field_of_the_configuration_chosen_is_an_option_and_no_other(command):
    asked = typed("--learning-rate 3e-4 --hidden 64 64 --gamma 0.9 --batch-size 64 --slots 2 --num-mus 3")
    assert (asked.config, asked.given) == (with_fields(JointConfig(), SETTINGS), SETTINGS.keys())
    for chosen, foreign in (
        ([], ["--updates", "--replay", "--leaders", "--loads"]),
        (["--train", "leaders"], ["--rewards", "--head-start", "--follower-hidden", "--updates"]),
        (["--algorithm", "sac"], ["--clip-range", "--gae-lambda", "--initial-log-std"]),
        (["--policy", "set"], ["--side", "--transitions", "--load", "--market-seed", "--hidden", "--clip-range"]),
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
from dataclasses import replace
from aigc_market_env import Dynamics, Scenario, Wallet, WalletRange
changes = Dynamics(shadowing_db=1.0, request_probability=0.5, worth_deviation=0.5, load_profile=(1.0, 2.0))
base = Scenario.preset("duo", dynamics=changes, wallet=WalletRange(Wallet(1.0, [0.1, 0.2]), Wallet(2.0, 0.3)))
market = base.sample()
number = 3
broken = replace(base, build=lambda uniforms: 1 / 0)
"""


def test_a_scenario_of_ones_own_is_trained_on_from_a_copy_that_runs_no_code(command, tmp_path):
    (tmp_path / "mine_only.py").write_text(OWN)
    asked = ["--train", "leaders", "--transitions", "0", "--final-evaluation-slots", "4"]
    for place in ("mine_only.py:base", "mine_only:base"):
        assert command("train.py", *asked, "--scenario", place, "--out", place)[0] == 0
    (tmp_path / "mine_only.py").unlink()
    for place in ("mine_only.py:base", "mine_only:base"):
        scenario = read_config(tmp_path / place).make_scenario()
        assert scenario.dynamics == Dynamics(1.0, request_probability=0.5, worth_deviation=0.5, load_profile=(1.0, 2.0))
        assert scenario.wallet == WalletRange(Wallet(1.0, [0.1, 0.2]), Wallet(2.0, 0.3))
        assert scenario.sample() == Scenario.preset("duo").sample()
        assert command("train.py", "--resume", "--transitions", "64", "--out", place)[0] == 0
        assert command("evaluate.py", place, "--markets", "2")[0] == 0
    config = typed("--config", tmp_path / "mine_only:base", "--scenario", "duo").config
    assert (config.dynamics, config.wallet) == (None, None)  # duo's own
    status, _, err = command("train.py", "--config", "mine_only:base", "--shadowing-db", "5")
    assert (status, "Unrecognized options: --shadowing-db" in err) == (2, True)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mine.py:nothing", ["no such object", "base, market"]),
        ("mine.py:number", ["a int, not a Scenario"]),
        ("mine.py:", ["FILE.py:object"]),
        ("mine.py:broken", ["drawing a market failed", "ZeroDivisionError"]),
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


@pytest.mark.parametrize(("scenario", "algorithm"), [("prepaid", "levels"), ("town", "equilibrium")])
def test_whether_there_are_wallets_says_how_set_policies_learn(scenario, algorithm):
    config = typed(f"--policy set --scenario {scenario} --updates 3").config
    assert (config.algorithm, config.markets.scenario, config.updates) == (algorithm, scenario, 3)
