import copy

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecCheckNan, VecMonitor

from agents.policy.actions import shares_of
from agents.policy.agent_features import leader_features
from agents.training.leader_env import FIRST_UNSERVED_COST, LeaderVecEnv
from aigc_market_env import BatchedMarketEnv, Dynamics, Scenario, follower_response, spaces
from aigc_market_env.registration import EPISODE_SLOTS

FADING = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())


def actions_of(env, rng):
    return rng.uniform(-1.5, 1.5, (env.num_envs, *env.action_space.shape)).astype(np.float32)


@pytest.mark.parametrize("name", ["duo", "campus", "town", "prepaid"])
def test_spaces_contain_what_is_returned(name):
    env = LeaderVecEnv(Scenario.preset(name), 3)
    rng = np.random.default_rng(0)
    observations = env.reset()
    for _ in range(3):
        assert observations.shape == (env.num_envs, *env.observation_space.shape)
        assert all(env.observation_space.contains(row) for row in observations)
        observations, rewards, dones, infos = env.step(actions_of(env, rng))
        assert (rewards.shape, rewards.dtype) == ((env.num_envs,), np.float32)
        assert (dones.shape, dones.dtype) == ((env.num_envs,), np.bool_)
        assert not dones.any()
        assert len(infos) == env.num_envs


@pytest.mark.parametrize("name", ["random", "prepaid"])
def test_rewards_are_the_utilities_over_the_scales_of_the_batched_environment(name):
    env, wallet = LeaderVecEnv(Scenario.preset(name), 3, seed=5), name == "prepaid"
    markets = BatchedMarketEnv(name, 3, asps="best_response", max_cycles=EPISODE_SLOTS, seed=5)
    first, _ = markets.reset()
    assert np.array_equal(env.reset(), leader_features(first["mu"], wallet=wallet).reshape(env.num_envs, -1))
    rng = np.random.default_rng(1)
    unit = 10.0 if wallet else 1.0  # with wallets, see LeaderVecEnv
    for _ in range(4):
        actions = actions_of(env, rng)
        scale = markets.base_market.satisfaction_scale
        seen, expected, *_ = markets.step({"mu": shares_of(actions).reshape(3, 8, 4)})
        observations, rewards, _, _ = env.step(actions)
        assert np.array_equal(rewards, (expected["mu"] / scale / unit).ravel().astype(np.float32))
        assert np.array_equal(observations, leader_features(seen["mu"], wallet=wallet).reshape(env.num_envs, -1))


def test_identity_tells_the_users_of_a_market_apart():
    env = LeaderVecEnv(Scenario.preset("campus"), 2)
    assert np.array_equal(env.reset()[:, :8], np.tile(np.eye(8, dtype=np.float32), (2, 1)))


def test_infos_hold_the_sum_of_an_episodes_rewards():
    env = LeaderVecEnv(FADING, 2, episode_slots=3)
    env.reset()
    rng = np.random.default_rng(2)
    for _ in range(2):
        total = np.zeros(env.num_envs)
        for slot in range(3):
            _, rewards, _, infos = env.step(actions_of(env, rng))
            total += rewards
            assert all(("episode" in info) == (slot == 2) for info in infos)
        assert np.allclose([info["episode"]["r"] for info in infos], total, rtol=1e-5)
        assert {info["episode"]["l"] for info in infos} == {3}


def test_nothing_returned_is_overwritten_later():
    env = LeaderVecEnv(FADING, 2, episode_slots=2)
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
    for old, new in zip(before, returned, strict=True):
        assert np.array_equal(old, new) if isinstance(old, np.ndarray) else old == new


def test_infos_are_the_callers_to_write_into():
    env = LeaderVecEnv(FADING, 1)
    env.reset()
    *_, infos = env.step(np.zeros((2, 1), np.float32))
    infos[0]["mine"] = 1
    *_, infos = env.step(np.zeros((2, 1), np.float32))
    assert infos == [{}, {}]


def test_the_same_seed_gives_the_same_rollout_and_another_one_another():
    def rollout(env):
        rng = np.random.default_rng(4)
        return np.stack([env.reset(), *(env.step(actions_of(env, rng))[0] for _ in range(3))])

    one, same, other = (LeaderVecEnv(Scenario.preset("random"), 2, seed=seed) for seed in (7, 7, 8))
    first = rollout(one)
    assert np.array_equal(first, rollout(same))
    assert not np.array_equal(first, rollout(other))
    assert not np.array_equal(first, rollout(one))  # the streams go on
    one.seed(7)
    assert np.array_equal(first, rollout(one))
    one.seed(None)
    assert not np.array_equal(first, rollout(one))


def test_what_is_not_a_number_is_refused_and_the_environment_works_on():
    env, untouched = (LeaderVecEnv(FADING, 1) for _ in range(2))
    env.reset()
    untouched.reset()
    actions = np.zeros((2, 1), np.float32)
    bad = np.array([[0.0], [np.nan]], np.float32)
    with pytest.raises(ValueError, match="mu"):
        env.step(bad)
    assert np.array_equal(env.step(actions)[1], untouched.step(actions)[1])


def test_a_wrong_number_of_actions_is_refused():
    env = LeaderVecEnv(FADING, 1)
    env.reset()
    with pytest.raises(ValueError, match="shape"):
        env.step(np.zeros((3, 1), np.float32))


def test_wrappers_of_stable_baselines3_change_nothing():
    plain = LeaderVecEnv(FADING, 2, episode_slots=2)
    wrapped = VecMonitor(VecCheckNan(LeaderVecEnv(FADING, 2, episode_slots=2), raise_exception=True))
    assert np.array_equal(plain.reset(), wrapped.reset())
    rng = np.random.default_rng(5)
    for _ in range(4):
        actions = actions_of(plain, rng)
        for ours, theirs in zip(plain.step(actions), wrapped.step(actions), strict=True):
            assert np.array_equal(ours, theirs) if isinstance(ours, np.ndarray) else ours == theirs
    wrapped.close()


def test_ppo_trains_on_it_twice_the_same():
    def weights():
        model = PPO("MlpPolicy", LeaderVecEnv(FADING, 4), n_steps=4, batch_size=16, n_epochs=2, seed=0, device="cpu")
        before = model.policy.action_net.weight.detach().clone()
        model.learn(96)
        assert not before.equal(model.policy.action_net.weight)
        return model.policy.state_dict()

    one, two = weights(), weights()
    assert all(one[name].equal(two[name]) for name in one)


def test_it_goes_on_from_a_saved_state_even_where_markets_are_drawn():
    one, two = LeaderVecEnv(Scenario.preset("random"), 2, seed=1), LeaderVecEnv(Scenario.preset("random"), 2, seed=2)
    rng = np.random.default_rng(6)
    one.reset()
    one.step(actions_of(one, rng))
    two.restore(**one.state())
    for _ in range(3):
        actions = actions_of(one, rng)
        for ours, theirs in zip(one.step(actions), two.step(actions), strict=True):
            assert np.array_equal(ours, theirs) if isinstance(ours, np.ndarray) else ours == theirs


def test_attributes_are_shared_by_all_environments():
    env = LeaderVecEnv(FADING, 2)
    assert env.get_attr("episode_slots") == [64] * 4
    assert env.get_attr("render_mode", [0, 2]) == [None, None]
    assert env.env_is_wrapped(VecMonitor) == [False] * 4
    with pytest.raises(NotImplementedError):
        env.set_attr("slot", 1)
    with pytest.raises(NotImplementedError):
        env.env_method("reset")


def best_responses(env):
    """A policy of ASPs that asks the oracle, for the market that ``env`` is in."""

    def act(observations):
        market = env.markets.market
        num_mus = market.num_mus
        shares = observations[..., 7:].reshape(*observations.shape[:2], num_mus, -1)[..., 0].swapaxes(1, 2)
        response = follower_response(market, shares.astype(float) * market.reward_bound[..., None])
        compute = response.compute / market.compute_capacity[..., None, :]
        bandwidth = response.bandwidth / market.bandwidth_capacity[..., None, :]
        return np.stack([compute, bandwidth], axis=2).transpose(0, 3, 2, 1)

    return act


def test_followers_that_respond_exactly_may_as_well_be_a_policy():
    exact, played = LeaderVecEnv(FADING, 3), LeaderVecEnv(FADING, 3, followers=lambda observations: act(observations))
    act = best_responses(played)
    rng = np.random.default_rng(7)
    assert np.array_equal(exact.reset(), played.reset())
    for _ in range(4):
        actions = actions_of(exact, rng)
        for ours, theirs in zip(exact.step(actions)[:2], played.step(actions)[:2], strict=True):
            assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_leaders_of_learned_followers_go_on_from_a_saved_state():
    def generous(observations):
        return np.full((*observations.shape[:2], 2, 2), 0.4)

    one, two = (LeaderVecEnv(FADING, 2, seed=seed, followers=generous) for seed in (1, 2))
    rng = np.random.default_rng(8)
    one.reset()
    one.step(actions_of(one, rng))
    two.restore(**one.state())
    for _ in range(3):
        actions = actions_of(one, rng)
        for ours, theirs in zip(one.step(actions), two.step(actions), strict=True):
            assert np.array_equal(ours, theirs) if isinstance(ours, np.ndarray) else ours == theirs


@pytest.mark.parametrize("preset", ["duo", "town"])
def test_an_offer_that_nothing_is_delivered_for_costs_by_how_far_it_is_below_the_bound(preset):
    scenario = Scenario.preset(preset)
    plain, env = LeaderVecEnv(scenario, 3, seed=1), LeaderVecEnv(scenario, 3, seed=1)
    names = spaces.mu_observation_names(scenario.num_asps)
    for each in (plain, env):
        each.reset()
    env.anneal(0.5)
    assert env.unserved_cost == FIRST_UNSERVED_COST / 4
    rng = np.random.default_rng(0)
    for _ in range(3):
        actions = actions_of(env, rng)
        seen, utility, _, _ = plain.step(actions)
        also_seen, rewards, _, _ = env.step(actions)
        assert np.array_equal(seen, also_seen)
        qoe = seen[:, [scenario.num_mus + names.index(f"asp_{n}/last_qoe") for n in range(scenario.num_asps)]]
        unserved = qoe == 0.0
        assert 0 < unserved.sum() < unserved.size
        cost = -env.unserved_cost * (np.log(shares_of(actions)) * unserved).sum(axis=1)
        assert np.allclose(rewards, utility - cost, rtol=1e-5, atol=1e-6)
    env.anneal(0.0)
    actions = actions_of(env, rng)
    assert np.array_equal(env.step(actions)[1], plain.step(actions)[1])
