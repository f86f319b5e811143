"""Episodes of single lanes of the single-agent view: every autoreset mode is Gymnasium's own, bit for bit."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from playing import busy, same

from aigc_market_env.leader_v0 import LeaderVectorEnv
from aigc_market_env.registration import LEADER_ID


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
