import copy

import numpy as np
import pytest
from playing import (
    MODES,
    PREPAID,
    PRESETS,
    VARIANTS,
    arrays_of,
    busy,
    decoded,
    parallel,
    play_slot,
    random_actions,
    same,
    steps_per_slot,
)

from aigc_market_env import BatchedMarketEnv, Scenario, Wallet, follower_response, market_v0

variants = pytest.mark.parametrize(("name", "asps"), VARIANTS)
both_modes = pytest.mark.parametrize("asps", MODES)
both_forms = pytest.mark.parametrize("make", [market_v0.env, market_v0.parallel_env], ids=["aec", "parallel"])


# AEC = Parallel


@pytest.mark.parametrize("requests", [0.0, 0.3])
@variants
def test_aec_and_parallel_are_the_same_game_bit_for_bit(name, asps, requests):
    slots, rng = 4, np.random.default_rng(7)
    aec = market_v0.env(busy(name, requests), max_cycles=slots, asps=asps)
    par = parallel(busy(name, requests), asps, max_cycles=slots * steps_per_slot(aec))
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
    rich = Wallet(1e9) if name == PREPAID else None  # tests/engine/test_charge.py has those who are not
    env, rng = parallel(busy(name), asps, max_cycles=1000, wallet=rich), np.random.default_rng(2)
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


@pytest.mark.parametrize("asps", ["agents", "best_response"])
def test_what_was_served_is_what_the_payoffs_are_of(asps):
    env = market_v0.parallel_env("campus", max_cycles=6, asps=asps)
    env.reset(seed=1)
    rng = np.random.default_rng(0)
    while env.agents:
        market = env.market
        for _ in range(2 if asps == "agents" else 1):
            _, payoffs, *_ = env.step({agent: rng.random(env.action_space(agent).shape) for agent in env.agents})
        slot = env.served
        outcome = market.outcome(slot.rewards, slot.compute, slot.bandwidth)
        np.testing.assert_allclose(outcome.mu_utility, [payoffs[f"mu_{m}"] for m in range(8)], rtol=1e-9)
        np.testing.assert_allclose(outcome.mu_utility, slot.mu_utility, rtol=1e-9)
        np.testing.assert_allclose(outcome.asp_profit, slot.asp_profit, rtol=1e-9)
        np.testing.assert_array_equal(slot.rewards, env.posted_rewards)


@pytest.mark.parametrize("name", ["agents", "agent_selection", "rewards", "terminations", "truncations", "infos"])
def test_what_reset_sets_is_not_there_before(name):
    env = market_v0.env("duo")
    with pytest.raises(AttributeError, match=f"^{name} cannot be accessed before reset$"):
        getattr(env, name)
    env.reset()
    assert getattr(env, name)


def test_an_attribute_that_there_is_not_is_named():
    for env in (market_v0.parallel_env("duo"), market_v0.env("duo")):
        with pytest.raises(AttributeError, match="env' object has no attribute 'agent'"):
            _ = env.agent


def test_nothing_was_served_before_reset():
    for env in (market_v0.parallel_env("duo"), market_v0.env("duo")):
        with pytest.raises(AttributeError, match="served cannot be accessed before reset"):
            _ = env.served
