import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import load_policy
from agents.algorithms.set_levels import LevelConfig
from agents.evaluation.set_episodes import evaluate_level_policy
from agents.held_out.episodes import evaluate_sizes_of_episodes, has_episodes, has_sizes_of_episodes
from agents.market_draws import MarketDistribution
from agents.policy.files import WEIGHTS_FILE
from agents.reports.set_episodes import set_episodes_table
from agents.run_folder import read_config
from agents.set_training import run as set_training
from agents.set_training.train import train_set_policy
from baselines.episodes import AdaptivePacing
from experiments.execute import here

CONFIG = LevelConfig(
    markets=MarketDistribution("prepaid", (2, 3), (1, 2)),
    updates=12,
    links=24,
    width=8,
    layers=1,
    level_width=8,
    level_layers=1,
    horizon=3,
    episode_links=24,
    epochs=2,
    evaluate_every=5,
    evaluation_markets=1,
    final_evaluation_markets=1,
    larger_sizes=((4, 2),),
    checkpoint_seconds=1e9,
)
SIZES = [(2, 1), (3, 2), (4, 2)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder, to be read only."""
    folder = tmp_path_factory.mktemp("levels")
    train_set_policy(CONFIG, folder)
    return folder


def weights(folder):
    return (folder / WEIGHTS_FILE).read_bytes()


def test_the_run_folder_holds_what_it_should(finished):
    assert {"config.json", "policy.json", WEIGHTS_FILE, "metrics.json", "checkpoint.pt"} <= {
        path.name for path in finished.iterdir()
    }
    assert read_config(finished) == CONFIG
    policy = load_policy(finished)
    assert policy.kind == "leader_levels"
    assert policy.architecture.horizon == 3
    metrics = json.loads((finished / "metrics.json").read_text())
    assert [point["updates"] for point in metrics["curve"]] == [0, 5, 10, 12]
    assert all(point["leader_regret_worst"] >= point["leader_regret_relative"] >= 0 for point in metrics["curve"])
    result = evaluate_level_policy(policy, CONFIG.markets, SIZES, count=1, thorough=True)
    figures = {name: value for name, value in result.figures().items() if not isinstance(value, str)}
    assert {name: metrics[name] for name in figures} == pytest.approx(figures, rel=1e-6)
    assert all(found.certified is not None for found in result.by_size.values())


def test_tensorboard_shows_learning_and_regret(finished):
    events = EventAccumulator(str(finished)).Reload()
    tags = set(events.Tags()["scalars"])
    assert {"train/loss", "train/error", "train/pricing_error", "train/learning_rate", "regret/mus"} <= tags
    assert [event.step for event in events.Scalars("train/loss")] == [10, 12]
    assert [event.step for event in events.Scalars("regret/mus")] == [0, 5, 10, 12]


class Killed(BaseException):
    """What stops a run dead."""


def test_a_run_killed_again_and_again_ends_with_the_same_bytes(finished, tmp_path, monkeypatch):
    step = set_training.SetLearner.step
    for updates in (2, 4):
        count = 0

        def die(self, updates=updates):
            nonlocal count
            count += 1
            if count > updates:
                raise Killed
            return step(self)

        with monkeypatch.context() as patch:
            patch.setattr(set_training.SetLearner, "step", die)
            with pytest.raises(Killed):
                train_set_policy(replace(CONFIG, checkpoint_seconds=0.0), tmp_path, resume=True)
    train_set_policy(CONFIG, tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished)


def test_a_longer_run_goes_on_from_a_shorter_one(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "longer")
    train_set_policy(replace(CONFIG, updates=14), folder, resume=True)
    assert json.loads((folder / "metrics.json").read_text())["updates"] == 14
    assert weights(folder) != weights(finished)


def test_measuring_does_not_change_what_is_learned(finished, tmp_path):
    train_set_policy(replace(CONFIG, evaluate_every=12, evaluation_markets=1), tmp_path)
    assert weights(tmp_path) == weights(finished)


def test_it_is_measured_anew_beside_other_mechanisms(finished):
    assert has_episodes(finished)
    assert has_sizes_of_episodes(finished)
    console = Console(file=io.StringIO(), width=100)
    result = evaluate_sizes_of_episodes(finished, 2, [AdaptivePacing()], here, console)
    assert list(result.by_size) == SIZES
    whole = evaluate_level_policy(
        load_policy(finished), CONFIG.markets, SIZES, count=2, mechanisms=[AdaptivePacing()], thorough=True
    )
    for size in SIZES:
        one, other = result.by_size[size], whole.by_size[size]
        assert list(one.plays) == ["learned", "oracle", "adaptive_pacing"]
        np.testing.assert_allclose(one.learned.utility, other.learned.utility, rtol=1e-5)
        assert one.relative.mean == pytest.approx(other.relative.mean, rel=1e-3)
    console.print(set_episodes_table(result, "a run"))
    shown = console.file.getvalue()
    assert "adaptive pacing" in shown
    assert "4 × 2" in shown
    assert "unseen" in shown
