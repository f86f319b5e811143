"""SAC in the place of PPO: the same environments, run folders, checkpoints and policy files."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_configs import made

from agents import load_policy
from agents.algorithms.ppo import PPO
from agents.config import FollowerConfig, JointConfig, LeaderConfig
from agents.policy.actions import allocation_of, shares_of
from agents.policy.files import WEIGHTS_FILE
from agents.policy.rule_of_thumb import Seen
from agents.training import run as loop
from agents.training import tensorboard
from agents.training.both import train_both
from agents.training.checkpoint import CHECKPOINT_FILE, save_checkpoint
from agents.training.follower_env import FollowerVecEnv
from agents.training.leader_env import LeaderVecEnv
from agents.training.learner import extract_follower_policy, extract_leader_policy, make_model
from agents.training.one_side import LeaderRun, read_config, train_followers, train_leaders

#: The replay holds eight slots of the MUs' sixteen learners, so that it comes full and goes round.
TINY = {
    "scenario": "duo",
    "algorithm": "sac",
    "transitions": 320,
    "markets": 8,
    "slots": 4,
    "batch_size": 32,
    "epochs": 2,
    "hidden": (8,),
    "replay": 128,
    "evaluate_every": 200,
    "evaluation_slots": 4,
    "final_evaluation_slots": 8,
    "checkpoint_seconds": 1e-9,
}
TRAININGS = {
    "leaders": (train_leaders, made(LeaderConfig, **TINY), ["."]),
    "followers": (train_followers, made(FollowerConfig, **TINY), ["."]),
    "both": (train_both, made(JointConfig, **TINY | {"transitions": 640}, head_start=0.2), ["mus", "asps"]),
}


@pytest.fixture(scope="module", params=TRAININGS)
def finished(request, tmp_path_factory):
    """A training, its configuration, and the folder of a run, to be read only."""
    train, config, policies = TRAININGS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    train(config, folder)
    return train, config, policies, folder


def weights(folder, policies):
    return [(folder / sub / WEIGHTS_FILE).read_bytes() for sub in policies]


def same(one, other):
    """Whether two documents of numbers, tensors, lists and dictionaries are the same to the bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def state(folder):
    """All that a run's last checkpoint holds, except what time it took."""
    document = torch.load(folder / CHECKPOINT_FILE, weights_only=True)
    del document["curve"], document["wall_seconds"]
    return document


def test_the_run_folder_holds_what_it_should(finished):
    _, config, policies, folder = finished
    assert read_config(folder) == config
    metrics = json.loads((folder / "metrics.json").read_text())
    assert config.transitions <= metrics["transitions"] < config.transitions + 128
    for sub in policies:
        policy = load_policy(folder / sub)
        assert (policy.architecture.activation, policy.architecture.squashed) == ("relu", True)


def test_tensorboard_shows_market_training_and_regret(finished):
    _, _, policies, folder = finished
    for sub in policies:
        events = EventAccumulator(str(folder / sub)).Reload()
        tags = set(events.Tags()["scalars"])
        assert {"train/critic_loss", "train/ent_coef", "market/profit_per_asp"} <= tags
        assert any(tag.startswith("regret/") for tag in tags)
        assert all(np.isfinite([event.value for event in events.Scalars(tag)]).all() for tag in tags)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(finished, tmp_path):
    train, config, policies, folder = finished
    train(replace(config, evaluate_every=300, evaluation_slots=2), tmp_path / "same")
    assert weights(tmp_path / "same", policies) == weights(folder, policies)
    train(replace(config, seed=1), tmp_path / "other")
    assert weights(tmp_path / "other", policies) != weights(folder, policies)


class KilledError(Exception):
    """What stops a run dead."""


@pytest.mark.parametrize("saves", [1, 2, 4])
def test_a_run_that_was_killed_ends_like_one_that_was_not(finished, tmp_path, monkeypatch, saves):
    train, config, policies, folder = finished
    count = 0

    def save_then_die(*arguments):
        nonlocal count
        save_checkpoint(*arguments)
        count += 1
        if count == saves:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", save_then_die)
        with pytest.raises(KilledError):
            train(config, tmp_path)
    train(config, tmp_path, resume=True)
    assert weights(tmp_path, policies) == weights(folder, policies)
    assert same(state(tmp_path), state(folder))


def test_a_checkpoint_has_what_was_learned_and_what_is_remembered(tmp_path):
    config = made(LeaderConfig, **TINY)
    train_leaders(config, tmp_path)
    document = state(tmp_path)
    learner = document["learners"]["."]
    assert {"actor.optimizer", "critic.optimizer", "ent_coef_optimizer", "log_ent_coef"} <= learner.keys()
    assert {name.split(".")[0] for name in learner["policy"]} == {"actor", "critic", "critic_target"}
    assert learner["replay"]["observations"].shape[:2] == (8, 16)
    assert learner["replay"]["full"]
    assert learner["replay"]["pos"] == 320 / 16 % 8
    run = LeaderRun(config)
    run.load(tmp_path)
    (tmp_path / "again").mkdir()
    run.save(tmp_path / "again")
    assert same(state(tmp_path / "again"), document)


WRONG = {
    "no replay": lambda document: document | {"replay": {}},
    "a smaller replay": lambda document: document | {"replay": document["replay"] | {"actions": torch.zeros(1, 16, 1)}},
    "another entropy coefficient": lambda document: document | {"log_ent_coef": torch.zeros(2)},
    "no critic": lambda document: document | {"critic.optimizer": {}},
    "of PPO": lambda document: {name: value for name, value in document.items() if name != "actor.optimizer"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_checkpoint_with_a_wrong_entry_is_an_error_that_names_it(tmp_path, change):
    config = made(LeaderConfig, **TINY | {"transitions": 1})
    train_leaders(config, tmp_path)
    path = tmp_path / CHECKPOINT_FILE
    document = torch.load(path, weights_only=True)
    document["learners"]["."] = change(document["learners"]["."])
    torch.save(document, path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt"):
        train_leaders(config, tmp_path, resume=True)


def test_a_replay_too_small_for_two_slots_holds_two(tmp_path):
    _, metrics = train_leaders(made(LeaderConfig, **TINY | {"replay": 1}), tmp_path)
    assert metrics["transitions"] == 320
    assert state(tmp_path)["learners"]["."]["replay"]["observations"].shape[:2] == (2, 16)


def test_every_transition_is_remembered_with_the_reward_that_it_earned():
    config = made(LeaderConfig, **TINY)
    model = make_model(config, LeaderVecEnv(config.make_scenario(), config.markets))
    model.learn(64, callback=tensorboard.MarketScalars(model.env))
    env = LeaderVecEnv(config.make_scenario(), config.markets)
    env.seed(config.seed)
    seen, replay = env.reset(), model.replay_buffer
    for slot in range(4):
        assert np.array_equal(replay.observations[slot], seen)
        seen, rewards, _, _ = env.step(replay.actions[slot])
        assert np.array_equal(replay.rewards[slot], rewards)
    assert np.abs(replay.actions[:4]).max() > 0.5


def moved(model):
    """The model with weights that make its outputs matter."""
    with torch.no_grad():
        for parameter in model.policy.actor.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    return model


def test_the_leaders_policy_does_what_the_model_does_deterministically():
    config = made(LeaderConfig, **TINY)
    scenario = config.make_scenario()
    env = LeaderVecEnv(scenario, 3)
    model = moved(make_model(config, env))
    policy = extract_leader_policy(model, scenario, config)
    flat = env.reset()
    seen = flat.reshape(3, 2, -1)[..., 2:]
    before = policy.act_batch(seen)
    exact = model.policy.actor(torch.from_numpy(flat), deterministic=True).detach().numpy()
    assert np.array_equal(before.reshape(6, 1), shares_of(exact))
    assert np.ptp(exact) > 0.1
    predicted, _ = model.predict(flat, deterministic=True)  # scales to [0, 1] and back
    assert np.allclose(before.reshape(6, 1), shares_of(predicted), rtol=1e-5)
    with torch.no_grad():
        model.policy.actor.mu.bias += 1.0
    assert np.array_equal(policy.act_batch(seen), before)


def test_the_followers_policy_does_what_the_model_does_deterministically():
    config = made(FollowerConfig, **TINY)
    scenario = config.make_scenario()
    env = FollowerVecEnv(scenario, 3)
    model = moved(make_model(config, env))
    policy = extract_follower_policy(model, scenario, config)
    flat = env.reset()
    observations = env.state()["markets"]["asp_observations"]
    exact = model.policy.actor(torch.from_numpy(flat), deterministic=True).detach().numpy()
    expected = allocation_of(exact, Seen.of(observations, 10.0))
    assert np.allclose(policy.act_batch(observations[:, None])[:, 0], expected, rtol=1e-5)
    predicted, _ = model.predict(flat, deterministic=True)
    assert np.allclose(predicted, exact, atol=1e-6)


def test_learning_lowers_the_regret(tmp_path):
    config = made(
        LeaderConfig,
        **TINY | {"transitions": 12_800, "replay": 12_800, "hidden": (32,), "batch_size": 64, "learning_rate": 3e-3},
    )
    result, metrics = train_leaders(replace(config, checkpoint_seconds=60.0, evaluate_every=10**6), tmp_path)
    assert result.leader_regret_relative < 0.5 * metrics["curve"][0]["leader_regret_relative"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replay", 0),
        ("replay", 2.0),
        ("initial_entropy_coefficient", 0.0),
        ("initial_entropy_coefficient", float("nan")),
        ("initial_entropy_coefficient", "auto"),
    ],
)
def test_a_wrong_setting_is_named(name, value):
    for kind in (LeaderConfig, FollowerConfig, JointConfig):
        with pytest.raises(ValueError, match=f"{name} = "):
            made(kind, **TINY | {name: value})


def test_the_configuration_of_a_run_from_before_there_was_a_choice_is_ppos(tmp_path):
    document = {"side": "leaders", "scenario": "duo", "transitions": 5, "hidden": [8]}
    (tmp_path / "config.json").write_text(json.dumps(document))
    assert read_config(tmp_path) == LeaderConfig(scenario="duo", transitions=5, hidden=(8,))
    assert read_config(tmp_path).algorithm == PPO()


@pytest.mark.parametrize(("slots", "works"), [(1, False), (2, True), (3, True)])
def test_ppo_learns_from_two_transitions_and_refuses_one(tmp_path, slots, works):
    fields = {"scenario": "duo", "transitions": 6, "markets": 1, "slots": slots, "batch_size": 2, "hidden": (8,)}
    config = made(FollowerConfig, **fields, evaluation_slots=1, final_evaluation_slots=1)
    if works:
        assert train_followers(config, tmp_path) is not None
    else:
        with pytest.raises(ValueError, match="slots = 1 makes a rollout of a single transition"):
            train_followers(config, tmp_path)


def test_followers_are_not_trained_by_leaders_of_another_size(tmp_path):
    train_leaders(made(LeaderConfig, scenario="duo", transitions=0, markets=1, final_evaluation_slots=1), tmp_path)
    assert made(FollowerConfig, scenario="duo", leaders=str(tmp_path)).check_named() is None
    with pytest.raises(ValueError, match="a run on 2 MUs and 1 ASPs; campus has 8 MUs and 4 ASPs"):
        made(FollowerConfig, leaders=str(tmp_path)).check_named()
