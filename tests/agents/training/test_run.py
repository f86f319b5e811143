"""The one loop of runs of every kind."""

import signal
from dataclasses import replace

import pytest
import torch
from tiny_configs import TINY, made

from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.config import JointConfig
from agents.market_draws import MarketDistribution
from agents.policy.files import WEIGHTS_FILE
from agents.set_training.train import train_set_policy
from agents.training import run as loop
from agents.training.both import train_both
from agents.training.checkpoint import CHECKPOINT_FILE
from agents.training.one_side import train_leaders

KINDS = {
    "leaders": (train_leaders, replace(TINY, checkpoint_seconds=1e9)),
    "both": (
        train_both,
        made(
            JointConfig, scenario="duo", transitions=256, markets=8, slots=4, follower_slots=4, batch_size=32, epochs=1,
            hidden=(8,), evaluation_slots=4, final_evaluation_slots=4, checkpoint_seconds=1e9,
        ),
    ),
    "set": (
        train_set_policy,
        EquilibriumConfig(
            markets=MarketDistribution(num_mus=(2, 3), num_asps=(1, 2)), updates=3, links=24, width=8, layers=1,
            evaluation_markets=2, final_evaluation_markets=2, larger_sizes=(), checkpoint_seconds=1e9,
        ),
    ),
}  # fmt: skip


def weights(folder):
    return [path.read_bytes() for path in sorted(folder.rglob(WEIGHTS_FILE))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_told_to_stop_while_it_is_measured_learns_no_more_and_goes_on_to_the_same_bytes(
    tmp_path, monkeypatch, kind
):
    train, config = KINDS[kind]
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "log_evaluation", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "stopped")
    document = torch.load(tmp_path / "stopped" / CHECKPOINT_FILE, weights_only=True)
    assert [point["transitions"] for point in document["curve"]] == [0]
    assert document.get("rollouts", document.get("update")) == 0
    _, metrics = train(config, tmp_path / "stopped", resume=True)
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole") != []
    curve = [point["transitions"] for point in metrics["curve"]]
    assert curve == sorted(set(curve))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_length_is_measured_once_and_saves_nothing(tmp_path, kind):
    train, config = KINDS[kind]
    unit = "updates" if kind == "set" else "transitions"
    _, metrics = train(replace(config, **{unit: 0}), tmp_path)
    assert metrics[unit] == metrics["curve"][0][unit] == 0
    assert len(metrics["curve"]) == 1
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    assert weights(tmp_path)
