import copy

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecCheckNan, VecMonitor

from agents.policy.actions import allocation_of
from agents.policy.rule_of_thumb import Seen
from agents.training.follower_env import FollowerVecEnv, features_per_asp
from aigc_market_env import BatchedMarketEnv, Dynamics, Scenario
from aigc_market_env.evaluation.reward_sources import uniform

FADING = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())


def actions_of(env, rng):
    return rng.uniform(-1.5, 1.5, (env.num_envs, *env.action_space.shape)).astype(np.float32)


def same(ours, theirs):
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", ["duo", "campus", "town", "random"])
def test_spaces_contain_what_is_returned(name):
    scenario = Scenario.preset(name)
    env = FollowerVecEnv(scenario, 3)
    rng = np.random.default_rng(0)
    observations = env.reset()
    assert env.num_envs == 3 * scenario.num_asps
    assert env.observation_space.shape == (scenario.num_asps + features_per_asp(scenario.num_mus),)
    assert np.array_equal(observations[:, : scenario.num_asps], np.tile(np.eye(scenario.num_asps), (3, 1)))
    for _ in range(3):
        assert observations.shape == (env.num_envs, *env.observation_space.shape)
        assert all(env.observation_space.contains(row) for row in observations)
        observations, rewards, dones, infos = env.step(actions_of(env, rng))
        assert (rewards.shape, rewards.dtype) == ((env.num_envs,), np.float32)
        assert (dones.shape, dones.dtype) == ((env.num_envs,), np.bool_)
        assert not dones.any()
        assert len(infos) == env.num_envs


def test_the_rule_of_thumb_earns_nothing_more_than_itself():
    env = FollowerVecEnv(Scenario.preset("campus"), 16, seed=1)
    env.reset()
    neutral = np.zeros((env.num_envs, *env.action_space.shape), np.float32)
    for _ in range(3):
        _, rewards, *_ = env.step(neutral)
        assert np.abs(rewards).max() < 1e-4


def test_rewards_are_profits_beyond_the_rule_of_thumbs_over_what_is_posted():
    env = FollowerVecEnv(FADING, 3, source=uniform, seed=5)
    twin = BatchedMarketEnv(FADING, 3, asps="agents", max_cycles=None, seed=5)
    env.reset()
    twin.reset()
    rng = np.random.default_rng(1)
    for slot in range(4):
        shares = np.random.default_rng([5, slot]).random((3, 2, 1))
        market = twin.market
        seen = Seen.of(twin.step({"mu": shares})[0]["asp"].reshape(3, -1), market.slot_duration)
        actions = actions_of(env, rng)
        played = allocation_of(actions, seen)
        _, profits, *_ = twin.step({"asp": played[:, None]})
        expected = (profits["asp"][:, 0] - seen.profit(seen.rule_of_thumb)) / (0.1 * seen.rewards.sum(axis=1))
        assert np.array_equal(env.step(actions)[1], expected.astype(np.float32))


def test_infos_hold_the_sum_of_an_episodes_rewards():
    env = FollowerVecEnv(FADING, 2, episode_slots=3)
    env.reset()
    rng = np.random.default_rng(2)
    for _ in range(2):
        total = np.zeros(env.num_envs)
        for slot in range(3):
            _, rewards, _, infos = env.step(actions_of(env, rng))
            total += rewards
            assert all(("episode" in info) == (slot == 2) for info in infos)
        assert np.allclose([info["episode"]["r"] for info in infos], total, rtol=1e-5, atol=1e-6)


def test_nothing_returned_is_overwritten_later():
    env = FollowerVecEnv(FADING, 2, episode_slots=2)
    rng = np.random.default_rng(3)
    returned = [env.reset()]
    for _ in range(5):
        actions = actions_of(env, rng)
        kept = actions.copy()
        returned += env.step(actions)
        assert np.array_equal(actions, kept)
    before = copy.deepcopy(returned)
    env.step(actions_of(env, rng))
    env.reset()
    assert same(before, returned)


def test_the_same_seed_gives_the_same_rollout_and_another_one_another():
    def rollout(env):
        rng = np.random.default_rng(4)
        return np.stack([env.reset(), *(env.step(actions_of(env, rng))[0] for _ in range(3))])

    one, twin, other = (FollowerVecEnv(FADING, 2, seed=seed) for seed in (7, 7, 8))
    first = rollout(one)
    assert np.array_equal(first, rollout(twin))
    assert not np.array_equal(first, rollout(other))
    assert not np.array_equal(first, rollout(one))  # the streams go on
    one.seed(7)
    assert np.array_equal(first, rollout(one))
    one.seed(None)
    assert not np.array_equal(first, rollout(one))


@pytest.mark.parametrize("bad", [np.full((2, 3), np.nan), np.full((2, 3), np.inf), np.zeros((3, 3)), np.zeros((2, 2))])
def test_bad_actions_are_refused_and_the_environment_works_on(bad):
    env, untouched = (FollowerVecEnv(FADING, 2) for _ in range(2))
    env.reset()
    untouched.reset()
    with pytest.raises(ValueError, match="asps"):
        env.step(bad.astype(np.float32))
    actions = np.full((2, 3), 0.5, np.float32)
    assert same(env.step(actions), untouched.step(actions))


def test_wrappers_of_stable_baselines3_change_nothing():
    plain = FollowerVecEnv(FADING, 2, episode_slots=2)
    wrapped = VecMonitor(VecCheckNan(FollowerVecEnv(FADING, 2, episode_slots=2), raise_exception=True))
    assert np.array_equal(plain.reset(), wrapped.reset())
    rng = np.random.default_rng(5)
    for _ in range(4):
        actions = actions_of(plain, rng)
        assert same(plain.step(actions), wrapped.step(actions))
    wrapped.close()


def test_posting_nothing_earns_nothing_and_breaks_nothing():
    env = FollowerVecEnv(FADING, 2, source=lambda situation: np.zeros(situation.equilibrium.shape))
    assert np.isfinite(env.reset()).all()
    _, rewards, *_ = env.step(actions_of(env, np.random.default_rng(0)))
    assert (rewards == 0).all()


def test_ppo_trains_on_it_twice_the_same():
    def weights():
        model = PPO("MlpPolicy", FollowerVecEnv(FADING, 8), n_steps=4, batch_size=16, n_epochs=2, seed=0, device="cpu")
        before = model.policy.action_net.weight.detach().clone()
        model.learn(96)
        assert not before.equal(model.policy.action_net.weight)
        return model.policy.state_dict()

    one, two = weights(), weights()
    assert all(one[name].equal(two[name]) for name in one)


@pytest.mark.parametrize("scenario", [FADING, Scenario.preset("random")])
def test_it_goes_on_from_a_saved_state(scenario):
    one, two = FollowerVecEnv(scenario, 2, seed=1), FollowerVecEnv(scenario, 2, seed=2)
    rng = np.random.default_rng(6)
    one.reset()
    one.step(actions_of(one, rng))
    two.restore(**one.state())
    for _ in range(3):
        actions = actions_of(one, rng)
        assert same(one.step(actions), two.step(actions))


@pytest.mark.parametrize("name", ["posting", "equilibrium", "asp_observations", "streams", "cycle"])
def test_a_state_that_lacks_something_is_refused_and_changes_nothing(name):
    one, untouched = FollowerVecEnv(FADING, 2, seed=1), FollowerVecEnv(FADING, 2, seed=1)
    one.reset()
    untouched.reset()
    for wrong in ({}, {name: np.zeros(7)}):
        state = FollowerVecEnv(FADING, 2, seed=3)
        state.reset()
        state = state.state()
        del state["markets"][name]
        state["markets"] |= wrong
        with pytest.raises(ValueError, match=name):
            one.restore(**state)
    actions = np.full((2, 3), 0.5, np.float32)
    assert same(one.step(actions), untouched.step(actions))
