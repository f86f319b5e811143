import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import load_policy
from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from agents.evaluation.sets import evaluate_set_policy
from agents.market_draws import MarketDistribution
from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import read_config
from agents.set_training import run as set_training
from agents.set_training.train import train_set_policy

SIZE = {
    "markets": MarketDistribution(num_mus=(2, 3), num_asps=(1, 2)),
    "updates": 12,
    "links": 24,
    "width": 8,
    "layers": 1,
    "evaluate_every": 5,
    "evaluation_markets": 2,
    "final_evaluation_markets": 2,
    "larger_sizes": ((4, 2),),
    "checkpoint_seconds": 1e9,
}
CONFIGS = {
    "equilibrium": EquilibriumConfig(**SIZE),
    "followers": EquilibriumConfig(side="followers", **SIZE),
    "ppo": SetPPOConfig(**SIZE),
}
EVERY = pytest.mark.parametrize("kind", CONFIGS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run folders, to be read only."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in CONFIGS}
    for kind, folder in folders.items():
        train_set_policy(CONFIGS[kind], folder)
    return folders


def weights(folder):
    return (folder / WEIGHTS_FILE).read_bytes()


@EVERY
def test_the_run_folder_holds_what_it_should(finished, kind):
    folder, config = finished[kind], CONFIGS[kind]
    assert {"config.json", "policy.json", WEIGHTS_FILE, "metrics.json", "checkpoint.pt"} <= {
        path.name for path in folder.iterdir()
    }
    assert not list(folder.glob("*.new"))
    assert read_config(folder) == config
    assert load_policy(folder).kind == ("follower_set" if kind == "followers" else "leader_set")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["updates"] == 12
    assert metrics["transitions"] > 0
    assert [point["updates"] for point in metrics["curve"]] == [0, 5, 10, 12]
    sizes = [(2, 1), (3, 2), (4, 2)]
    again = evaluate_set_policy(load_policy(folder), config.markets, sizes, count=2).figures()
    side = config.side.removesuffix("s")
    agent = again.pop(f"{side}_regret_worst_agent")
    names = {f"{side}_regret_{kind}" for kind in ("relative", "worst")}
    assert {f"{name}{what}" for name in names for what in ("", "_trained_sizes", "_other_sizes")} == set(again)
    assert {name: metrics[name] for name in again} == pytest.approx(again, rel=1e-6)
    assert metrics[f"{side}_regret_worst_agent"] == agent
    assert max(again.values()) > 0
    assert all(point[f"{side}_regret_worst"] >= point[f"{side}_regret_relative"] >= 0 for point in metrics["curve"])


@EVERY
def test_tensorboard_shows_learning_and_regret(finished, kind):
    events = EventAccumulator(str(finished[kind])).Reload()
    tags = events.Tags()
    own = "asp" if CONFIGS[kind].side == "followers" else "mu"
    assert {"train/loss", "train/learning_rate", "time/transitions", f"regret/{own}s"} <= set(tags["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == [10, 12]
    for name in (f"{own}s", f"worst_{own}"):
        assert [event.step for event in events.Scalars(f"regret/{name}")] == [0, 5, 10, 12]
    assert {"held_out/rewards" if own == "mu" else "held_out/allocation"} <= set(tags["images"])
    assert any("config" in tag for tag in tags["tensors"])
    for tag in tags["scalars"]:
        if not tag.startswith("hparams"):
            assert np.isfinite([event.value for event in events.Scalars(tag)]).all(), tag


class Killed(BaseException):
    """What stops a run dead."""


@EVERY
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_told_to_stop_saves_itself_and_ends_with_the_same_bytes(finished, tmp_path, monkeypatch, kind, number):
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        told_after(patch, 4, lambda: signal.raise_signal(number))
        with pytest.raises(KeyboardInterrupt):
            train_set_policy(CONFIGS[kind], tmp_path)
    assert signal.getsignal(number) is before
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["update"] == 4
    assert not (tmp_path / WEIGHTS_FILE).exists()
    _, metrics = train_set_policy(CONFIGS[kind], tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished[kind])
    assert [point["updates"] for point in metrics["curve"]] == [0, 5, 10, 12]


@EVERY
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(finished, tmp_path, monkeypatch, kind):
    config = replace(CONFIGS[kind], checkpoint_seconds=0.0)

    def die():
        raise Killed

    for number, (resume, update) in enumerate(((False, 2), (True, 2), (True, 5))):
        with monkeypatch.context() as patch:
            told_after(patch, update, die)
            with pytest.raises(Killed):
                train_set_policy(config, tmp_path, resume=resume)
        assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["update"] == [1, 2, 6][number]
    train_set_policy(config, tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished[kind])


def told_after(patch, updates, happen):
    """Have something happen in the update of a number, counted from this process's first one."""
    step, count = set_training.SetLearner.step, 0

    def watched(self):
        nonlocal count
        count += 1
        metrics = step(self)
        if count == updates:
            happen()
        return metrics

    patch.setattr(set_training.SetLearner, "step", watched)


def test_measuring_does_not_change_what_is_learned(finished, tmp_path):
    train_set_policy(replace(CONFIGS["ppo"], evaluate_every=3, evaluation_markets=1), tmp_path)
    assert weights(tmp_path) == weights(finished["ppo"])


def test_resuming_a_finished_run_trains_no_more(finished, tmp_path, monkeypatch):
    for path in finished["ppo"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(set_training.SetLearner, "step", lambda self: pytest.fail("an update"))
    train_set_policy(CONFIGS["ppo"], tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished["ppo"])


@EVERY
def test_a_run_made_longer_is_exactly_resumable(finished, tmp_path, kind):
    longer = replace(CONFIGS[kind], updates=18, checkpoint_seconds=0.0)
    whole, killed = (shutil.copytree(finished[kind], tmp_path / name) for name in ("whole", "killed"))
    train_set_policy(longer, whole, resume=True)
    assert json.loads((whole / "metrics.json").read_text())["updates"] == 18
    assert weights(whole) != weights(finished[kind])

    class KilledError(Exception):
        pass

    def die(self, out):
        save(self, out)
        if self.progress == 15:
            raise KilledError

    save = set_training.SetRun.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(set_training.SetRun, "save", die)
        with pytest.raises(KilledError):
            train_set_policy(longer, killed, resume=True)
    train_set_policy(longer, killed, resume=True)
    assert weights(killed) == weights(whole)
    with pytest.raises(ValueError, match=r"checkpoint\.pt: .*configuration"):
        train_set_policy(CONFIGS[kind], whole, resume=True)


def test_resuming_before_the_first_checkpoint_begins_anew(finished, tmp_path):
    train_set_policy(CONFIGS["ppo"], tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished["ppo"])


def test_a_checkpoint_that_does_not_fit_is_an_error_that_names_it(finished, tmp_path, trap):
    trapped, sprung = trap
    path = tmp_path / "checkpoint.pt"
    good = (finished["ppo"] / "checkpoint.pt").read_bytes()

    def refused(config, match):
        with pytest.raises(ValueError, match=rf"checkpoint\.pt: .*{match}"):
            train_set_policy(config, tmp_path, resume=True)

    path.write_bytes(good)
    refused(replace(CONFIGS["ppo"], seed=1), "configuration")
    refused(CONFIGS["equilibrium"], "configuration")
    path.write_bytes(good[:-9])
    refused(CONFIGS["ppo"], "damaged")
    document = torch.load(finished["ppo"] / "checkpoint.pt", weights_only=True)
    for change in ({"curve": 3}, {"update": "many"}, {"optimiser": {}}):
        torch.save(document | change, path)
        refused(CONFIGS["ppo"], "damaged")
    torch.save(trapped, path)
    refused(CONFIGS["ppo"], "damaged")
    assert not sprung.exists()


def test_torch_gets_its_threads_back(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train_set_policy(replace(CONFIGS["equilibrium"], updates=0), tmp_path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
