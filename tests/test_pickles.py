"""What Ray and joblib do to environments: pickles with arrays outside of them, restored where nobody may write."""

import copy
import importlib
import pickle

import numpy as np
import pytest
from playing import MODES, busy, go_on, parallel, random_actions, roll, same

from aigc_market_env import (
    BatchedMarketEnv,
    DualPerturbation,
    Scenario,
    follower_response,
    leader_best_response,
    market_v0,
    solve_equilibrium,
)
from aigc_market_env.leader_v0 import LeaderEnv, LeaderVectorEnv


def out_of_band(thing):
    """As Ray restores it: arrays lie in memory that cannot be written to."""
    buffers = []
    document = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(document, buffers=[bytes(buffer.raw()) for buffer in buffers])


def shared(thing):
    """As threads of one process may restore it: arrays are those of the original."""
    buffers = []
    document = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(document, buffers=buffers)


def mapped(mode):
    """As joblib restores large arguments in its workers: arrays lie in files."""

    def through_files(thing, folder):
        joblib = pytest.importorskip("joblib")
        joblib.dump(thing, folder / "thing.joblib")
        return joblib.load(folder / "thing.joblib", mmap_mode=mode)

    return through_files


def cloudpickled(thing):
    cloudpickle = pytest.importorskip("cloudpickle")
    return cloudpickle.loads(cloudpickle.dumps(thing, protocol=5))


WAYS = {
    "out of band": lambda thing, _: out_of_band(thing),
    "shared": lambda thing, _: shared(thing),
    "joblib r": mapped("r"),
    "joblib r+": mapped("r+"),
    "cloudpickle": lambda thing, _: cloudpickled(thing),
    "copy": lambda thing, _: copy.deepcopy(thing),
}
every_way = pytest.mark.parametrize("way", WAYS)


def play_aec(env, rng, slots):
    seen = []
    for _ in range(slots):
        if not env.agents or env.truncations[env.agent_selection]:
            env.reset()
        actions = random_actions(rng, env)
        for agent in env.possible_agents:
            env.step(actions[agent])
        seen.append([{agent: env.observe(agent) for agent in env.agents}, dict(env.rewards), env.state()])
    return seen


def play_leader(env, rng, steps):
    seen = []
    for step in range(steps):
        seen.append(env.step(rng.random(env.action_space.shape)))
        if step == 2:
            seen.append(env.reset())
    return seen


def play_resets(env, rng, steps):
    return [[roll(env, rng, steps), env.reset()] for _ in range(2)]


PLAYED = {
    **{
        f"{form}, {asps}": (make, play)
        for asps in MODES
        for form, make, play in (
            ("Parallel", lambda asps=asps: parallel(busy("random"), asps, max_cycles=5), go_on),
            ("AEC", lambda asps=asps: market_v0.env(busy("random"), 3, asps=asps), play_aec),
            ("batch", lambda asps=asps: BatchedMarketEnv(busy("random"), 3, asps=asps, max_cycles=5), play_resets),
            ("views", lambda asps=asps: BatchedMarketEnv(busy("random"), 3, asps=asps, copy=False), play_resets),
        )
    },
    "Leader": (lambda: LeaderEnv(busy("random")), play_leader),
    "Leader, lanes": (lambda: LeaderVectorEnv(3, busy("random"), max_episode_steps=4), play_leader),
}


@every_way
@pytest.mark.parametrize("kind", PLAYED)
def test_a_restored_environment_plays_on_with_the_same_bits_and_apart(kind, way, tmp_path):
    make, play = PLAYED[kind]
    env = make()
    env.reset(seed=3)
    play(env, np.random.default_rng(0), 2)
    expected = play(copy.deepcopy(env), np.random.default_rng(1), 4)
    twin = WAYS[way](env, tmp_path)
    assert same(play(twin, np.random.default_rng(1), 4), expected)
    assert same(play(env, np.random.default_rng(1), 4), expected)  # the original has not been written to


@every_way
def test_a_restored_environment_may_be_reset_before_anything(way, tmp_path):
    twin = WAYS[way](BatchedMarketEnv("campus", 3, seed=1), tmp_path)
    env = BatchedMarketEnv("campus", 3, seed=1)
    assert same(twin.reset()[0], env.reset()[0])
    assert same(roll(twin, np.random.default_rng(1), 3), roll(env, np.random.default_rng(1), 3))


@every_way
def test_spaces_of_a_restored_environment_can_be_sampled(way, tmp_path):
    env = parallel("campus", "agents")
    env.reset(seed=0)
    twin = WAYS[way](env, tmp_path)
    for one in (env, twin):
        for position, agent in enumerate(env.agents):
            one.action_space(agent).seed(position)
    assert same(*({a: one.action_space(a).sample() for a in env.agents} for one in (env, twin)))


@every_way
def test_markets_scenarios_and_mechanisms_survive(way, tmp_path):
    market, rewards = Scenario.preset("campus").sample(0), np.full((8, 4), 0.3)
    scenario, mechanism = Scenario.fixed(market), DualPerturbation(rounds=2)
    market_too, scenario_too, mechanism_too = WAYS[way]((market, scenario, mechanism), tmp_path)
    assert market_too == market
    assert not market_too.accuracy.flags.writeable
    assert scenario_too.sample(0) == market
    assert same(vars(follower_response(market_too, rewards)), vars(follower_response(market, rewards)))
    assert same(*(m.run(market, np.random.default_rng(0)).rewards for m in (mechanism, mechanism_too)))


@pytest.mark.parametrize("side", ["leader", "follower"])
@every_way
def test_environments_of_stable_baselines3_play_on(side, way, tmp_path):
    pytest.importorskip("stable_baselines3")
    module = importlib.import_module(f"agents.training.{side}_env")
    env = {"leader": "LeaderVecEnv", "follower": "FollowerVecEnv"}[side]
    env = getattr(module, env)(busy("random"), 2)
    env.seed(0)
    env.reset()

    def play(env):
        rng = np.random.default_rng(1)
        return [env.step(rng.uniform(-1, 1, (env.num_envs, *env.action_space.shape))) for _ in range(3)]

    play(env)
    expected = play(copy.deepcopy(env))
    twin = WAYS[way](env, tmp_path)
    assert same([step[:2] for step in play(twin)], [step[:2] for step in expected])
    assert same([step[:2] for step in play(env)], [step[:2] for step in expected])


# Arrays of the user's that cannot be written to ----------------------------------------------------------------------


def frozen(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def test_actions_and_states_may_be_read_only():
    batch, twin = (BatchedMarketEnv("campus", 2, seed=0) for _ in range(2))
    for env in (batch, twin):
        env.reset()
    rng = np.random.default_rng(0)
    mus, asps = rng.random((2, 8, 4)), rng.random((2, 4, 2, 8), np.float32)
    for group, shares in (("mu", mus), ("asp", asps)):
        assert same(batch.step({group: frozen(shares)}), twin.step({group: shares}))
    twin.restore({name: frozen(array) for name, array in batch.state().items()})
    assert same(roll(batch, np.random.default_rng(1), 3), roll(twin, np.random.default_rng(1), 3))
    lanes, same_lanes = LeaderVectorEnv(2, "duo"), LeaderVectorEnv(2, "duo")
    assert same(lanes.reset(seed=0), same_lanes.reset(seed=0))
    assert same(lanes.step(frozen([[0.2], [0.4]])), same_lanes.step([[0.2], [0.4]]))


def test_rewards_may_be_read_only():
    market = Scenario.preset("duo").sample(0)
    rewards = np.full((2, 1), 0.5)
    assert same(vars(follower_response(market, frozen(rewards))), vars(follower_response(market, rewards)))
    assert same(leader_best_response(market, frozen(rewards)), leader_best_response(market, rewards))
    starts = (solve_equilibrium(market, start=start).rewards for start in (frozen(rewards), rewards))
    assert same(*starts)
