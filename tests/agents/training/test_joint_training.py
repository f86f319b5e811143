import json
import shutil
import signal

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_configs import made

from agents import FollowerPolicy, LeaderPolicy, load_policy
from agents.config import JointConfig
from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import read_config
from agents.training import run as loop
from agents.training import tensorboard
from agents.training.both import train_both
from agents.training.checkpoint import CHECKPOINT_FILE, save_checkpoint
from agents.training.one_side import FollowerConfig, train_followers
from agents.training.tags import REGRET_TAGS


def tiny(**changes):
    fields = {
        "scenario": "duo",
        "transitions": 640,
        "markets": 8,
        "slots": 4,
        "follower_slots": 8,
        "batch_size": 32,
        "epochs": 1,
        "hidden": (8,),
        "follower_hidden": (6,),
        "head_start": 0.2,
        "evaluate_every": 200,
        "evaluation_slots": 4,
        "final_evaluation_slots": 8,
        "checkpoint_seconds": 1e-9,
    }
    return made(JointConfig, **fields | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of both sides, to be read only."""
    folder = tmp_path_factory.mktemp("both")
    train_both(tiny(), folder)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it, to do with as one likes."""
    return shutil.copytree(finished, tmp_path / "run")


def weights(folder):
    return [(folder / side / WEIGHTS_FILE).read_bytes() for side in ("mus", "asps")]


def test_the_run_folder_holds_what_it_should(finished):
    assert {path.name for path in finished.iterdir()} == {"config.json", "metrics.json", "checkpoint.pt", "mus", "asps"}
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {"leader_regret_relative", "follower_regret_relative", "slots", "wall_seconds"} <= set(metrics)
    assert {"leader_regret_relative_learned_asps", "mu_utility_ratio_learned_asps"} <= set(metrics)
    assert metrics["transitions"] == 640 == 128 + 4 * (64 + 64)  # two rollouts of the ASPs, four rounds
    assert metrics["slots"] == 4 * 32 + 6 * 64
    assert [point["transitions"] for point in metrics["curve"]] == [0, 256, 512, 640]
    assert read_config(finished) == tiny()
    assert isinstance(load_policy(finished / "mus"), LeaderPolicy)
    assert isinstance(load_policy(finished / "asps"), FollowerPolicy)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(finished, tmp_path):
    train_both(tiny(evaluate_every=300, evaluation_slots=2, final_evaluation_slots=3), tmp_path / "same")
    assert weights(tmp_path / "same") == weights(finished)
    train_both(tiny(seed=1), tmp_path / "other")
    assert not set(weights(tmp_path / "other")) & set(weights(finished))


class KilledError(Exception):
    """What stops a run dead."""


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("saves", [1, 5])
def test_a_run_killed_at_any_rollout_ends_with_the_same_bytes(finished, tmp_path, monkeypatch, saves, written):
    count = 0

    def save_then_die(path, *rest):
        nonlocal count
        count += 1
        if count < saves or written:
            save_checkpoint(path, *rest)
        if count == saves:
            path.with_suffix(".new").write_bytes(b"PK half a checkpoint")
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", save_then_die)
        with pytest.raises(KilledError):
            train_both(tiny(), tmp_path)
    assert not (tmp_path / "mus" / WEIGHTS_FILE).exists()
    _, metrics = train_both(tiny(), tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished)
    before = json.loads((finished / "metrics.json").read_text())["curve"]
    assert [point | {"wall_seconds": 0} for point in metrics["curve"]] == [p | {"wall_seconds": 0} for p in before]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_told_to_stop_saves_itself_and_ends_with_the_same_bytes(finished, tmp_path, monkeypatch, number):
    config = tiny(checkpoint_seconds=1e9)
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(tensorboard.MarketScalars, "_on_rollout_end", lambda self: signal.raise_signal(number))
        with pytest.raises(KeyboardInterrupt):
            train_both(config, tmp_path)
    assert signal.getsignal(number) is before
    assert (tmp_path / CHECKPOINT_FILE).exists()
    train_both(config, tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished)


def test_resuming_a_finished_run_trains_no_more(run, monkeypatch):
    before = weights(run)
    monkeypatch.setattr(tensorboard.MarketScalars, "_on_rollout_end", lambda self: pytest.fail("a rollout"))
    _, metrics = train_both(tiny(), run, resume=True)
    assert weights(run) == before
    assert metrics["transitions"] == 640


def test_a_run_made_longer_keeps_its_head_start_and_is_exactly_resumable(run, tmp_path, monkeypatch):
    longer, killed = tiny(transitions=1280), tmp_path / "killed"
    shutil.copytree(run, killed)
    _, metrics = train_both(longer, run, resume=True)
    assert metrics["transitions"] == 1280 == 128 + 9 * (64 + 64)  # two rollouts of the ASPs, as before; nine rounds
    save = save_checkpoint

    def save_then_die(path, *rest):
        save(path, *rest)
        raise KilledError

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "save_checkpoint", save_then_die)
            with pytest.raises(KilledError):
                train_both(longer, killed, resume=True)
    train_both(longer, killed, resume=True)
    assert weights(killed) == weights(run)


def test_a_checkpoint_that_does_not_fit_is_named(run, tmp_path):
    for change in ({"learning_rate": 2e-3}, {"follower_hidden": (9,)}, {"posted": 0.4}, {"seed": 1}):
        with pytest.raises(ValueError, match=r"checkpoint\.pt: .*configuration"):
            train_both(tiny(**change), run, resume=True)
    path = run / CHECKPOINT_FILE
    one_side = FollowerConfig(scenario="duo", transitions=1, markets=8, slots=4, hidden=(8,), final_evaluation_slots=2)
    train_followers(one_side, tmp_path / "one")
    shutil.copy(tmp_path / "one" / CHECKPOINT_FILE, path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt"):
        train_both(tiny(), run, resume=True)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"checkpoint\.pt"):
        train_both(tiny(), run, resume=True)


def test_one_side_does_not_go_on_from_a_checkpoint_of_both(run):
    one_side = FollowerConfig(scenario="duo", transitions=640, markets=8, slots=8, hidden=(6,))
    with pytest.raises(ValueError, match=r"checkpoint\.pt"):
        train_followers(one_side, run, resume=True)


def test_tensorboard_shows_both_sides(finished):
    for side, own in (("mus", "leader_regret_relative"), ("asps", "follower_regret_relative_near")):
        events = EventAccumulator(str(finished / side)).Reload()
        tags = events.Tags()
        assert {"train/loss", "market/payment_per_mu", f"regret/{REGRET_TAGS[own]}"} <= set(tags["scalars"])
        for tag in tags["scalars"]:
            assert np.isfinite([event.value for event in events.Scalars(tag)]).all(), tag
        curve = json.loads((finished / "metrics.json").read_text())["curve"]
        assert np.allclose(
            [e.value for e in events.Scalars(f"regret/{REGRET_TAGS[own]}")], [point[own] for point in curve]
        )
        assert len(tags["images"]) == 2
        assert "config/text_summary" in tags["tensors"]


@pytest.mark.parametrize("head_start", [0.0, 1.0])
def test_either_side_may_learn_alone_at_first(tmp_path, head_start):
    _, metrics = train_both(tiny(transitions=64, head_start=head_start), tmp_path)
    assert metrics["transitions"] == 64 if head_start else 128


def test_learning_lowers_the_leaders_regret_and_keeps_the_followers_low(tmp_path):
    config = tiny(
        transitions=100_000,
        markets=64,
        slots=8,
        follower_slots=16,
        batch_size=512,
        epochs=4,
        hidden=(32,),
        follower_hidden=(32,),
        learning_rate=3e-3,
        checkpoint_seconds=60.0,
        evaluate_every=10**9,
        evaluation_slots=64,
        final_evaluation_slots=64,
    )
    result, metrics = train_both(config, tmp_path)
    first = metrics["curve"][0]
    assert result.leaders.leader_regret_relative < 0.5 * first["leader_regret_relative"]
    assert result.near.follower_regret_relative < 0.005  # the rule of thumb that they begin with is good here


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("posted", 0.0),
        ("posted", 1.0),
        ("posted", None),
        ("head_start", 1.5),
        ("head_start", float("nan")),
        ("posted_noise", -1.0),
        ("follower_slots", 0),
        ("follower_hidden", ()),
        ("rewards", "oracle"),
        ("seed", -1),
    ],
)
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(ValueError, match="oracle" if name == "rewards" else f"^{name} = "):
        tiny(**{name: value})


def test_followers_learn_from_the_mobile_users_of_a_run_of_both(finished, tmp_path):
    config = FollowerConfig(scenario="duo", transitions=1, markets=8, slots=4, hidden=(8,), final_evaluation_slots=2)
    for number, folder in enumerate((finished, finished / "mus")):
        _, metrics = train_followers(
            FollowerConfig(**{**config.__dict__, "leaders": str(folder)}), tmp_path / str(number)
        )
        assert metrics["transitions"] == 32
