import copy
import multiprocessing
import os
import pickle

import numpy as np
import pytest
from playing import MODES, VARIANTS, busy, roll, same

from aigc_market_env import BatchedMarketEnv
from aigc_market_env._numerics import compile as _compile

variants = pytest.mark.parametrize(("name", "asps"), VARIANTS)
both_modes = pytest.mark.parametrize("asps", MODES)


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 8])
@variants
def test_a_restored_environment_goes_on_bit_for_bit(name, asps, steps):
    options = {"scenario": busy(name), "num_envs": 3, "asps": asps, "max_cycles": 7}
    env, other = BatchedMarketEnv(**options, seed=0), BatchedMarketEnv(**options, seed=99)
    env.reset()
    roll(env, np.random.default_rng(0), steps)
    state = env.state()
    kept = copy.deepcopy(state)
    expected = roll(env, np.random.default_rng(1), 9)
    other.restore(state)
    assert same(other.state(), kept)
    assert same(roll(other, np.random.default_rng(1), 9), expected)
    env.restore(state)  # also the environment itself, from later on
    assert same(roll(env, np.random.default_rng(1), 9), expected)
    assert same(state, kept)


def test_a_state_survives_a_file(tmp_path):
    env, other = (BatchedMarketEnv("campus", 2, seed=seed) for seed in (0, 1))
    env.reset()
    roll(env, np.random.default_rng(0), 3)
    np.savez(tmp_path / "state.npz", **env.state())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        other.restore(dict(file))
    assert same(roll(other, np.random.default_rng(1), 4), roll(env, np.random.default_rng(1), 4))


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {}, "cycle"),
        (lambda s: {k: v for k, v in s.items() if k != "mus_turn"}, "'mus_turn' is missing"),
        (lambda s: {k: v for k, v in s.items() if k != "shadow"}, "'shadow' is missing"),
        (lambda s: {k: v for k, v in s.items() if k != "now.accuracy"}, r"'now\.accuracy' is missing"),
        (lambda s: s | {"request": s["request"][:, :1]}, "'request'"),
        (lambda s: s | {"streams": s["streams"].astype(np.int64)}, "'streams'.*uint64"),
        (lambda s: s | {"base.patience": -s["base.patience"]}, "patience"),
        (lambda s: s | {"now.accuracy": s["now.accuracy"] * np.nan}, "accuracy"),
        (lambda s: s | {"shadow": s["shadow"] * np.nan}, "'shadow' must be finite"),
        (lambda s: s | {"shadow_prices": s["shadow_prices"] - 1.0}, "'shadow_prices' must be finite numbers >= 0"),
        (lambda s: s | {"cycle": np.zeros(2)}, "'cycle'"),
        (lambda s: BatchedMarketEnv.state(_reset(BatchedMarketEnv("campus", 3))), "'shadow'"),
        (lambda s: BatchedMarketEnv.state(_reset(BatchedMarketEnv("duo", 2))), "'shadow'"),
    ],
)
def test_a_bad_state_is_refused_and_changes_nothing(spoil, message, started):
    env, twin = (BatchedMarketEnv("campus", 2, seed=0) for _ in range(2))
    bad = spoil(_reset(BatchedMarketEnv("campus", 2, seed=5)).state())
    if started:
        for one in (env, twin):
            one.reset()
            roll(one, np.random.default_rng(0), 3)
    with pytest.raises(ValueError, match=message):
        env.restore(bad)
    if not started:
        env.reset()
        twin.reset()
    assert same(env.state(), twin.state())
    assert same(roll(env, np.random.default_rng(1), 3), roll(twin, np.random.default_rng(1), 3))


def _reset(env):
    env.reset()
    return env


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@both_modes
def test_a_copy_goes_on_alike(duplicate, asps):
    env = BatchedMarketEnv(busy("campus"), 3, asps=asps, max_cycles=5, seed=0)
    env.reset()
    roll(env, np.random.default_rng(0), 3)
    twin = duplicate(env)
    assert same(roll(twin, np.random.default_rng(1), 6), roll(env, np.random.default_rng(1), 6))


def play_in_child(queue, env):
    queue.put(roll(env, np.random.default_rng(1), 4))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_goes_on_alike(four_threads, method):
    env = BatchedMarketEnv(busy("campus"), 64, asps="best_response", seed=0)
    env.reset()
    roll(env, np.random.default_rng(0), 1)
    assert _compile._pool is not None
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=play_in_child, args=(queue, env))
    child.start()
    try:
        assert same(queue.get(timeout=60), roll(env, np.random.default_rng(1), 4))
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()
