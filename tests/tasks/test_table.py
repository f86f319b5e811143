import re

import numpy as np
import pytest

from aigc_market_env import tasks
from aigc_market_env.testing import check_env

NAMES = tasks.names()


def test_there_are_at_least_the_tasks_that_were_announced():
    announced = "campus-v1 campus-both-v1 asps-v1 any-v1 private-v1 board-v1 full-v1 wallet-v1 traces-v1 town-scarce-v1"
    assert set(announced.split()) <= set(NAMES)
    assert all(re.fullmatch(r"[a-z-]+-v[1-9]", name) for name in NAMES)


@pytest.mark.parametrize("name", ["campus", "campus-v2", None, 3])
def test_an_unknown_task_is_refused_with_the_names_there_are(name):
    with pytest.raises(ValueError, match=r"unknown task .*campus-v1"):
        tasks.make(name)


@pytest.mark.parametrize("name", NAMES)
def test_test_markets_are_those_that_were_frozen(name):
    assert tasks.fingerprint(tasks.make(name)) == tasks.make(name).fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_training_never_draws_from_test_seeds(name):
    task = tasks.make(name)
    assert len(task.test_seeds) == len(task.test_scenarios)
    for seeds in task.test_seeds:
        assert len(set(seeds)) == len(seeds)
        assert not set(seeds) & {seed for seed in seeds if seed in tasks.TRAINING_SEEDS}
    for make in (task.env, task.parallel_env, lambda seed: task.batched_env(4, seed)):
        with pytest.raises(ValueError, match=r"seed = .* must be below"):
            make(seed=task.test_seeds[0][0])
    with pytest.raises(ValueError, match=r"seed = .* must be below"):
        task.batched_env(2, 10**15 - 1)


@pytest.mark.parametrize("name", NAMES)
def test_training_environments_are_sound_and_alike(name):
    task = tasks.make(name)
    for make in (task.parallel_env, task.env):
        check_env(make(), max_steps=3)
    one, batch = task.parallel_env(seed=3), task.batched_env(2, seed=3)
    first, (observations, _) = one.reset(seed=3)[0], batch.reset()
    shown = [row for group in observations.values() for row in group[0]]
    if task.posts is None:  # what is posted to ASPs depends on the number of markets
        assert all(np.array_equal(a, b) for a, b in zip(first.values(), shown, strict=True))
    actions = {
        group: np.stack([[space.sample() for _ in range(len(observations[group][0]))] for _ in range(2)])
        for group, space in batch.single_action_space.items()
    }
    after, rewards, *_ = batch.step(actions)
    assert set(rewards) <= set(task.roles)
    assert all(batch.single_observation_space[group].contains(rows[0, 0]) for group, rows in after.items())
    if "mu" in task.roles:
        assert len(task.observation_names()) == len(first["mu_0"])


def test_the_same_seed_gives_the_same_training_and_a_reset_goes_on():
    one, other = (tasks.make("board-v1").parallel_env(seed=5) for _ in range(2))
    for _ in range(2):
        assert np.array_equal(one.reset()[0]["mu_0"], other.reset()[0]["mu_0"])
    assert not np.array_equal(one.reset()[0]["mu_0"], one.reset()[0]["mu_0"])


def test_other_sizes_to_train_in():
    task = tasks.make("any-v1")
    assert task.parallel_env(size=(4, 2)).num_mus == 4
    for size in ((50, 10), (3, 3), 4):
        with pytest.raises(ValueError, match=r"size = .* is not one that any-v1 is trained on; they are"):
            task.parallel_env(size=size)
    with pytest.raises(ValueError, match=r"leave size out"):
        tasks.make("campus-v1").batched_env(2, size=(8, 4))


def test_the_horizon_is_that_of_the_task():
    env = tasks.make("asps-v1").batched_env(1, seed=0)
    env.reset()
    ends = [bool(env.step({"asp": np.zeros((1, 4, 2, 8))})[3][0]) for _ in range(64)]
    assert ends == [False] * 63 + [True]
