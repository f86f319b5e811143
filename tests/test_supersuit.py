"""SuperSuit's vector environments over ours, and stable-baselines3 on top of them."""

import numpy as np
import pytest
from playing import busy, parallel, same

from aigc_market_env import market_v0, wrappers
from aigc_market_env.testing import check_env

supersuit = pytest.importorskip("supersuit")


#: What works as it is on all forms of the environment, as docs/how-to/wrappers.md says.
WORKING = {
    "clip_actions_v0": (),
    "clip_reward_v0": (),
    "delay_observations_v0": (2,),
    "dtype_v0": (np.float64,),
    "max_observation_v0": (2,),
    "nan_zeros_v0": (),
    "normalize_obs_v0": (),
    "pad_observations_v0": (),
    "reward_lambda_v0": (lambda payoff: payoff / 2,),
}
FORMS = {
    "aec": lambda: market_v0.env("campus", max_cycles=12),
    "parallel": lambda: market_v0.parallel_env("campus", max_cycles=12),
    "best_response": lambda: market_v0.parallel_env("campus", max_cycles=12, asps="best_response"),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapper", WORKING)
def test_wrappers_that_work_as_they_are(wrapper, form):
    one, twin = (getattr(supersuit, wrapper)(FORMS[form](), *WORKING[wrapper]) for _ in range(2))
    check_env(one, twin, max_steps=15)


@pytest.mark.parametrize("form", ["aec", "parallel"])
def test_actions_can_be_padded_once_they_are_vectors(form):
    with pytest.raises(AssertionError, match="same shape"):
        supersuit.pad_action_space_v0(FORMS[form]())
    one, twin = (
        supersuit.pad_action_space_v0(wrappers.flatten_actions(wrappers.log_actions(FORMS[form]()))) for _ in range(2)
    )
    check_env(one, twin, max_steps=15)
    assert one.action_space("mu_0") == one.action_space("asp_0")
    assert one.action_space("mu_0").shape == (16,)
    assert one.action_space("mu_0").low.tolist() == [-1.0] * 16


def stacked(values):
    return np.stack([*values.values()])


def test_a_vector_environment_of_agents_is_the_same_game_bit_for_bit():
    env = parallel(busy("campus"), max_cycles=3)
    agents = supersuit.pettingzoo_env_to_vec_env_v1(parallel(busy("campus"), max_cycles=3))
    assert same(agents.reset(seed=4)[0], stacked(env.reset(seed=4)[0]))
    rng = np.random.default_rng(0)
    for step in range(7):
        actions = rng.random((8, 4), np.float32)
        observations, rewards, _, truncations, _ = env.step(dict(zip(env.possible_agents, actions, strict=True)))
        over = step % 3 == 2
        if over:
            observations, _ = env.reset()
        seen, gained, _, cut, _ = agents.step(actions)
        assert same(seen, stacked(observations))
        np.testing.assert_allclose(gained, stacked(rewards), rtol=1e-6)  # SuperSuit's are float32
        assert np.asarray(cut).astype(bool).tolist() == [truncations["mu_0"]] * 8 == [over] * 8


def test_stable_baselines3_trains_on_it():
    ppo = pytest.importorskip("stable_baselines3").PPO
    envs = supersuit.pettingzoo_env_to_vec_env_v1(parallel("duo"))
    envs = supersuit.concat_vec_envs_v1(envs, 2, base_class="stable_baselines3")
    model = ppo("MlpPolicy", envs, n_steps=16, batch_size=32, n_epochs=1, device="cpu")
    before = [weights.clone() for weights in model.policy.parameters()]
    model.learn(64)
    assert model.num_timesteps == 64
    assert any((now != then).any() for now, then in zip(model.policy.parameters(), before, strict=True))


@pytest.mark.parametrize("skip", [2, (1, 3)])
def test_frame_skip_plays_the_same_slot_several_times(skip):
    env = supersuit.frame_skip_v0(parallel(busy("campus")), skip)
    plain = parallel(busy("campus"))
    env.reset(seed=4)
    plain.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(4):
        actions = dict(zip(plain.possible_agents, rng.random((8, 4), np.float32), strict=True))
        slots = skip if skip == 2 else int(plain.np_random.integers(1, 4))
        for _ in range(slots):
            expected = plain.step(actions)[0]
        assert same(env.step(actions)[0], expected)


def test_it_cannot_be_seeded():
    ppo = pytest.importorskip("stable_baselines3").PPO
    envs = supersuit.pettingzoo_env_to_vec_env_v1(parallel("duo"))
    envs = supersuit.concat_vec_envs_v1(envs, 1, base_class="stable_baselines3")
    with pytest.raises(AttributeError, match="seed"):
        ppo("MlpPolicy", envs, seed=0, device="cpu")
