import copy

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from playing import (
    MODES,
    PRESETS,
    VARIANTS,
    busy,
    lane_actions,
    lane_of,
    parallel,
    random_actions,
    random_batch,
    roll,
    same,
    steps_per_slot,
)

from aigc_market_env import BatchedMarketEnv, Dynamics, Scenario, follower_regret, market_v0
from aigc_market_env._numerics import compile as _compile

variants = pytest.mark.parametrize(("name", "asps"), VARIANTS)
both_modes = pytest.mark.parametrize("asps", MODES)


# Lane i = the Parallel environment


def compare_with_single_ones(name, asps, num_envs, lanes, steps):
    scenario = busy(name)
    cycles = 3 * (2 if asps == "agents" else 1)
    env = BatchedMarketEnv(scenario, num_envs, asps=asps, max_cycles=cycles, seed=40)
    singles = {lane: parallel(scenario, asps, max_cycles=cycles) for lane in lanes}
    observations, _ = env.reset()
    for lane, single in singles.items():
        assert same(lane_of(observations, lane), list(single.reset(seed=40 + lane)[0].values()))
    rng = np.random.default_rng(1)
    for step in range(1, steps + 1):
        actions = random_batch(rng, env)
        observations, rewards, terminations, truncations, infos = env.step(actions)
        over = step % cycles == 0
        assert truncations.tolist() == [over] * num_envs
        assert not terminations.any()
        assert ("final_obs" in infos) is over
        for lane, single in singles.items():
            expected, payoffs, _, ends, _ = single.step(lane_actions(single, actions, lane))
            assert set(ends.values()) == {over}
            assert [float(reward) for reward in lane_of(rewards, lane)] == list(payoffs.values())
            if over:
                assert same(lane_of(infos["final_obs"], lane), list(expected.values()))
                expected, _ = single.reset()  # without a seed: the lane's stream goes on
            else:
                assert same(env.served.rewards[lane], single.posted_rewards)
            assert same(lane_of(observations, lane), list(expected.values()))
            assert env.market[lane] == single.market


@variants
def test_lanes_are_parallel_environments_bit_for_bit(name, asps):
    compare_with_single_ones(name, asps, num_envs=3, lanes=[0, 1, 2], steps=13)


@both_modes
def test_lanes_of_a_batch_over_several_threads_are_too(four_threads, asps):
    compare_with_single_ones("campus", asps, num_envs=100, lanes=[0, 24, 25, 57, 99], steps=9)
    assert _compile._pool is not None


def test_lanes_are_aec_environments_bit_for_bit():
    env = BatchedMarketEnv(busy("campus"), 4, seed=3)
    aec = market_v0.env(busy("campus"))
    env.reset()
    aec.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(3):
        actions = random_batch(rng, env)
        env.step(actions)
        observations, rewards, *_ = env.step(actions)
        for action in lane_of(actions, 2):
            aec.step(action)
        assert [float(reward) for reward in lane_of(rewards, 2)] == list(aec.rewards.values())
        assert same(lane_of(observations, 2), [aec.observe(agent) for agent in aec.agents])


# Shapes, spaces, resets


@variants
def test_what_is_handed_out_has_the_shapes_promised(name, asps):
    env = BatchedMarketEnv(name, 5, asps=asps, max_cycles=4, seed=0)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    agents = {"mu": env.num_mus, "asp": env.num_asps}
    groups = ["mu", "asp"][: 2 if asps == "agents" else 1]
    observations, infos = env.reset()
    assert infos == {}
    rng = np.random.default_rng(0)
    for step in range(1, 9):
        assert list(observations) == groups == list(env.single_observation_space) == list(env.single_action_space)
        for group, array in observations.items():
            space = env.single_observation_space[group]
            assert array.shape == (5, agents[group], *space.shape)
            assert all(space.contains(row) for lane in array for row in lane)
        observations, rewards, terminations, truncations, infos = env.step(random_batch(rng, env))
        assert {group: (array.shape, array.dtype.str) for group, array in rewards.items()} == {
            group: ((5, agents[group]), "<f8") for group in groups
        }
        for flags in (terminations, truncations):
            assert (flags.shape, flags.dtype) == ((5,), bool)
        assert truncations.all() == (step % 4 == 0)
        assert list(infos) == (["final_obs"] if step % 4 == 0 else [])


def test_an_episode_without_end_never_ends():
    env = BatchedMarketEnv("duo", 2, asps="best_response", max_cycles=None, seed=0)
    env.reset()
    for _ in range(150):
        *_, truncations, infos = env.step({"mu": np.full((2, 2, 1), 0.3)})
        assert not truncations.any()
        assert infos == {}


def test_an_episode_may_end_amid_a_slot():
    env = BatchedMarketEnv("duo", 2, max_cycles=3, seed=0)
    env.reset()
    actions = random_batch(np.random.default_rng(0), env)
    env.step(actions)
    env.step(actions)
    observations, *_, truncations, infos = env.step(actions)
    assert truncations.all()
    assert env.acting == "mu"
    assert (infos["final_obs"]["asp"][..., 0] == 1.0).all()
    assert (observations["mu"][..., 0] == 1.0).all()


@both_modes
def test_nothing_handed_out_is_overwritten(asps):
    env = BatchedMarketEnv(busy("campus"), 3, asps=asps, max_cycles=4, seed=0)
    given = [env.reset(), env.state()]
    kept = copy.deepcopy(given)
    rng = np.random.default_rng(0)
    for _ in range(10):
        new = [env.step(random_batch(rng, env)), env.state(), vars(env.served)]
        given += new
        kept += copy.deepcopy(new)
    assert same(given, kept)


def test_seeds_count_up_or_come_one_by_one():
    env, other = BatchedMarketEnv("random", 3), BatchedMarketEnv("random", 3, seed=7)
    first, _ = other.reset()
    for seed in (7, np.int64(7), [7, 8, 9], (7, 8, 9), np.array([7, 8, 9])):
        assert same(env.reset(seed=seed)[0], first)
    assert not same(env.reset()[0], first)
    np.testing.assert_array_equal(env.reset(seed=[9, 7, 7])[0]["mu"], first["mu"][[2, 0, 0]])
    other.reset()
    other.reseed(7)
    assert same(other.reset()[0], first)


def test_no_seed_is_unpredictable():
    one, other = (BatchedMarketEnv("random", 1).reset()[0] for _ in range(2))
    assert not same(one, other)


@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4], [], np.arange(2)])
def test_a_wrong_number_of_seeds_is_refused(seed):
    env, twin = (BatchedMarketEnv("duo", 3, seed=0) for _ in range(2))
    env.reset()
    twin.reset()
    with pytest.raises(ValueError, match=f"seed has {len(seed)} entries.*3 lanes"):
        env.reset(seed=seed)
    assert same(env.state(), twin.state())


@pytest.mark.parametrize("seed", [-1, 1.5, "abc", [1, 2.5, 3], [1, 2, -3]])
def test_a_bad_seed_changes_nothing(seed):
    env, twin = (BatchedMarketEnv("duo", 3, seed=0) for _ in range(2))
    env.reset()
    twin.reset()
    with pytest.raises(ValueError, match=r"seed = .* must be an integer >= 0, or None"):
        env.reset(seed=seed)
    assert same(env.state(), twin.state())
    env.close()


# Actions


@both_modes
def test_only_the_acting_groups_actions_are_needed(asps):
    env, twin = (BatchedMarketEnv("campus", 2, asps=asps, seed=0) for _ in range(2))
    env.reset()
    twin.reset()
    rng = np.random.default_rng(0)
    for _ in range(4):
        actions = random_batch(rng, env)
        assert same(env.step({env.acting: actions[env.acting]}), twin.step(actions))


def test_actions_are_clipped_and_left_as_they_are():
    env, twin = (BatchedMarketEnv("campus", 2, seed=0) for _ in range(2))
    env.reset()
    twin.reset()
    rng = np.random.default_rng(0)
    for _ in range(4):
        wild = {group: 3.0 * array - 1.0 for group, array in random_batch(rng, env).items()}
        before = copy.deepcopy(wild)
        tame = {group: np.clip(array, 0.0, 1.0) for group, array in wild.items()}
        assert same(env.step(wild), twin.step(tame))
        assert same(wild, before)


BAD = {
    "nan": (lambda a: {"mu": np.where(a < 2, np.nan, a)}, "'mu'.*nan must be finite"),
    "inf": (lambda a: {"mu": np.where(np.arange(4) == 3, np.inf, a)}, r"'mu': entry \[0, 0, 3\] = inf"),
    "shape": (lambda a: {"mu": a[0]}, r"'mu' has shape \(8, 4\), expected \(2, 8, 4\)"),
    "batch": (lambda a: {"mu": a[:1]}, "'mu' has shape"),
    "strings": (lambda a: {"mu": a.astype(str)}, "'mu' must be an array of numbers"),
    "none": (lambda a: {"mu": None}, "'mu' must be an array of numbers"),
    "missing": (lambda a: {}, "'mu'.*missing"),
    "only the others": (lambda a: {"asp": np.zeros((2, 4, 2, 8))}, "'mu'.*missing"),
    "unknown": (lambda a: {"mu": a, "mu_0": a}, "unknown group 'mu_0'"),
    "unknown, mixed": (lambda a: {"mu": a, "x": a, 3: a}, "unknown group 3"),
    "array": (lambda a: a, "dictionary"),
    "nothing": (lambda a: None, "dictionary"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_actions_are_refused_by_group_and_change_nothing(kind):
    spoil, message = BAD[kind]
    env, twin = (BatchedMarketEnv("campus", 2, seed=0) for _ in range(2))
    env.reset()
    twin.reset()
    with pytest.raises(ValueError, match=message):
        env.step(spoil(np.full((2, 8, 4), 0.5)))
    assert same(env.state(), twin.state())
    assert same(roll(env, np.random.default_rng(0), 3), roll(twin, np.random.default_rng(0), 3))


def test_asps_are_no_group_when_they_respond_by_themselves():
    env = BatchedMarketEnv("duo", 1, asps="best_response")
    env.reset()
    with pytest.raises(ValueError, match="unknown group 'asp'"):
        env.step({"mu": np.zeros((1, 2, 1)), "asp": np.zeros((1, 1, 2, 2))})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_envs": 0}, "num_envs = 0"),
        ({"num_envs": 2.0}, "num_envs = 2.0"),
        ({"num_envs": None}, "num_envs = None"),
        ({"max_cycles": 0}, "max_cycles = 0"),
        ({"max_cycles": 1.5}, "max_cycles = 1.5"),
        ({"asps": "greedy"}, "asps = 'greedy'"),
        ({"tolerance": -1.0}, "tolerance = -1.0"),
        ({"tolerance": float("nan")}, "tolerance = nan"),
        ({"tolerance": "x"}, "tolerance = 'x'"),
        ({"scenario": "metropolis"}, "'metropolis'"),
        ({"scenario": Scenario.preset("duo").sample(0, (3,))}, "batch"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        BatchedMarketEnv(**options)


@pytest.mark.parametrize(
    "use",
    [lambda e: e.step({"mu": np.zeros((2, 2, 1))}), lambda e: e.state(), lambda e: e.market, lambda e: e.served],
)
def test_before_reset_errors_say_so(use):
    env = BatchedMarketEnv("duo", 2)
    with pytest.raises(ValueError, match="reset"):
        use(env)


# What was served


def test_what_was_served_stays_until_the_next_slot_is():
    env = BatchedMarketEnv("campus", 2, seed=0)
    env.reset()
    rng = np.random.default_rng(0)
    roll(env, rng, 2)
    served = vars(env.served)
    env.step(random_batch(rng, env))
    assert same(vars(env.served), served)
    market = env.market
    env.step(random_batch(rng, env))
    now = env.served
    assert not same(vars(now), served)
    outcome = market.outcome(now.rewards, now.compute, now.bandwidth)
    for mine, theirs in (
        (now.qoe, outcome.qoe),
        (now.throughput, outcome.throughput),
        (now.qoe_terms, outcome.qoe_terms.sum(axis=-2)),
        (now.mu_utility, outcome.mu_utility),
        (now.asp_profit, outcome.asp_profit),
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-14)


def test_nothing_is_served_after_a_reset():
    env = BatchedMarketEnv("campus", 2, max_cycles=2, seed=0)
    env.reset()
    roll(env, np.random.default_rng(0), 2)  # the last step resets
    for name, array in vars(env.served).items():
        assert array.any() == (name in ("prices", "time_share"))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("load", [0.3, 1.0, 4.0])
def test_best_responses_are_accurate_by_default_and_as_accurate_as_asked_for(name, load):
    """Nobody could earn a millionth more; the dual bounds what an ASP could earn, whatever the solver does."""
    scenario = Scenario.preset(name, load=load)
    loose, tight = (
        BatchedMarketEnv(scenario, 16, asps="best_response", seed=0, **a) for a in ({}, {"tolerance": 1e-12})
    )
    loose.reset()
    tight.reset()
    rng = np.random.default_rng(0)
    steps = np.zeros(2)
    for _ in range(6):
        market, actions = loose.market, {"mu": rng.random((16, loose.num_mus, loose.num_asps)) ** 2}
        loose.step(actions)
        tight.step(actions)
        served = loose.served
        regret = follower_regret(market, served.rewards, served.compute, served.bandwidth)
        earned = (served.rewards * served.qoe).sum(axis=-2)
        assert (regret <= 1e-6 * earned).all()
        missed = np.abs(served.mu_utility - tight.served.mu_utility)
        assert (missed <= 1e-6 * market.satisfaction_scale).all()
        steps += served.newton_steps.mean(), tight.served.newton_steps.mean()
    assert steps[0] <= steps[1]
    assert steps[1] > 0 or load < 1


def test_observations_may_be_views_of_one_buffer():
    env, twin = (BatchedMarketEnv(busy("campus"), 3, max_cycles=4, seed=0, copy=copies) for copies in (False, True))
    first, expected = env.reset()[0], twin.reset()[0]
    assert same(first, expected)
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(9):
        step, copied = env.step(random_batch(rng, env)), twin.step(random_batch(other, twin))
        assert same(step, copied)
        assert all(step[0][group] is first[group] for group in first)


# Odd sizes


@both_modes
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (5, 1), (9, 2), (3, 7)])
def test_markets_of_any_size_are_played(size, asps):
    scenario = Scenario.preset("random", num_mus=size[0], num_asps=size[1], dynamics=Dynamics(request_probability=0.5))
    env = BatchedMarketEnv(scenario, 3, asps=asps, max_cycles=None, seed=0)
    env.reset()
    single = parallel(scenario, asps, max_cycles=100)
    single.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(2 * steps_per_slot(single)):
        actions = random_batch(rng, env)
        observations, *_ = env.step(actions)
        seen = single.step(lane_actions(single, actions, 1))[0]
        assert same(lane_of(observations, 1), list(seen.values()))
        for agent, space in single.observation_spaces.items():
            assert space.contains(seen[agent])
    assert list(random_actions(rng, single)) == single.possible_agents
