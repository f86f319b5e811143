"""Bad arguments, actions, seeds and options of the single-agent view: refused by name, changing nothing."""

import copy

import numpy as np
import pytest
from playing import same

from aigc_market_env import Scenario
from aigc_market_env.leader_v0 import LeaderEnv, LeaderVectorEnv


@pytest.mark.parametrize("kind", [LeaderEnv, LeaderVectorEnv])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mu": 2}, r"mu = 2 must be in 0 … 1"),
        ({"mu": -1}, r"mu = -1 must be in 0 … 1"),
        ({"mu": "mu_0"}, "mu = 'mu_0' must be an integer"),
        ({"mu": True}, "mu = True must be an integer"),
        ({"scenario": "moon"}, "unknown scenario 'moon'"),
    ],
)
def test_bad_arguments_are_refused_by_name(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"scenario": "duo"} | options)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.array([np.nan]), r"action of 'mu_1': entry \[0\] = nan must be finite"),
        (np.zeros(2), r"action of 'mu_1' has shape \(2,\), expected \(1,\)"),
        (None, r"action of 'mu_1' must be an array of numbers of shape \(1,\)"),
    ],
)
def test_a_bad_action_is_refused_and_changes_nothing(action, message):
    env = LeaderEnv("duo", mu=1)
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    assert same(env.step(np.array([0.4])), twin.step(np.array([0.4])))


def test_actions_out_of_range_are_clipped():
    env, twin = (LeaderEnv(Scenario.preset("campus")) for _ in range(2))
    env.reset(seed=0)
    twin.reset(seed=0)
    assert same(env.step(np.array([-1.0, 0.2, 2.0, 1.0])), twin.step(np.array([0.0, 0.2, 1.0, 1.0])))


@pytest.mark.parametrize("steps", [0, -1, 1.5, "a", True, np.nan])
def test_a_bad_length_of_episodes_is_refused_by_name(steps):
    with pytest.raises(ValueError, match="max_episode_steps = "):
        LeaderVectorEnv(2, "duo", max_episode_steps=steps)


@pytest.mark.parametrize("use", ["step", "market", "equilibrium_rewards", "render"])
def test_before_reset_errors_say_so(use):
    env = LeaderVectorEnv(2, "duo")
    calls = {"step": lambda: env.step(np.full((2, 1), 0.3)), "render": env.render}
    with pytest.raises(ValueError, match=r"reset\(\) must be called before"):
        calls.get(use, lambda: getattr(env, use))()


def test_lanes_may_be_seeded_one_by_one():
    env, other = LeaderVectorEnv(2, "random"), LeaderVectorEnv(2, "random")
    first, second = env.reset(seed=[5, 3])[0]
    assert same(first, other.reset(seed=5)[0][0])
    assert same(second, other.reset(seed=2)[0][1])


# Seeds and options ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: LeaderEnv("duo"), lambda: LeaderVectorEnv(2, "duo")])
def test_np_random_is_seeded_with_the_environment(make):
    env = make()
    env.reset(seed=3)
    assert env.np_random_seed == 3
    first = env.np_random.random()
    env.reset()
    assert env.np_random_seed == 3
    assert env.np_random.random() != first
    env.reset(seed=np.int64(3))
    assert (env.np_random_seed, env.np_random.random()) == (3, first)


def test_np_random_of_lanes_seeded_one_by_one_has_no_single_seed():
    env = LeaderVectorEnv(2, "duo")
    env.reset(seed=[4, None])
    assert env.np_random_seed == -1


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
@pytest.mark.parametrize("kind", [LeaderEnv, LeaderVectorEnv])
def test_a_bad_seed_is_refused_and_changes_nothing(kind, seed):
    env = kind(scenario="random")
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    with pytest.raises(ValueError, match=r"seed = .* must be an integer >= 0, or None"):
        env.reset(seed=seed)
    assert env.np_random_seed == 0
    assert same(env.reset(), twin.reset())


@pytest.mark.parametrize(("kind", "takes"), [(LeaderEnv, "takes no options"), (LeaderVectorEnv, "takes 'reset_mask'")])
@pytest.mark.parametrize("options", [{"load": 2.0}, {1: 2}, 5])
def test_an_option_of_reset_that_means_nothing_is_refused(kind, takes, options):
    env = kind(scenario="random")
    env.reset(seed=0, options={})
    twin = copy.deepcopy(env)
    with pytest.raises(ValueError, match=takes):
        env.reset(seed=1, options=options)
    assert same(env.reset(), twin.reset())
