"""What TensorBoard shows of runs of every kind, also of those that were killed and resumed: one point a step."""

import json
import shutil
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tiny_configs import TINY, made

from agents.algorithms.sac import SAC
from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.config import FollowerConfig, JointConfig
from agents.documents import flat
from agents.market_draws import MarketDistribution
from agents.set_training.train import train_set_policy
from agents.training import run as loop
from agents.training.both import train_both
from agents.training.checkpoint import save_checkpoint
from agents.training.event_files import keep_events
from agents.training.one_side import train_followers, train_leaders
from agents.training.tags import REGRET_TAGS

SHARED = {
    name: flat(TINY)[name]
    for name in ("scenario", "markets", "slots", "batch_size", "epochs", "hidden", "evaluation_slots")
} | {"transitions": 640, "final_evaluation_slots": 4}
SETS = {
    "markets": MarketDistribution(num_mus=(2, 3), num_asps=(1, 2)), "updates": 25, "links": 24, "width": 8, "layers": 1,
    "evaluation_markets": 2, "final_evaluation_markets": 2, "larger_sizes": (),
}  # fmt: skip
#: Trainer, configuration, and sub-folders with events.
KINDS = {
    "leaders": (train_leaders, replace(TINY, transitions=640, evaluate_every=None), ["."]),
    "sac": (
        train_leaders,
        replace(TINY, transitions=640, algorithm=SAC(batch_size=32, epochs=1), evaluate_every=150),
        ["."],
    ),
    "followers": (train_followers, made(FollowerConfig, **SHARED), ["."]),
    "both": (
        train_both,
        made(JointConfig, **SHARED, follower_slots=4, follower_hidden=(6,), head_start=0.2),
        ["mus", "asps"],
    ),
    "set": (train_set_policy, EquilibriumConfig(**SETS, evaluate_every=4), ["."]),
}
EVERY = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run folders of every kind, to be read only."""
    folders = {}
    for kind, (train, config, _) in KINDS.items():
        folders[kind] = tmp_path_factory.mktemp(kind)
        train(replace(config, checkpoint_seconds=1e9), folders[kind])
    return folders


def points(folder):
    """Every scalar tag's steps and values, by tag; speed apart, which is the clock's."""
    events = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return {
        tag: sorted((event.step, event.value) for event in events.Scalars(tag))
        for tag in events.Tags()["scalars"]
        if not tag.startswith(("time/fps", "_hparams_"))
    }


def raw_steps(folder):
    """Steps of every tag as the files have them, whatever readers make of restarts."""
    steps = defaultdict(list)
    for path in sorted(folder.glob("*tfevents*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                steps[value.tag].append(event.step)
    return steps


@EVERY
def test_a_step_has_one_point_of_everything(finished, kind):
    for sub in KINDS[kind][2]:
        for tag, steps in raw_steps(finished[kind] / sub).items():
            assert len(steps) == len(set(steps)), (sub, tag)
        shown = points(finished[kind] / sub)
        updates = [step for step, _ in shown["train/loss" if kind != "sac" else "train/actor_loss"]]
        others = [step for step, _ in shown["time/transitions" if kind == "set" else "market/qoe_per_mu"]]
        assert updates == others  # the last one included
        assert {step for tag in shown if tag.startswith("train/") for step, _ in shown[tag]} == set(updates)


class Killed(BaseException):
    """What stops a run dead."""


def dies_after(patch, saves):
    """Have a run be killed an evaluation and a rollout or two after a number of checkpoints."""
    count = 0

    def saved_or_not(*arguments):
        nonlocal count
        count += 1
        if count <= saves:
            save_checkpoint(*arguments)
        if count == saves + 3:
            raise Killed

    patch.setattr(loop, "save_checkpoint", saved_or_not)


@EVERY
def test_a_run_killed_again_and_again_shows_what_one_does_that_never_was(finished, tmp_path, monkeypatch, kind):
    train, config, folders = KINDS[kind]
    often = replace(config, checkpoint_seconds=0.0)
    for resume in (False, True, True):
        with monkeypatch.context() as patch:
            dies_after(patch, 0 if not resume else 2)
            with pytest.raises(Killed):
                train(often, tmp_path, resume=resume)
    train(often, tmp_path, resume=True)
    train(often, tmp_path, resume=True)  # as when it is killed while its figures are drawn
    for sub in folders:
        assert len(list((tmp_path / sub).glob("*tfevents*"))) > 1
        whole, resumed = points(finished[kind] / sub), points(tmp_path / sub)
        assert {tag for tag in whole if not tag.startswith("rollout/")} <= set(resumed)
        for tag in resumed:
            if not tag.startswith("rollout/"):  # episodes that have ended are not in checkpoints
                assert resumed[tag] == whole[tag], tag
        for tag, steps in raw_steps(tmp_path / sub).items():
            assert len(steps) == len(set(steps)), tag  # text and hyperparameters once, too


@EVERY
def test_curves_end_with_the_final_evaluation_and_have_twenty_points(finished, tmp_path, kind):
    train, config, folders = KINDS[kind]
    metrics = json.loads((finished[kind] / "metrics.json").read_text())
    last = metrics["curve"][-1]
    name = "follower_regret_relative" if kind == "followers" else "leader_regret_relative"
    assert last[name] == metrics[name]
    assert last["transitions"] == metrics["transitions"]
    tag = f"regret/{REGRET_TAGS[name]}"
    steps, values = zip(*points(finished[kind] / folders[0])[tag], strict=True)
    unit = "updates" if kind == "set" else "transitions"
    assert list(steps) == [point[unit] for point in metrics["curve"]]
    assert np.allclose(values, [point[name] for point in metrics["curve"]], rtol=1e-6)
    length = {"updates": 50} if kind == "set" else {"transitions": 64 * 50}
    _, metrics = train(replace(config, evaluate_every=None, checkpoint_seconds=1e9, **length), tmp_path)
    assert 20 <= len(metrics["curve"]) <= 42


def test_a_run_begun_anew_in_its_folder_shows_itself_alone(finished, tmp_path):
    shutil.copytree(finished["leaders"], tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").unlink()
    train, config, _ = KINDS["leaders"]
    train(config, tmp_path / "run", resume=True)
    assert points(tmp_path / "run") == points(finished["leaders"])


def test_a_run_made_longer_shows_no_end_in_between(finished, tmp_path):
    shutil.copytree(finished["both"], tmp_path / "run")
    train, config, folders = KINDS["both"]
    longer = replace(config, transitions=1280, checkpoint_seconds=1e9)
    _, metrics = train(longer, tmp_path / "run", resume=True)
    curve = [point["transitions"] for point in metrics["curve"]]
    assert curve == sorted(set(curve))
    for sub in folders:
        assert [
            step for step, _ in points(tmp_path / "run" / sub)[f"payoff_of_each/{sub.removesuffix('s')}_0"]
        ] == curve
        for tag, steps in raw_steps(tmp_path / "run" / sub).items():
            assert len(steps) == len(set(steps)), tag


def test_half_a_record_and_half_a_file_are_no_hindrance(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished["leaders"], folder)
    (path,) = folder.glob("*tfevents*")
    path.write_bytes(path.read_bytes()[:-5])
    (folder / f"{path.name}.new").write_bytes(b"half")
    assert keep_events(folder, 128, [0, 64])
    assert list(folder.glob("*tfevents*")) == [path]
    shown = points(folder)
    assert [step for step, _ in shown["train/loss"]] == [64, 128]
    assert [step for step, _ in shown["regret/mus"]] == [0, 64]
    assert not keep_events(tmp_path, 128, [])
