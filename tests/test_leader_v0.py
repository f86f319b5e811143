"""The single-agent view: Gymnasium's own check, payoffs against the game's functions, and lanes against single ones."""

import copy
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import PRESETS, busy, parallel, same

from aigc_market_env import BatchedMarketEnv, Scenario, follower_response, leader_best_response, leader_regret
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


# Errors --------------------------------------------------------------------------------------------------------------


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


# Episodes of single lanes --------------------------------------------------------------------------------------------


def both(mode, **options):
    """The vector environment, and Gymnasium's own over single ones."""
    own = gymnasium.make_vec(LEADER_ID, **options, autoreset_mode=mode)
    return own, gymnasium.make_vec(
        LEADER_ID, **options, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_autoreset_mode_is_gymnasiums_bit_for_bit_also_after_partial_resets(mode):
    own, singles = both(mode, num_envs=3, scenario=busy("random"), max_episode_steps=3)
    assert own.metadata["autoreset_mode"] is own.unwrapped.autoreset_mode is mode
    own.action_space.seed(0)
    assert same(own.reset(seed=7)[0], singles.reset(seed=7)[0])
    over = np.zeros(3, bool)
    for step in range(12):
        mask = np.array([step == 1, False, step == 4])  # lanes get out of step
        if mode is AutoresetMode.DISABLED:
            mask |= over
        if mask.any():
            seed = 40 + step if step == 4 else None
            seen = [env.reset(seed=seed, options={"reset_mask": mask.copy()})[0] for env in (own, singles)]
            assert same(*seen)
        actions = own.action_space.sample()
        one, other = own.step(actions), singles.step(actions)
        assert same(one[:4], other[:4])
        over = one[3]
        assert ("final_obs" in one[4]) == (mode is AutoresetMode.SAME_STEP and over.any())
        if "final_obs" in one[4]:
            assert same(one[4]["_final_obs"], over)
            for lane in range(3):
                assert same(one[4]["final_obs"][lane], other[4]["final_obs"][lane])


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_an_autoreset_mode_may_be_given_by_name(mode):
    assert LeaderVectorEnv(2, "duo", autoreset_mode=mode).autoreset_mode is AutoresetMode(mode)


@pytest.mark.parametrize("mode", ["later", None, 3])
def test_an_unknown_autoreset_mode_is_refused(mode):
    with pytest.raises(ValueError, match=r"autoreset_mode = .* must be an AutoresetMode or one of .*'NextStep'"):
        LeaderVectorEnv(2, "duo", autoreset_mode=mode)


def test_gymnasiums_wrappers_that_normalise_take_the_next_step_mode():
    env = gymnasium.make_vec(LEADER_ID, num_envs=3, scenario="duo", autoreset_mode=AutoresetMode.NEXT_STEP)
    env = gymnasium.wrappers.vector.NormalizeReward(gymnasium.wrappers.vector.NormalizeObservation(env))
    env.reset(seed=0, options={"reset_mask": np.ones(3, bool)})
    for _ in range(70):
        observations, *_ = env.step(env.action_space.sample())
    assert observations.shape == (3, 17)


def test_without_autoreset_an_episode_that_is_over_is_not_stepped():
    env = LeaderVectorEnv(2, "duo", max_episode_steps=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    env.step(np.full((2, 1), 0.4))
    env.reset(options={"reset_mask": np.array([True, False])})
    twin = copy.deepcopy(env)
    with pytest.raises(ValueError, match=r"episodes of lanes \[1\] are over"):
        env.step(np.full((2, 1), 0.4))
    for one in (env, twin):
        one.reset(options={"reset_mask": np.array([False, True])})
    assert same(env.step(np.full((2, 1), 0.4)), twin.step(np.full((2, 1), 0.4)))


def test_a_mask_of_all_lanes_is_a_reset():
    env, plain = LeaderVectorEnv(2, "random"), LeaderVectorEnv(2, "random")
    assert same(env.reset(seed=5, options={"reset_mask": np.ones(2, bool)}), plain.reset(seed=5))


@pytest.mark.parametrize("mask", [np.zeros(2, bool), np.ones(3, bool), np.ones(2), "all", None, [[True, True]]])
def test_a_bad_mask_is_refused_and_changes_nothing(mask):
    env = LeaderVectorEnv(2, "random")
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    if mask is None:
        env, twin = LeaderVectorEnv(2, "random"), LeaderVectorEnv(2, "random")
        mask = np.array([True, False])
        with pytest.raises(ValueError, match=r"reset_mask.*first reset"):
            env.reset(options={"reset_mask": mask})
    else:
        with pytest.raises(ValueError, match=r"options\['reset_mask'\] = .* must be an array of bool of shape \(2,\)"):
            env.reset(options={"reset_mask": mask})
    assert same(env.reset(seed=3), twin.reset(seed=3))


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


# Rendering -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def headless(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib

    matplotlib.use("agg")


def test_without_a_render_mode_nothing_is_shown():
    for env in (gymnasium.make(LEADER_ID, scenario="duo", render_mode=None), LeaderVectorEnv(2, "duo")):
        assert env.render_mode is None
        env.reset(seed=0)
        with pytest.warns(UserWarning, match="render"):
            assert env.unwrapped.render() is None


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_the_picture_is_that_of_the_market_environment(mode):
    env, singles = LeaderVectorEnv(2, busy("campus"), 1, render_mode=mode), []
    env.reset(seed=5)
    for lane in range(2):
        single = gymnasium.make(LEADER_ID, scenario=busy("campus"), mu=1, render_mode=mode)
        single.reset(seed=5 + lane)
        singles.append((single, parallel(busy("campus"), render_mode=mode)))
        singles[-1][1].reset(seed=5 + lane)
    for step in range(3):
        frames = env.render()
        assert type(frames) is tuple
        for lane, (single, market) in enumerate(singles):
            assert same(single.render(), frames[lane])
            assert same(market.render(), frames[lane])
            shares = env.equilibrium_rewards[lane] / market.market.reward_bound[:, None]
            shares[1] = 0.1 * step
            market.step({f"mu_{m}": row for m, row in enumerate(shares)})
            single.step(shares[1])
        env.step(np.full((2, 4), 0.1 * step))


def test_a_window_is_drawn_by_itself_and_closed(headless):
    import matplotlib.pyplot as plt

    env = gymnasium.make(LEADER_ID, scenario="duo", render_mode="human")
    env.reset(seed=0)
    (number,) = plt.get_fignums()
    shown = plt.figure(number).canvas.buffer_rgba().tobytes()
    env.step(np.full(1, 0.4))
    assert env.render() is None
    assert plt.figure(number).canvas.buffer_rgba().tobytes() != shown
    env.close()
    assert plt.get_fignums() == []
    lanes = gymnasium.make_vec(LEADER_ID, num_envs=2, scenario="duo", render_mode="human")
    lanes.reset(seed=0)
    assert lanes.render() == (None, None)
    assert len(plt.get_fignums()) == 2
    lanes.close()
    assert plt.get_fignums() == []


def test_gymnasium_makes_videos_of_it():
    env = gymnasium.make(LEADER_ID, scenario="duo", render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(np.full(1, 0.4))
    assert [frame.dtype for frame in env.render()] == [np.uint8, np.uint8]
    assert env.metadata["render_fps"] == LeaderVectorEnv.metadata["render_fps"] == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
@pytest.mark.parametrize("mode", ["png", "", "rgb"])
def test_another_render_mode_is_refused(make, mode):
    with pytest.raises(ValueError, match=r"render_mode = .* must be None or one of \['ansi', 'rgb_array', 'human'\]"):
        make(LEADER_ID, scenario="duo", render_mode=mode)


@pytest.mark.parametrize("mode", ["rgb_array", "human"])
def test_a_picture_without_matplotlib_tells_what_to_install(monkeypatch, mode):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    env = LeaderEnv("duo", render_mode=mode)
    show = env.reset if mode == "human" else env.render
    if mode != "human":
        env.reset()
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=r"aigc-market-env\[render\]"):
        show()


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
