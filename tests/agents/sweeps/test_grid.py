"""Sweeps over fields: how they are read, what their combinations are called, and what their table says."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from widths import WIDTHS, words_at

from agents.algorithms.ppo import PPO
from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from agents.config import FollowerConfig, JointConfig, LeaderConfig
from agents.documents import as_document
from agents.sweeps.grid import combination_name, combinations, grid_table, with_values
from agents.sweeps.sweep import SweepRun
from experiments.jobs import Done

CONFIG = JointConfig()


def test_every_combination_is_read_by_the_types_of_the_fields():
    found = combinations(["learning_rate=1e-3,3", "hidden=64,8x16", "epochs=2", "rewards=random"], CONFIG)
    assert [tuple(values.values()) for values in found] == [
        (1e-3, (64,), 2, "random"),
        (1e-3, (8, 16), 2, "random"),
        (3.0, (64,), 2, "random"),
        (3.0, (8, 16), 2, "random"),
    ]
    assert all(list(values) == ["learning_rate", "hidden", "epochs", "rewards"] for values in found)
    assert [type(value) for value in found[2].values()] == [float, tuple, int, str]
    assert combinations([], CONFIG) == [{}]


@pytest.mark.parametrize(("config", "field"), [(EquilibriumConfig(), "kink_width"), (SetPPOConfig(), "clip_range")])
def test_set_policies_have_fields_of_their_own(config, field):
    assert combinations([f"{field}=0.1,0.3"], config) == [{field: 0.1}, {field: 0.3}]
    with pytest.raises(ValueError, match="hidden: no field"):
        combinations(["hidden=8"], config)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["learning_rate"], "learning_rate must be like learning_rate=1e-3,3e-4"),
        ([""], "must be like"),
        (["=1"], "no field .* choose from load, .* learning_rate"),
        (["learning=1"], "learning: no field .* choose from load, .* learning_rate"),
        (["side=leaders"], "side: give --train"),
        (["seed=1,2"], "seed: give --seeds"),
        (["scenario=duo"], "scenario: give --scenario"),
        (["algorithm=ppo,sac"], "algorithm: give --algorithm"),
        (["epochs=1", "slots=2", "epochs=3"], "epochs is given twice"),
        (["learning_rate=0.001,1e-3"], "learning_rate: 0.001 is given twice"),
        (["epochs="], "epochs: '' must be a whole number"),
        (["epochs=1,,2"], "epochs: '' must be a whole number"),
        (["rewards=,random"], "rewards: '' must be text"),
        (["epochs=2.5"], "epochs: '2.5' must be a whole number"),
        (["learning_rate=fast"], "learning_rate: 'fast' must be a number"),
        (["hidden=8x"], "hidden: '8x' must be widths such as 128x128"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_told(texts, message):
    with pytest.raises(ValueError, match=f"--sweep .*{message}"):
        combinations(texts, CONFIG)


@pytest.mark.parametrize("config", [EquilibriumConfig(), SetPPOConfig()])
@pytest.mark.parametrize("field", ["markets", "larger_sizes", "num_mus", "seed", "side"])
def test_fields_of_no_such_type_are_refused_and_not_offered(config, field):
    with pytest.raises(ValueError, match=f"--sweep {field}") as told:
        combinations([f"{field}=3"], config)
    assert field not in str(told.value).partition("choose from ")[2].split(", ")


def test_a_combination_out_of_range_is_named():
    with pytest.raises(ValueError, match="--sweep epochs=2,batch_size=1: batch_size = 1 must be"):
        with_values(CONFIG, {"epochs": 2, "batch_size": 1})


def test_a_combination_changes_its_fields_and_no_others():
    values = {"epochs": 2, "hidden": (8,)}
    assert with_values(CONFIG, values) == replace(CONFIG, algorithm=PPO(epochs=2), hidden=(8,))
    assert with_values(CONFIG, {}) == CONFIG


def test_names_are_folders_and_differ():
    assert combination_name({"learning_rate": 1e-3, "hidden": (64, 8)}) == "learning_rate=0.001,hidden=64x8"
    texts = ["leaders=a/b,a_b,a%2Fb,../a"]
    names = [combination_name(values) for values in combinations(texts, FollowerConfig())]
    assert len(set(names)) == 4
    assert all(Path(name).name == name for name in names)
    assert combination_name({"initial_log_std": 1e22}) == "initial_log_std=1e+22"


# The table ------------------------------------------------------------------------------------------------------------


def printed(config, regrets, width=120):
    """The lines of the table of two rates; ``regrets``, by name, are those of each rate and seed, None where failed."""
    runs, done = [], []
    for rate, found in zip((0.01, 0.02), regrets, strict=True):
        for seed, figures in enumerate(found):
            values = {"learning_rate": rate}
            run = SweepRun(replace(config, seed=seed, **values), Path(f"rate={rate}/seed{seed}"), values)
            assert run.values.items() <= as_document(run.config).items()
            result = None if figures is None else {**figures, "wall_seconds": 6.0 + 2 * seed}
            runs.append(run)
            done.append(Done(run.key, result, "ValueError: [no] good" if figures is None else None))
    text = io.StringIO()
    Console(file=text, width=width).print(grid_table(runs, done, "title"))
    return text.getvalue()


def leaders(regret):
    return {"leader_regret_relative": regret, "follower_regret_relative": 0.0}


def followers(regret):
    return {"leader_regret_relative": 1.0, "follower_regret_relative": regret}


def cells(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_the_table_has_means_and_ranges_and_marks_the_least_mean_of_what_is_learned():
    text = printed(LeaderConfig(), [[leaders(0.01), leaders(0.03)], [leaders(0.005), leaders(0.025)]])
    assert cells(text) == [
        ["0.01", "2.000%", "0.000%", "7 s"],
        ["", "1.000 – 3.000%", "", ""],
        ["0.02", "* 1.500%", "0.000%", "7 s"],
        ["", "0.500 – 2.500%", "", ""],
    ]
    assert "least mean" in text


def test_of_providers_it_is_theirs():
    text = printed(FollowerConfig(), [[followers(0.01)], [followers(0.02)]])
    assert cells(text) == [["0.01", "100.0%", "* 1.000%", "6 s"], ["0.02", "100.0%", "2.000%", "6 s"]]


def test_of_both_sides_each_has_its_own():
    better_mus = {"leader_regret_relative": 0.01, "follower_regret_relative": 0.04}
    better_asps = {"leader_regret_relative": 0.02, "follower_regret_relative": 0.03}
    text = printed(CONFIG, [[better_mus], [better_asps]])
    assert cells(text) == [["0.01", "* 1.000%", "4.000%", "6 s"], ["0.02", "2.000%", "* 3.000%", "6 s"]]


def test_set_policies_have_the_regret_of_their_side():
    regrets = [[{"follower_regret_relative": 0.02}], [{"follower_regret_relative": 0.01}]]
    text = printed(EquilibriumConfig(side="followers"), regrets)
    assert cells(text) == [["0.01", "2.000%", "6 s"], ["0.02", "* 1.000%", "6 s"]]


def test_a_combination_that_failed_in_part_is_not_the_best():
    text = printed(LeaderConfig(), [[leaders(0.01), None], [leaders(0.02), leaders(0.04)]])
    rows = cells(text)
    assert rows[:2] == [["0.01", "1.000%", "0.000%", "6 s"], ["", "", "", "1 of 2 failed"]]
    assert rows[2][1] == "* 3.000%"
    assert "rate=0.01/seed1: ValueError: [no] good" in text


@pytest.mark.parametrize("fields", [["epochs"], ["follower_learning_rate", "hidden", "batch_size", "learning_rate"]])
def test_no_terminal_is_too_narrow_for_the_numbers(fields):
    values = dict(zip(fields, (0.0003, (128, 128), 4096, 1e-5), strict=False))
    figures = {"leader_regret_relative": 0.0123, "follower_regret_relative": 0.4, "wall_seconds": 12345.0}
    runs = [SweepRun(replace(CONFIG, seed=seed), Path(f"{seed}"), values) for seed in (0, 1)]
    done = [Done(run.key, figures | {"leader_regret_relative": 0.01 * i}) for i, run in enumerate(runs)]
    table = grid_table(runs, done, "title")
    wide = words_at(400, table)
    for width in WIDTHS:
        numbers = {word for word in wide if re.search(r"\d", word)}
        assert numbers <= words_at(width, table)


def test_a_table_of_failures_alone():
    text = printed(LeaderConfig(), [[None], [None, None]])
    assert cells(text) == [["0.01", "1 of 1 failed"], ["0.02", "2 of 2 failed"]]


def test_a_regret_that_is_no_number_is_not_the_least():
    text = printed(LeaderConfig(), [[leaders(float("nan"))], [leaders(0.02)]])
    assert [row[1] for row in cells(text)] == ["nan%", "* 2.000%"]


def test_the_worst_agent_of_all_seeds_stands_below_the_mean():
    worst = [leaders(0.01) | {"leader_regret_worst": share} for share in (0.2, 0.4)]
    text = printed(LeaderConfig(), [worst, [leaders(0.02)]])
    assert [row[1] for row in cells(text)] == ["* 1.000%", "1.000 – 1.000%", "worst 40.0%", "2.000%"]
