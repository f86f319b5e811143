"""The examples run with tiny settings, write what they say, and what they learned acts; one learns in earnest."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aigc_market_env import BatchedMarketEnv

FOLDER = Path(__file__).parents[2] / "examples"
#: Options that make an example short, and the transitions that it then plays.
TINY = {
    "ippo_both_sides": ({"total_timesteps": 5_000, "num_envs": 4}, 4_992),
    "mappo": ({"total_timesteps": 2_000, "num_envs": 2, "eval_slots": 4}, 2_048),
    "ppo_leaders": ({"total_timesteps": 2_000, "num_envs": 4, "eval_slots": 4}, 2_048),
    "sac_leader": (
        {"total_timesteps": 320, "num_envs": 4, "learning_starts": 64, "buffer_size": 128, "eval_slots": 4},
        320,
    ),
    "wallet_ppo": (
        {"total_timesteps": 1_024, "paths": 2, "plays": 4, "num_steps": 8, "eval_episodes": 1},
        1_024,
    ),
}


@pytest.fixture
def threads():
    """Examples have torch use one thread; tests that come later shall not notice."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def scalars(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_all_examples_are_tried():
    assert sorted(TINY) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", TINY)
def test_an_example_fits_on_a_few_screens_and_imports_little(name):
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert "stable_baselines3" not in text
    assert "import agents" not in text
    assert "from agents" not in text


@pytest.mark.parametrize("name", TINY)
def test_an_example_trains_writes_and_acts(name, tmp_path, threads):
    example, (options, transitions) = import_module(f"examples.{name}"), TINY[name]
    figures, again = (example.train(example.Args(**options, out=tmp_path / folder)) for folder in ("one", "again"))
    regrets = {figure: value for figure, value in figures.items() if figure.startswith("relative_regret")}
    assert regrets
    assert min(regrets.values()) > 0.0
    assert regrets == {figure: again[figure] for figure in regrets}  # the same seed gives the same run
    assert figures["transitions"] == transitions
    assert all(np.isfinite(value) for value in figures.values())

    written = scalars(tmp_path / "one")
    assert {tag.split("/")[0] for tag in written} == {"charts", "eval", "losses"}
    assert all(np.isfinite(values).all() for values in written.values())

    (weights,) = (tmp_path / "one").glob("*.pt")
    env = BatchedMarketEnv(example.Args.scenario, 3, seed=0)
    observations, _ = env.reset()
    acts = example.policy(weights)
    if name == "sac_leader":  # acts for one user
        acts = {"mu": lambda seen, act=acts: np.stack([act(seen[:, m]) for m in range(8)], axis=1)}
    for side, act in acts.items():
        actions = act(observations[side])
        assert actions.shape == ((3, 8, 4) if side == "mu" else (3, 4, 2, 8))
        assert 0.0 < actions.min() <= actions.max() <= 1.0


def test_the_first_example_learns(tmp_path, threads):
    example = import_module("examples.ppo_leaders")
    args = example.Args(eval_slots=32, out=tmp_path / "run")
    untrained = example.train(replace(args, total_timesteps=0, num_envs=1, learning_rate=0.0))
    trained = example.train(replace(args, total_timesteps=60_000))
    assert untrained["relative_regret"] > 0.05
    assert trained["relative_regret"] < 0.02
