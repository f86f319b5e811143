"""The single-agent view: Gymnasium's own check, payoffs against the game's functions, and lanes against single ones."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import PRESETS, busy, same

from aigc_market_env import BatchedMarketEnv, follower_response, leader_best_response, leader_regret
from aigc_market_env.leader_v0 import LeaderEnv, LeaderVectorEnv
from aigc_market_env.registration import LEADER_ID


def own_share(env):
    return env.equilibrium_rewards[env.mu] / env.market.reward_bound[env.mu]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", PRESETS)
def test_gymnasiums_own_check(name):
    check_env(gymnasium.make(LEADER_ID, scenario=busy(name)).unwrapped)


def test_make_passes_options_and_cuts_episodes_off():
    assert gymnasium.make(LEADER_ID).spec.max_episode_steps == 64
    env = gymnasium.make(LEADER_ID, scenario="campus", mu=3, max_episode_steps=2)
    assert type(env.unwrapped) is LeaderEnv
    assert env.unwrapped.mu == 3
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(2)]
    assert ends == [(False, False), (False, True)]


# What the MU earns ---------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(PRESETS))
def test_at_equilibrium_rewards_the_mu_has_nothing_to_gain(seed, name):
    scenario = busy(name)
    env = LeaderEnv(scenario, mu=seed % scenario.num_mus)
    env.reset(seed=seed)
    for _ in range(3):
        market, rewards = env.market, env.equilibrium_rewards
        _, best = leader_best_response(market, rewards)
        _, utility, *_ = env.step(own_share(env))
        # Best responses of the ASPs use up capacities to 1e-6 only.
        assert abs(best[env.mu] - utility) <= 1e-5 * max(best[env.mu], 0.01 * best.mean())


@pytest.mark.parametrize("mu", [0, 5])
def test_any_other_action_earns_its_regret_less(mu):
    env, rng = LeaderEnv("campus", mu), np.random.default_rng(0)
    env.reset(seed=3)
    lost = []
    for _ in range(8):
        market, rewards, action = env.market, env.equilibrium_rewards, rng.random(4) ** 2
        _, best = leader_best_response(market, rewards)
        rewards[mu] = action * market.reward_bound[mu]
        response = follower_response(market, rewards)
        expected = market.outcome(rewards, response.compute, response.bandwidth).mu_utility[mu]
        _, utility, *_ = env.step(action)
        scale = market.satisfaction_scale[mu]
        assert abs(utility - expected) <= 1e-6 * scale
        lost.append(best[mu] - utility)
        assert abs(lost[-1] - leader_regret(market, rewards)[mu]) <= 1e-5 * scale
    assert min(lost) > 0


def test_the_market_and_the_observations_are_those_of_the_batched_engine():
    env, markets = LeaderEnv(busy("campus"), mu=2), BatchedMarketEnv(busy("campus"), 1, asps="best_response")
    observation, _ = env.reset(seed=9)
    every, _ = markets.reset(seed=9)
    for _ in range(5):
        assert env.market == markets.market[0]
        assert same(observation, every["mu"][0, 2])
        shares = env.equilibrium_rewards / env.market.reward_bound[:, None]
        shares[2] = 0.4
        observation, utility, *_ = env.step(np.full(4, 0.4))
        every, rewards, *_ = markets.step({"mu": shares[None]})
        assert utility == rewards["mu"][0, 2]


# Lanes ---------------------------------------------------------------------------------------------------------------


def test_make_vec_makes_the_batched_engine():
    env = gymnasium.make_vec(LEADER_ID, num_envs=5, scenario="duo", mu=1)
    assert type(env.unwrapped) is LeaderVectorEnv
    assert (env.num_envs, env.unwrapped.mu) == (5, 1)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.observation_space.shape == (5, 17)
    assert env.action_space.shape == (5, 1)


@pytest.mark.parametrize(("name", "mu"), [("duo", 0), ("campus", 3), ("random", 7)])
def test_lanes_are_single_environments_bit_for_bit(name, mu):
    options = {"num_envs": 3, "scenario": busy(name), "mu": mu, "max_episode_steps": 3}
    batched = gymnasium.make_vec(LEADER_ID, **options)
    singles = gymnasium.make_vec(
        LEADER_ID, **options, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )
    batched.action_space.seed(0)
    assert same(batched.reset(seed=11)[0], singles.reset(seed=11)[0])
    for step in range(7):
        actions = batched.action_space.sample()
        one, other = batched.step(actions), singles.step(actions)
        assert same(one[:4], other[:4])
        assert one[0] in batched.observation_space
        if step % 3 == 2:
            assert one[3].all()
            assert same(list(one[4]["final_obs"]), list(other[4]["final_obs"]))
            assert same(one[4]["_final_obs"], other[4]["_final_obs"])
        else:
            assert one[4] == {}


def test_nothing_handed_out_is_overwritten():
    env = LeaderVectorEnv(4, busy("campus"), max_episode_steps=3)
    handed_out = [env.reset(seed=0)[0], env.equilibrium_rewards]
    for _ in range(7):
        observations, rewards, terminations, truncations, infos = env.step(env.action_space.sample())
        handed_out += [observations, rewards, terminations, truncations, env.equilibrium_rewards]
        handed_out += list(infos.get("final_obs", []))
        if len(handed_out) == 7:
            before = copy.deepcopy(handed_out)
    assert same(handed_out[:7], before)
    arrays = [array for array in handed_out if array.size]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_without_a_seed_streams_go_on_and_a_seed_starts_over():
    env = LeaderVectorEnv(2, "random")
    first, second, third = (env.reset(seed=seed)[0] for seed in (4, None, 4))
    assert same(first, third)
    assert not same(first, second)


def test_a_copy_goes_on_alike():
    env = LeaderEnv("campus")
    env.reset(seed=1)
    env.step(np.full(4, 0.3))
    twin = copy.deepcopy(env)
    for _ in range(3):
        assert same(env.step(np.full(4, 0.3)), twin.step(np.full(4, 0.3)))


# Regret in info ------------------------------------------------------------------------------------------------------


def test_info_tells_the_regret_of_the_slot_when_asked():
    env, quiet = (gymnasium.make(LEADER_ID, scenario="duo", mu=1, info_regret=asked) for asked in (True, False))
    for one in (env, quiet):
        one.reset(seed=3)
    market, rewards = env.unwrapped.market, env.unwrapped.equilibrium_rewards
    rewards[1] = 0.5 * market.reward_bound[1]
    observation, utility, *_, info = env.step(np.full(1, 0.5))
    assert np.isclose(info["regret"], leader_regret(market, rewards)[1], rtol=1e-6)
    assert info["regret"] > 0.0
    again, same, *_, nothing = quiet.step(np.full(1, 0.5))
    assert (utility, nothing) == (same, {})
    np.testing.assert_array_equal(observation, again)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_regrets_of_lanes_are_of_the_slots_that_they_served(mode):
    env = LeaderVectorEnv(3, "duo", max_episode_steps=2, autoreset_mode=mode, info_regret=True)
    env.reset(seed=0)
    for step in range(4):
        market, rewards = env.market, env.equilibrium_rewards
        rewards[:, 0] = 0.4 * market.reward_bound[:, :1]
        infos = env.step(np.full((3, 1), 0.4))[-1]
        served = not (mode == "NextStep" and step == 2)
        assert (infos["_regret"] == served).all()
        expected = leader_regret(market, rewards)[:, 0] if served else np.zeros(3)
        np.testing.assert_allclose(infos["regret"], expected, rtol=1e-6)


def test_regret_in_info_is_refused_with_wallets():
    with pytest.raises(ValueError, match="info_regret"):
        LeaderVectorEnv(2, "prepaid", info_regret=True)
