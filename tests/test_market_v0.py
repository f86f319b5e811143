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
    busy,
    decoded,
    go_on,
    parallel,
    play,
    play_slot,
    random_actions,
    same,
    steps_per_slot,
)

from aigc_market_env import BatchedMarketEnv, Dynamics, Market, Scenario, follower_response, market_v0
from aigc_market_env.scenarios import STATIC

variants = pytest.mark.parametrize(("name", "asps"), VARIANTS)
both_modes = pytest.mark.parametrize("asps", MODES)
both_forms = pytest.mark.parametrize("make", [market_v0.env, market_v0.parallel_env], ids=["aec", "parallel"])


# AEC = Parallel


@pytest.mark.parametrize("requests", [0.0, 0.3])
@variants
def test_aec_and_parallel_are_the_same_game_bit_for_bit(name, asps, requests):
    slots, rng = 4, np.random.default_rng(7)
    aec = market_v0.env(busy(name, requests), max_cycles=slots, asps=asps)
    par = market_v0.parallel_env(busy(name, requests), asps=asps)
    par.max_cycles = slots * steps_per_slot(par)
    assert aec.possible_agents == par.possible_agents
    for episode in range(3):
        seed = 5 if episode == 0 else None  # the streams go on
        aec.reset(seed=seed)
        observations, _ = par.reset(seed=seed)
        for _ in range(slots):
            actions = random_actions(rng, par)
            assert aec.market == par.market
            assert same(aec.state(), par.state())
            for agent in aec.possible_agents[: aec.num_mus]:
                assert aec.agent_selection == agent
                assert same(aec.last()[0], observations[agent])
                aec.step(actions[agent])
            if asps == "agents":
                observations, rewards, *_ = par.step(actions)
                assert set(rewards.values()) == {0.0}
                assert same(aec.state(), par.state())
                for agent in aec.possible_agents[aec.num_mus :]:
                    assert same(aec.last()[0], observations[agent])
                    aec.step(actions[agent])
            observations, rewards, terminations, truncations, _ = par.step(actions)
            assert same(aec.rewards, rewards)
            assert same(aec.truncations, truncations)
            assert same(aec.terminations, terminations)
            assert same(aec.posted_rewards, par.posted_rewards)
            assert same({agent: aec.observe(agent) for agent in aec.agents}, observations)
        assert all(aec.truncations.values())
        assert par.agents == []


# Payoffs


@variants
def test_payoffs_are_the_outcome_of_the_decoded_actions(name, asps):
    env, rng = parallel(busy(name), asps, max_cycles=1000), np.random.default_rng(2)
    env.reset(seed=11)
    for _ in range(12):
        market, actions = env.market, random_actions(rng, env)
        rewards, compute, bandwidth = decoded(market, actions)
        for _ in range(steps_per_slot(env)):
            assert env.market == market
            payoffs = env.step(actions)[1]
        if asps == "best_response":
            response = follower_response(market, rewards)
            compute, bandwidth = response.compute, response.bandwidth
        outcome = market.outcome(rewards, compute, bandwidth)
        expected = [*outcome.mu_utility, *outcome.asp_profit][: len(env.possible_agents)]
        scale = np.maximum(np.abs(expected), market.satisfaction_scale.max())
        accuracy = 1e-6 if asps == "best_response" else 1e-12  # best responses use up capacities to 1e-6
        np.testing.assert_array_less(np.abs(np.array([*payoffs.values()]) - expected) / scale, accuracy)
        np.testing.assert_allclose(env.posted_rewards, rewards, rtol=1e-14)


@pytest.mark.parametrize("name", PRESETS)
def test_best_responses_do_not_depend_on_what_came_before(name):
    """Between nothing and everything posted, a warm start is as far off as it can be."""
    scenario = Scenario.preset(name, load=4.0)
    env = BatchedMarketEnv(scenario, 4, asps="best_response", max_cycles=None, seed=0, tolerance=1e-12)
    env.reset()
    rng = np.random.default_rng(1)
    shape = (4, env.num_mus, env.num_asps)
    for shares in (np.ones(shape), np.zeros(shape), rng.random(shape), np.eye(*shape[1:]) + np.zeros(shape)) * 2:
        market = env.market
        env.step({"mu": shares})
        served, response = env.served, follower_response(market, env.served.rewards)
        capacity, width = market.compute_capacity[:, None], market.bandwidth_capacity[:, None]
        np.testing.assert_allclose(served.compute / capacity, response.compute / capacity, atol=1e-9)
        np.testing.assert_allclose(served.bandwidth / width, response.bandwidth / width, atol=1e-9)
        assert (served.compute.sum(axis=-2) <= market.compute_capacity).all()
        assert (served.bandwidth.sum(axis=-2) <= market.bandwidth_capacity).all()


@pytest.mark.parametrize("name", PRESETS)
def test_the_price_board_is_cost_plus_shadow_price(name):
    env = BatchedMarketEnv(Scenario.preset(name, load=2.0), 3, asps="best_response", max_cycles=None, seed=3)
    env.reset()
    costs = np.stack([env.market.compute_cost, env.market.bandwidth_cost], axis=-1)
    np.testing.assert_array_equal(env.served.prices, costs)
    rng, binding = np.random.default_rng(0), 0
    for _ in range(5):
        market = env.market
        env.step({"mu": rng.random((3, env.num_mus, env.num_asps))})
        response = follower_response(market, env.served.rewards)
        shadow = np.stack([response.compute_price, response.bandwidth_price], axis=-1)
        np.testing.assert_allclose(env.served.prices, costs + shadow, rtol=1e-6)
        binding += np.count_nonzero(shadow)
    assert binding > 0


@pytest.mark.parametrize("total", [0.3, 1.0, 2.5])
def test_rows_above_one_are_scaled_down_and_others_left(total):
    env = parallel("campus", "agents")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = {agent: rng.random(env.action_space(agent).shape) for agent in env.agents}
    rows = actions["asp_1"]
    rows *= np.array([[total], [0.5]]) / rows.sum(axis=1, keepdims=True)
    assert rows.max() <= 1.0
    market = env.market
    env.step(actions)
    env.step(actions)
    compute, bandwidth = (env._engine.quantity(name)[0, :, 1] for name in ("compute", "bandwidth"))
    used = compute.sum() / market.compute_capacity[1]
    assert used == pytest.approx(min(total, 1.0), rel=1e-14)
    assert used <= 1 + 1e-14
    np.testing.assert_allclose(compute / market.compute_capacity[1], rows[0] / max(total, 1.0))
    assert bandwidth.sum() / market.bandwidth_capacity[1] == pytest.approx(0.5)


@both_modes
@pytest.mark.parametrize("share", [0.0, 5e-324, 1e-310, 1e-200, 1e-12])
def test_next_to_nothing_is_no_trouble(share, asps):
    env = parallel("campus", asps)
    env.reset(seed=0)
    actions = {agent: np.full(env.action_space(agent).shape, share) for agent in env.agents}
    for _ in range(4):
        observations, rewards, *_ = env.step(actions)
        for agent in env.possible_agents:
            assert env.observation_space(agent).contains(observations[agent])
        assert np.isfinite(list(rewards.values())).all()
        assert np.abs(list(rewards.values())).max() < 1e-6


# Who sees what, and whose turn it is


def test_an_mu_does_not_see_the_rewards_of_the_slot_and_every_asp_does():
    one, other = market_v0.env("campus"), market_v0.env("campus")
    rng = np.random.default_rng(4)
    first = [rng.random(4) for _ in range(8)]
    for env, last_of_them in ((one, 0.1), (other, 0.9)):
        env.reset(seed=2)
        play_slot(env, random_actions(np.random.default_rng(1), env))
        env.step(np.full(4, last_of_them))
    for m in range(1, 8):
        assert same(one.observe(f"mu_{m}"), other.observe(f"mu_{m}"))
        assert same(one.observe("asp_2"), other.observe("asp_2"))  # nor does an ASP before its turn
        one.step(first[m])
        other.step(first[m])
    for n in range(4):
        mine, theirs = one.observe(f"asp_{n}"), other.observe(f"asp_{n}")
        different = np.flatnonzero(mine != theirs)
        assert different.tolist() == [7]  # mu_0's reward
        assert (mine[7], theirs[7]) == (np.float32(0.1), np.float32(0.9))


@pytest.mark.parametrize("group", ["mu", "asp"])
def test_actions_of_the_group_whose_turn_it_is_not_are_ignored(group):
    one, other = parallel("campus", "agents"), parallel("campus", "agents")
    one.reset(seed=0)
    other.reset(seed=0)
    rng = np.random.default_rng(0)
    for step in range(6):
        actions, noise = random_actions(rng, one), random_actions(rng, one)
        idle = "asp" if step % 2 == 0 else "mu"
        changed = {
            agent: noise[agent] if agent.startswith(idle) and idle == group else actions[agent] for agent in noise
        }
        assert same(one.step(actions), other.step(changed))


def test_the_turn_is_told_by_the_first_entry_and_by_info():
    env = parallel("campus", "agents", max_cycles=5)
    observations, infos = env.reset(seed=0)
    for step in range(6):
        for agent in env.possible_agents:
            acts = agent.startswith("mu") == (step % 2 == 0)
            assert observations[agent][0] == acts
            assert infos[agent]["acting"] is acts
        assert env.state()[0] == (step % 2 == 0)
        if step < 5:
            observations, _, _, _, infos = env.step(random_actions(np.random.default_rng(step), env))


def test_with_best_responses_it_is_always_the_mus_turn():
    env = parallel("campus", "best_response", max_cycles=3)
    observations, infos = env.reset(seed=0)
    for step in range(3):
        assert all(observation[0] == 1.0 for observation in observations.values())
        assert all(info["acting"] for info in infos.values())
        observations, _, _, _, infos = env.step(random_actions(np.random.default_rng(step), env))


def test_posted_rewards_are_those_of_the_slot_served_last():
    env, aec = parallel("duo", "agents"), market_v0.env("duo")
    assert not env.posted_rewards.any()
    env.reset(seed=0)
    aec.reset(seed=0)
    actions = {agent: np.full(env.action_space(agent).shape, 0.5) for agent in env.agents}
    more = {agent: action + 0.3 for agent, action in actions.items()}
    env.step(actions)
    assert not env.posted_rewards.any()
    env.step(actions)
    play_slot(aec, actions)
    np.testing.assert_allclose(env.posted_rewards, [[2.0], [1.0]])
    env.step(more)
    aec.step(more["mu_0"])
    aec.step(more["mu_1"])
    for one in (env, aec):
        np.testing.assert_allclose(one.posted_rewards, [[2.0], [1.0]])
        one.posted_rewards[...] = 7.0
        np.testing.assert_allclose(one.posted_rewards, [[2.0], [1.0]])
    np.testing.assert_array_equal(env.rewards, env.posted_rewards)
    env.reset()
    assert not env.posted_rewards.any()


def test_aec_pays_when_the_slot_closes_and_once():
    env, par = market_v0.env("campus"), parallel("campus", "agents")
    env.reset(seed=0)
    par.reset(seed=0)
    rng, totals = np.random.default_rng(0), dict.fromkeys(env.possible_agents, 0.0)
    earned = dict.fromkeys(env.possible_agents, 0.0)
    for _ in range(3):
        actions = random_actions(rng, env)
        for agent in env.possible_agents:
            totals[agent] += env.last()[1]
            env.step(actions[agent])
            if agent != env.possible_agents[-1]:
                assert set(env.rewards.values()) == {0.0}
        par.step(actions)
        for agent, reward in par.step(actions)[1].items():
            earned[agent] += reward
    for agent in env.possible_agents:
        totals[agent] += env._cumulative_rewards[agent]
    assert totals == earned


# What is handed out


def arrays_of(thing):
    if isinstance(thing, np.ndarray):
        return [thing]
    if isinstance(thing, Market):
        return [thing.spectral_efficiency, thing.accuracy, thing.desired_tokens, thing.bits_per_token]
    if isinstance(thing, dict):
        thing = list(thing.values())
    return [array for part in thing for array in arrays_of(part)] if isinstance(thing, list | tuple) else []


@both_modes
def test_nothing_that_parallel_hands_out_is_overwritten(asps):
    env, rng = parallel(busy("campus"), asps, max_cycles=4), np.random.default_rng(0)
    given = [env.reset(seed=0), env.state(), env.market]
    kept = copy.deepcopy(given)
    for _ in range(10):
        if not env.agents:
            env.reset()
        actions = random_actions(rng, env)
        before = copy.deepcopy(actions)
        new = [env.step(actions), env.state(), env.market, env.posted_rewards]
        assert same(actions, before)
        given += new
        kept += copy.deepcopy(new)
    for one, other in zip(given, kept, strict=True):
        assert same(arrays_of(one), arrays_of(other))
        if isinstance(one, tuple):
            assert same(one[-1], other[-1])  # infos
            assert same(one[1], other[1])


def test_nothing_that_aec_hands_out_is_overwritten():
    env, rng = market_v0.env(busy("campus"), max_cycles=2), np.random.default_rng(0)
    env.reset(seed=0)
    given, kept = [], []
    for _ in range(30):
        agent = env.agent_selection
        new = [*env.last(), env.observe("asp_0"), env.state(), env.market, env.posted_rewards]
        given += new
        kept += copy.deepcopy(new)
        env.step(None if env.truncations[agent] else rng.random(env.action_space(agent).shape))
    for one, other in zip(given, kept, strict=True):
        assert same(arrays_of(one), arrays_of(other))
        assert not isinstance(one, dict) or one == other


@both_modes
def test_writing_into_what_was_handed_out_changes_nothing(asps):
    one, other = parallel("campus", asps), parallel("campus", asps)
    vandalised, _ = one.reset(seed=0)
    other.reset(seed=0)
    rng, twin = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(4):
        for observation in vandalised.values():
            observation[...] = np.nan
        one.state()[...] = np.nan
        vandalised, *rest = one.step(random_actions(rng, one))
        observations, *expected = other.step(random_actions(twin, other))
        assert same(vandalised, observations)
        assert same(rest, expected)


@both_forms
def test_spaces_are_the_same_object_each_time(make):
    env = make("duo")
    for agent in env.possible_agents:
        assert env.observation_space(agent) is env.observation_space(agent)
        assert env.action_space(agent) is env.action_space(agent)


# Bad input


def good(env):
    return {agent: np.full(env.action_space(agent).shape, 0.25) for agent in env.possible_agents}


BAD_ACTIONS = {
    "nan": (lambda a: np.full(a.shape, np.nan), "nan must be finite"),
    "one nan": (lambda a: np.where(np.arange(a.size).reshape(a.shape) == a.size - 1, np.nan, a), "nan must be finite"),
    "inf": (lambda a: np.full(a.shape, np.inf), "inf must be finite"),
    "minus inf, float32": (lambda a: np.full(a.shape, -np.inf, np.float32), "-inf must be finite"),
    "nan list": (lambda a: np.full(a.shape, np.nan).tolist(), "nan must be finite"),
    "too long": (lambda a: np.zeros(a.size + 1), "has shape"),
    "extra axis": (lambda a: a[None], "has shape"),
    "scalar": (lambda a: 0.5, "has shape"),
    "empty": (lambda a: [], "has shape"),
    "string": (lambda a: "0.5", "must be an array of numbers"),
    "strings": (lambda a: np.full(a.shape, "0.5"), "must be an array of numbers"),
    "none": (lambda a: None, "must be an array of numbers"),
    "nones": (lambda a: np.full(a.shape, None), "must be an array of numbers"),
    "ragged": (lambda a: [[0.1], [0.1, 0.2]], "must be an array of numbers"),
    "complex": (lambda a: a + 1j, "must be an array of numbers"),
    "huge integer": (lambda a: [10**400], "must be an array of numbers"),
    "dates": (lambda a: a.astype("M8[s]"), "must be an array of numbers"),
    "dictionary": (lambda a: {"mu_0": a}, "must be an array of numbers"),
}


@pytest.mark.parametrize("kind", BAD_ACTIONS)
@pytest.mark.parametrize("agent", ["mu_1", "asp_0"])
def test_a_bad_action_is_refused_by_agent_and_leaves_parallel_as_it_was(agent, kind):
    spoil, message = BAD_ACTIONS[kind]
    env, twin = parallel("duo", "agents"), parallel("duo", "agents")
    play(env, 0, 1)
    play(twin, 0, 1)
    for _ in range(3):
        actions = good(env)
        with pytest.raises(ValueError, match=f"{agent}.*{message}"):
            env.step(actions | {agent: spoil(actions[agent])})
        assert same(env.step(actions), twin.step(actions))
        assert same(env.state(), twin.state())


@pytest.mark.parametrize("kind", BAD_ACTIONS)
def test_a_bad_action_is_refused_by_agent_and_leaves_aec_as_it_was(kind):
    spoil, message = BAD_ACTIONS[kind]
    env, twin = market_v0.env("duo"), market_v0.env("duo")
    env.reset(seed=0)
    twin.reset(seed=0)
    for _ in range(2):
        for agent, action in good(env).items():
            with pytest.raises(ValueError, match=f"{agent}.*{message}"):
                env.step(spoil(action))
            assert env.agent_selection == agent
            env.step(action)
            twin.step(action)
            assert same(
                [env.rewards, env.infos, env._cumulative_rewards], [twin.rewards, twin.infos, twin._cumulative_rewards]
            )
            assert same(env.state(), twin.state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {k: v for k, v in a.items() if k != "asp_0"}, "missing for 'asp_0'"),
        (lambda a: {}, "missing for 'asp_0'"),
        (lambda a: a | {"mu_9": a["mu_0"]}, "unknown agent 'mu_9'"),
        (lambda a: a | {3: a["mu_0"]}, "unknown agent 3"),
        (lambda a: list(a.values()), "dictionary"),
        (lambda a: None, "dictionary"),
        (lambda a: np.zeros(3), "dictionary"),
    ],
)
def test_wrong_sets_of_actions_are_refused(change, message):
    env, twin = parallel("duo", "agents"), parallel("duo", "agents")
    play(env, 0, 3)
    play(twin, 0, 3)
    with pytest.raises(ValueError, match=message):
        env.step(change(good(env)))
    assert same(env.step(good(env)), twin.step(good(env)))


@both_modes
@pytest.mark.parametrize(("number", "clipped_to"), [(-0.1, 0.0), (1.5, 1.0), (1e300, 1.0), (-1e30, 0.0)])
def test_actions_out_of_range_are_clipped_and_counted(number, clipped_to, asps):
    env, twin = parallel("campus", asps), parallel("campus", asps)
    env.reset(seed=0)
    twin.reset(seed=0)
    wild, tame = good(env), good(env)
    for position, agent in enumerate(wild):
        wild[agent].flat[: position % 4] = number
        tame[agent].flat[: position % 4] = clipped_to
    for _ in range(4):
        *seen, infos = env.step(wild)
        *expected, nothing = twin.step(tame)
        assert same(seen, expected)
        assert [info["clipped"] for info in infos.values()] == [i % 4 for i in range(len(wild))]
        assert {info["clipped"] for info in nothing.values()} == {0}


def test_aec_counts_clipped_entries():
    env = market_v0.env("duo")
    env.reset(seed=0)
    for action in ([3.0], [0.5], [[1.0, -1.0], [9.0, 0.0]]):
        env.step(action)
    assert [info["clipped"] for info in env.infos.values()] == [1, 0, 2]
    assert env.last()[4]["clipped"] == 1


@pytest.mark.parametrize("number", [-1e-9, 1.0 + 1e-9, 2])
@pytest.mark.parametrize("agent", ["mu_0", "asp_0"])
def test_strict_refuses_what_is_out_of_range(agent, number):
    env, twin = (parallel("duo", "agents", strict=True) for _ in range(2))
    aec = market_v0.env("duo", strict=True)
    env.reset(seed=0)
    twin.reset(seed=0)
    aec.reset(seed=0)
    bad = np.full(env.action_space(agent).shape, number)
    message = rf"{agent}.*must be finite and in \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        env.step(good(env) | {agent: bad})
    assert same(env.step(good(env)), twin.step(good(env)))
    for name, action in good(env).items():
        if name == agent:
            with pytest.raises(ValueError, match=message):
                aec.step(bad)
        aec.step(action)


@both_modes
@pytest.mark.parametrize(
    "convert",
    [np.float64, np.float32, np.float16, np.longdouble, np.int64, np.uint8, np.bool_, "list", "fortran", "backwards"],
)
def test_every_number_type_is_taken(convert, asps):
    env, twin = parallel("campus", asps), parallel("campus", asps)
    env.reset(seed=0)
    twin.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = {agent: rng.integers(0, 2, env.action_space(agent).shape).astype(float) for agent in env.agents}
    converted = {
        "list": lambda a: a.tolist(),
        "fortran": np.asfortranarray,
        "backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    }.get(convert, lambda a: a.astype(convert))
    for _ in range(4):
        assert same(env.step({agent: converted(action) for agent, action in actions.items()}), twin.step(actions))


def test_the_order_of_the_actions_does_not_matter():
    env, twin = parallel("campus", "agents"), parallel("campus", "agents")
    env.reset(seed=0)
    twin.reset(seed=0)
    actions = random_actions(np.random.default_rng(0), env)
    for _ in range(2):
        assert same(env.step(dict(reversed(actions.items()))), twin.step(actions))


@both_forms
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_cycles": 0}, "max_cycles = 0"),
        ({"max_cycles": -1}, "max_cycles = -1"),
        ({"max_cycles": 2.5}, "max_cycles = 2.5"),
        ({"max_cycles": "x"}, "max_cycles = 'x'"),
        ({"max_cycles": None}, "max_cycles = None"),
        ({"render_mode": "pixels"}, "render_mode = 'pixels'"),
        ({"render_mode": 3}, "render_mode = 3"),
        ({"asps": "agent"}, "asps = 'agent'"),
        ({"asps": None}, "asps = None"),
        ({"scenario": "camps"}, "'camps'.*campus"),
        ({"scenario": ""}, "unknown scenario"),
        ({"scenario": "no/such/file.json"}, r"no/such/file\.json"),
        ({"scenario": "{" * 5000}, "unknown scenario"),
        ({"scenario": None}, "scenario must be"),
        ({"scenario": 3}, "scenario must be"),
        ({"scenario": Scenario.preset("duo").sample(0, (2,))}, r"batch of shape \(2,\)"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@both_forms
def test_before_reset_errors_say_so(make):
    env = make("duo")
    for use in (lambda: env.step(None), env.state, lambda: env.market):
        with pytest.raises((AssertionError, AttributeError), match="reset"):  # PettingZoo prescribes which
            use()
    if make is market_v0.env:
        for use in (lambda: env.observe("mu_0"), env.last, lambda: env.agent_selection, lambda: env.infos):
            with pytest.raises((AssertionError, AttributeError), match="reset"):
                use()


def test_stepping_past_the_end_of_parallel_is_refused():
    env, twin = (parallel("duo", max_cycles=2) for _ in range(2))
    play(env, 0, 2)
    play(twin, 0, 2)
    assert env.agents == []
    with pytest.raises(ValueError, match="reset"):
        env.step(good(env))
    assert same(env.reset(), twin.reset())


def test_stepping_past_the_end_of_aec_is_refused():
    env = market_v0.env("duo", max_cycles=1, asps="best_response")
    env.reset(seed=0)
    play_slot(env, good(env))
    with pytest.raises(ValueError, match="None"):
        env.step([0.5])
    assert env.agents == ["mu_0", "mu_1"]
    env.step(None)
    env.step(None)
    assert env.agents == []
    with pytest.raises(ValueError, match="reset"):
        env.step([0.5])
    env.reset()
    assert env.agents == env.possible_agents


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
@both_forms
def test_a_bad_seed_changes_nothing(make, seed):
    env, twin = make("duo"), make("duo")
    env.reset(seed=0)
    twin.reset(seed=0)
    with pytest.raises((ValueError, TypeError)):
        env.reset(seed=seed)
    assert same(env.state(), twin.state())
    env.reset()
    twin.reset()
    assert same(env.state(), twin.state())


# Seeds


@variants
def test_the_same_seed_gives_the_same_bytes(name, asps):
    one = play(parallel(busy(name), asps, max_cycles=50), 3, 200)
    assert same(one, play(parallel(busy(name), asps, max_cycles=50), 3, 200))
    assert len(one) == 204


def digest(things):
    total = hashlib.sha256()
    for array in arrays_of(things):
        total.update(array.tobytes())
    return total.hexdigest()


def test_another_process_sees_the_same_bytes():
    code = (
        "import test_market_v0 as t; from playing import *; "
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


def test_options_of_reset_are_taken_and_ignored():
    env, twin = parallel(), parallel()
    assert same(env.reset(seed=1, options={"x": 1}), twin.reset(seed=1))


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
    from aigc_market_env import _kernels

    env = parallel("duo", "agents")
    play(env, 0, 4)
    kernels = (_kernels.begin, _kernels.post, _kernels.serve)
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
