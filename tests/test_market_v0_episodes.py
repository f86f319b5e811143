import copy
import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from playing import (
    MODES,
    PRESETS,
    VARIANTS,
    arrays_of,
    busy,
    go_on,
    parallel,
    play,
    random_actions,
    same,
)

from aigc_market_env import Dynamics, Scenario, market_v0
from aigc_market_env.scenarios import STATIC

variants = pytest.mark.parametrize(("name", "asps"), VARIANTS)
both_modes = pytest.mark.parametrize("asps", MODES)
both_forms = pytest.mark.parametrize("make", [market_v0.env, market_v0.parallel_env], ids=["aec", "parallel"])


# Seeds


@variants
def test_the_same_seed_gives_the_same_bytes(name, asps):
    one = play(parallel(busy(name), asps, max_cycles=50), 3, 200)
    assert same(one, play(parallel(busy(name), asps, max_cycles=50), 3, 200))
    assert len(one) == 204


@both_forms
def test_np_random_is_for_wrappers_seeded_along_and_without_effect(make):
    env, twin = make("campus"), make("campus")
    assert env.np_random_seed >= 0
    env.reset(seed=3)
    twin.reset(seed=3)
    assert env.np_random_seed == 3
    assert env.np_random.bit_generator.state == np.random.default_rng(3).bit_generator.state
    first = env.np_random.random(5)
    assert same(env.state(), twin.state())
    assert same(env.reset(), twin.reset())
    assert same(env.state(), twin.state())
    assert env.np_random_seed == 3
    assert not same(env.np_random.random(5), first)
    env.reset(seed=3)
    assert same(env.np_random.random(5), first)
    assert same(copy.deepcopy(env).np_random.random(5), env.np_random.random(5))
    env.np_random = np.random.default_rng(8)
    assert env.np_random_seed == -1
    assert env.np_random.random() == np.random.default_rng(8).random()


@both_forms
@pytest.mark.parametrize("options", [{"load": 2.0}, {"options": 2}, {1: 1}, 5, "load"])
def test_an_option_of_reset_that_means_nothing_is_refused_and_changes_nothing(make, options):
    env, twin = make("random"), make("random")
    for one in (env, twin):
        one.reset(seed=0, options={})
        one.reset(options=None)
    with pytest.raises(ValueError, match=r"reset\(\) of market_v0 takes no options"):
        env.reset(seed=1, options=options)
    assert env.np_random_seed == 0
    env.reset()
    twin.reset()
    assert same(env.state(), twin.state())


def digest(things):
    total = hashlib.sha256()
    for array in arrays_of(things):
        total.update(array.tobytes())
    return total.hexdigest()


def test_another_process_sees_the_same_bytes():
    code = (
        "import test_market_v0_episodes as t; from playing import *; "
        "print(t.digest(play(parallel(busy('campus'), 'agents', max_cycles=50), 3, 200)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest(play(parallel(busy("campus"), "agents", max_cycles=50), 3, 200))


@pytest.mark.parametrize("name", PRESETS)
def test_seeds_differ_and_streams_go_on(name):
    env = parallel(name, max_cycles=3)
    states = []
    for seed in (0, 1, 2**63, 2**70, None, None):
        env.reset(seed=seed)
        states.append(env.state().tobytes())
    assert len(set(states)) == len(states)
    fresh = parallel(name)
    fresh.reset()
    assert fresh.state().tobytes() not in states


@variants
def test_a_seeded_reset_starts_over_exactly(name, asps):
    env = parallel(busy(name), asps, max_cycles=6)
    first = play(env, 4, 15)
    go_on(env, np.random.default_rng(9), 5)
    assert same(play(env, 4, 15), first)


def test_the_options_that_pettingzoos_tests_give_are_taken_and_ignored():
    env, twin = parallel(), parallel()
    assert same(env.reset(seed=1, options={"options": 1}), twin.reset(seed=1))


# Fixed markets


@both_modes
def test_a_fixed_market_stays_as_it_is(asps, tmp_path):
    market = Scenario.preset("random").sample(5)
    market.to_json(tmp_path / "mine.json")
    for scenario in (market, tmp_path / "mine.json", str(tmp_path / "mine.json"), Scenario.fixed(market)):
        env = parallel(scenario, asps, max_cycles=3)
        play(env, None, 9)
        assert env.market == market


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[: len(text) // 2], "not a JSON document"),
        (lambda text: "", "not a JSON document"),
        (lambda text: text.replace('"patience"', '"patients"'), "'patience'"),
        (lambda text: text.replace('"slot_duration": 10.0', '"slot_duration": -1'), "slot_duration"),
        (lambda text: text.replace("aigc-market/1", "aigc-market/9"), "schema"),
    ],
)
@both_forms
def test_a_bad_market_file_is_refused_by_file_and_field(make, tmp_path, spoil, message):
    Scenario.preset("duo").sample(0).to_json(tmp_path / "mine.json")
    text = (tmp_path / "mine.json").read_text()
    assert spoil(text) != text
    (tmp_path / "mine.json").write_text(spoil(text))
    with pytest.raises(ValueError, match=rf"mine\.json.*{message}"):
        make(tmp_path / "mine.json")


# Copies


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@variants
def test_a_copied_parallel_environment_goes_on_alike(name, asps, duplicate):
    env = parallel(busy(name), asps, max_cycles=5)
    play(env, 0, 3)  # with ASPs as agents, the ASPs' turn
    twin = duplicate(env)
    assert same(twin.state(), env.state())
    seen = go_on(env, np.random.default_rng(1), 8)
    assert same(go_on(twin, np.random.default_rng(1), 8), seen)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copied_aec_environment_goes_on_alike_from_amid_a_slot(duplicate):
    env = market_v0.env("campus")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = random_actions(rng, env)
    for agent in env.possible_agents[:5]:
        env.step(actions[agent])
    twin = duplicate(env)
    for agent in env.possible_agents[5:]:
        env.step(actions[agent])
        twin.step(actions[agent])
    assert same(twin.rewards, env.rewards)
    assert same(twin.posted_rewards, env.posted_rewards)


def test_an_environment_that_was_never_reset_is_copied():
    twin = pickle.loads(pickle.dumps(parallel("duo")))
    assert same(play(twin, 0, 3), play(parallel("duo"), 0, 3))


def test_a_copy_needs_no_compilation():
    from aigc_market_env._engine.kernels import begin, post, serve

    env = parallel("duo", "agents")
    play(env, 0, 4)
    kernels = (begin, post, serve)
    before = [len(kernel.signatures) for kernel in kernels]
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        go_on(twin, np.random.default_rng(0), 4)
    assert [len(kernel.signatures) for kernel in kernels] == before


# Exogenous dynamics


@both_modes
def test_no_action_changes_the_markets_to_come(asps):
    trajectories = []
    for action_seed in (0, 1):
        env = parallel(busy("campus"), asps, max_cycles=6)
        env.reset(seed=5)
        rng, markets = np.random.default_rng(action_seed), []
        for _ in range(20):
            if not env.agents:
                env.reset()
            env.step(random_actions(rng, env))
            markets.append(env.market)
        trajectories.append(markets)
    assert trajectories[0] == trajectories[1]
    assert trajectories[0][0] != trajectories[0][3]


def test_both_modes_see_the_same_markets():
    one, other = parallel(busy("campus"), "agents"), parallel(busy("campus"), "best_response")
    one.reset(seed=0)
    other.reset(seed=0)
    for _ in range(5):
        assert one.market == other.market
        actions = random_actions(np.random.default_rng(0), one)
        one.step(actions)
        one.step(actions)
        other.step({agent: actions[agent] for agent in other.agents})


def test_static_dynamics_freeze_the_market():
    env = parallel(Scenario.preset("random", dynamics=STATIC), max_cycles=20)
    env.reset(seed=0)
    first = env.market
    go_on(env, np.random.default_rng(0), 10)
    assert env.market == first
    moving = parallel(Scenario.preset("random", dynamics=Dynamics(0.0, request_probability=1.0)), max_cycles=20)
    moving.reset(seed=0)
    assert moving.market == first
    go_on(moving, np.random.default_rng(0), 1)
    assert moving.market != first
    np.testing.assert_array_equal(moving.market.spectral_efficiency, first.spectral_efficiency)


def test_turns_end_with_the_episode_or_after_as_many_as_asked_for():
    env = market_v0.env("duo", max_cycles=3)
    env.reset(seed=0)
    assert list(env.agent_iter(0)) == []
    turns = env.agent_iter(2)
    assert [list(turns), list(turns)] == [["mu_0"] * 2] * 2  # nobody acts
    acted = []
    for agent in env.agent_iter():
        env.step(None if env.truncations[agent] else np.full(env.action_space(agent).shape, 0.3))
        acted.append(agent)
    assert acted == env.possible_agents * 4  # the last time as dead
    assert list(env.agent_iter()) == []
