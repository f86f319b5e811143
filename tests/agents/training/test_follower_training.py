import json

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_configs import made

from agents import FollowerPolicy, load_policy
from agents.policy.actions import allocation_of
from agents.policy.files import WEIGHTS_FILE
from agents.policy.rule_of_thumb import Seen
from agents.training import run as loop
from agents.training.follower_env import FollowerVecEnv
from agents.training.learner import extract_follower_policy, make_model
from agents.training.one_side import FollowerConfig, read_config, train_followers
from aigc_market_env.evaluation.followers import evaluate_followers

TINY = {
    "scenario": "duo",
    "transitions": 320,
    "markets": 16,
    "slots": 4,
    "batch_size": 32,
    "epochs": 1,
    "hidden": (8,),
    "evaluate_every": 200,
    "evaluation_slots": 4,
    "final_evaluation_slots": 8,
    "checkpoint_seconds": 1e-9,
}


def tiny(**changes):
    return made(FollowerConfig, **TINY | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of followers, to be read only."""
    folder = tmp_path_factory.mktemp("followers")
    train_followers(tiny(), folder)
    return folder


def weights(folder):
    return (folder / WEIGHTS_FILE).read_bytes()


def test_the_run_folder_holds_what_it_should(finished):
    names = {path.name for path in finished.iterdir()}
    assert {"config.json", "policy.json", "policy.safetensors", "metrics.json", "checkpoint.pt"} <= names
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {"follower_regret_relative", "follower_regret_relative_near", "slots", "wall_seconds"} <= set(metrics)
    assert metrics["slots"] == metrics["transitions"] == 320
    assert isinstance(load_policy(finished), FollowerPolicy)
    assert read_config(finished) == tiny()


def test_tensorboard_shows_market_training_and_regret(finished):
    events = EventAccumulator(str(finished)).Reload()
    tags = set(events.Tags()["scalars"])
    assert {"train/loss", "regret/asps", "market/profit_per_asp"} <= tags
    assert all(np.isfinite([event.value for event in events.Scalars(tag)]).all() for tag in tags)
    curve = json.loads((finished / "metrics.json").read_text())["curve"]
    shown = [event.value for event in events.Scalars("regret/asps")]
    assert np.allclose(shown, [point["follower_regret_relative"] for point in curve])


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(finished, tmp_path):
    for name, seed in (("same", 0), ("other", 1)):
        train_followers(tiny(seed=seed), tmp_path / name)
    assert weights(tmp_path / "same") == weights(finished)
    assert weights(tmp_path / "other") != weights(finished)


def test_a_run_that_was_killed_ends_like_one_that_was_not(finished, tmp_path, monkeypatch):
    class KilledError(Exception):
        pass

    saves = []
    keep = loop.save_checkpoint

    def save_then_die(*arguments):
        keep(*arguments)
        saves.append(1)
        if len(saves) == 3:
            raise KilledError

    monkeypatch.setattr(loop, "save_checkpoint", save_then_die)
    with pytest.raises(KilledError):
        train_followers(tiny(), tmp_path)
    monkeypatch.setattr(loop, "save_checkpoint", keep)
    train_followers(tiny(), tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished)


def test_learning_lowers_the_regret(tmp_path):
    config = tiny(
        transitions=64 * 16 * 16,
        markets=64,
        slots=16,
        batch_size=256,
        epochs=4,
        hidden=(32,),
        learning_rate=3e-3,
        checkpoint_seconds=60.0,
        evaluate_every=10**9,
        evaluation_slots=128,
        final_evaluation_slots=128,
    )
    result, metrics = train_followers(config, tmp_path)
    assert result.follower_regret_relative < 0.5 * metrics["curve"][0]["follower_regret_relative"]


def test_followers_learn_what_trained_leaders_post(finished_run, tmp_path):
    _, metrics = train_followers(tiny(leaders=str(finished_run), transitions=1), tmp_path)
    assert metrics["transitions"] == 64
    assert read_config(tmp_path).leaders == str(finished_run)


def test_followers_are_no_leaders(finished, tmp_path):
    with pytest.raises(ValueError, match="follower_mlp"):
        train_followers(tiny(leaders=str(finished)), tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("rewards", "oracle"), ("rewards", None), ("leaders", None), ("seed", -1), ("hidden", ())]
)
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} = |{value!r}"):
        tiny(**{name: value})


def test_a_configuration_of_an_unknown_side_is_named(finished, tmp_path):
    document = json.loads((finished / "config.json").read_text())
    for side in ("nobody", None, "leaders", []):
        (tmp_path / "config.json").write_text(json.dumps(document | {"side": side}))
        with pytest.raises(ValueError, match=r"config\.json: "):
            read_config(tmp_path)


def test_the_extracted_policy_is_a_copy_of_what_the_model_does_on_average():
    config = tiny()
    scenario = config.make_scenario()
    env = FollowerVecEnv(scenario, 3)
    model = make_model(config, env)
    policy = extract_follower_policy(model, scenario, config)
    flat = env.reset()
    means = model.policy.get_distribution(torch.from_numpy(flat)).distribution.mean.detach().numpy()
    observations = env.state()["markets"]["asp_observations"]
    before = policy.act_batch(observations[:, None])
    assert np.allclose(before[:, 0], allocation_of(means, Seen.of(observations, 10.0)), rtol=1e-5)
    with torch.no_grad():
        model.policy.action_net.bias += 1.0
    assert np.array_equal(policy.act_batch(observations[:, None]), before)
    assert evaluate_followers(policy.act_batch, scenario, 2).regret.shape == (2, 1)
