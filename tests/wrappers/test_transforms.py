"""Wrappers that change actions, observations and payoffs, of both forms, alone and around one another."""

import copy
import pickle
import types
import warnings

import numpy as np
import pytest
from playing import busy, same

from aigc_market_env import BatchedMarketEnv, market_v0, tasks, wrappers
from aigc_market_env.testing import check_env

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
    from pettingzoo.test.state_test import state_test

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def everything(env):
    for wrap in (wrappers.log_actions, wrappers.flatten_actions, wrappers.agent_identity, wrappers.relative_payoffs):
        env = wrap(env)
    return env


WRAPPERS = [
    wrappers.log_actions,
    wrappers.flatten_actions,
    wrappers.agent_identity,
    wrappers.relative_payoffs,
    everything,
]
MODES = ["agents", "best_response"]


@pytest.fixture(params=WRAPPERS, ids=lambda wrap: wrap.__name__)
def wrap(request):
    return request.param


@pytest.mark.parametrize("asps", MODES)
@pytest.mark.parametrize("scenario", ["campus", "prepaid"])
@pytest.mark.parametrize("form", [market_v0.env, market_v0.parallel_env], ids=["aec", "parallel"])
def test_check_env(wrap, form, scenario, asps):
    check_env(wrap(form(scenario, asps=asps, max_cycles=6)), max_steps=20)


@pytest.mark.parametrize("asps", MODES)
def test_pettingzoos_own_tests(wrap, asps):
    options = {"scenario": "campus", "asps": asps}
    api_test(wrap(market_v0.env(**options, max_cycles=3)), num_cycles=60)
    parallel_api_test(wrap(market_v0.parallel_env(**options, max_cycles=5)), num_cycles=12)
    seed_test(lambda: wrap(market_v0.env(**options)), num_cycles=30)
    parallel_seed_test(lambda: wrap(market_v0.parallel_env(**options)), num_cycles=6)
    state_test(wrap(market_v0.env(**options)), wrap(market_v0.parallel_env(**options)), num_cycles=3)


def test_environments_of_tasks_are_wrapped(wrap):
    for name in ("asps-v1", "full-v1"):
        check_env(wrap(tasks.make(name).parallel_env(seed=0)), max_steps=6)


def sampled(env, rng):
    spaces = {agent: env.action_space(agent) for agent in env.possible_agents}
    return {agent: rng.uniform(space.low, space.high).astype(np.float32) for agent, space in spaces.items()}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_go_on_alike(wrap, copied):
    env = wrap(market_v0.parallel_env(busy("campus")))
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    env.step(sampled(env, rng))
    other = copied(env)
    for _ in range(4):
        actions = sampled(env, rng)
        assert same(env.step(actions), other.step(actions))


def test_the_aec_form_is_the_same_game_as_the_parallel_one():
    aec, parallel = (everything(form("campus")) for form in (market_v0.env, market_v0.parallel_env))
    rng = np.random.default_rng(0)
    aec.reset(seed=5)
    parallel.reset(seed=5)
    for _ in range(3):
        actions = sampled(parallel, rng)
        parallel.step(actions)
        observations, payoffs, *_ = parallel.step(actions)
        for agent in aec.possible_agents:
            aec.step(actions[agent])
        assert aec.rewards == payoffs
        assert aec.last()[1] == payoffs["mu_0"]
        assert same({agent: aec.observe(agent) for agent in aec.agents}, observations)


def test_log_actions_are_the_shares_that_they_stand_for():
    env = market_v0.parallel_env("campus", asps="best_response")
    wrapped = wrappers.log_actions(market_v0.parallel_env("campus", asps="best_response"), lowest=1e-2)
    env.reset(seed=1)
    wrapped.reset(seed=1)
    outputs = np.array([-1.0, -0.5, 0.0, 1.0])
    shares = np.array([1e-2, 10**-1.5, 0.1, 1.0])
    env.step(dict.fromkeys(env.agents, shares))
    wrapped.step(dict.fromkeys(env.agents, outputs))
    np.testing.assert_allclose(wrapped.posted_rewards, env.posted_rewards, rtol=1e-12)


def test_what_is_beyond_the_ends_is_clipped_and_counted():
    env = wrappers.log_actions(market_v0.parallel_env("duo", asps="best_response"))
    env.reset(seed=1)
    *_, infos = env.step({"mu_0": np.array([1e9]), "mu_1": np.array([-1.5])})
    assert [infos[agent]["clipped"] for agent in env.agents] == [1, 1]
    bound = env.market.reward_bound
    np.testing.assert_allclose(env.posted_rewards[:, 0], [bound[0], 0.0])


@pytest.mark.parametrize("form", [market_v0.env, market_v0.parallel_env], ids=["aec", "parallel"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1.5], r"'mu_0': entry \[0\] = 1.5 must be in \[-1, 1\]"),
        ([np.nan], "finite"),
        ([0.0, 0.0], r"expected \(1,\)"),
    ],
)
def test_bad_actions_are_refused_and_change_nothing(form, bad, message):
    env = wrappers.log_actions(form("duo", asps="best_response", strict=True))
    env.reset(seed=1)
    before = env.state()
    with pytest.raises(ValueError, match=message):
        env.step({"mu_0": bad, "mu_1": [0.0]} if form is market_v0.parallel_env else bad)
    assert same(before, env.state())


@pytest.mark.parametrize("actions", [{"mu_0": [0.0]}, {"mu_0": [0.0], "mu_1": [0.0], "mu_2": [0.0]}, None])
def test_missing_and_unknown_agents_are_told_by_the_environment(actions, wrap):
    env = wrap(market_v0.parallel_env("duo", asps="best_response"))
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"missing|unknown|dictionary"):
        env.step(actions)


def test_a_flat_action_is_compute_and_then_bandwidth():
    env = market_v0.parallel_env("campus")
    wrapped = wrappers.flatten_actions(market_v0.parallel_env("campus"))
    actions = sampled(env, np.random.default_rng(0))
    flat = {agent: action.ravel() for agent, action in actions.items()}
    for one in (env, wrapped):
        one.reset(seed=2)
    for _ in range(2):
        assert same(env.step(actions), wrapped.step(flat))
    assert wrapped.action_space("asp_0").shape == (16,)


def test_identity_comes_last_and_within_its_side():
    env = wrappers.agent_identity(market_v0.parallel_env("campus"))
    plain = market_v0.parallel_env("campus")
    observations, own = env.reset(seed=2)[0], plain.reset(seed=2)[0]
    for agent, seen in observations.items():
        count = 8 if agent.startswith("mu") else 4
        assert same(seen[:-count], own[agent])
        assert np.flatnonzero(seen[-count:]) == int(agent.split("_")[1])
        assert seen[-count:].sum() == 1.0


def test_relative_payoffs_do_not_depend_on_what_a_credit_is():
    market = BatchedMarketEnv("campus", 1, seed=3)
    market.reset()
    market = market.base_market[0]
    factor = 1e6
    dearer = market.replace(
        satisfaction_scale=market.satisfaction_scale * factor,
        compute_cost=market.compute_cost * factor,
        bandwidth_cost=market.bandwidth_cost * factor,
    )
    paid = []
    for one in (market, dearer):
        env = wrappers.relative_payoffs(market_v0.parallel_env(one))
        env.reset(seed=0)
        actions = sampled(env, np.random.default_rng(0))
        env.step(actions)
        paid.append(env.step(actions)[1])
    for agent, payoff in paid[0].items():
        assert payoff == pytest.approx(paid[1][agent], rel=1e-9)
        assert 0.0 < abs(payoff) < 10.0


def test_relative_payoffs_are_in_units_of_the_base_market():
    env = wrappers.relative_payoffs(market_v0.parallel_env("prepaid", asps="best_response"))
    env.reset(seed=4)
    env.step(dict.fromkeys(env.agents, np.full(4, 0.3)))
    payoffs = env.step(dict.fromkeys(env.agents, np.full(4, 0.3)))[1]
    expected = env.served.mu_utility / env.base_market.satisfaction_scale
    assert list(payoffs.values()) == pytest.approx(expected.tolist())


def test_base_market_is_where_the_episode_began():
    env = market_v0.parallel_env("prepaid", asps="best_response")
    with pytest.raises(AttributeError, match="before reset"):
        _ = env.base_market
    env.reset(seed=4)
    base = env.base_market
    env.step(dict.fromkeys(env.agents, np.full(4, 0.3)))
    batch = BatchedMarketEnv("prepaid", 1, asps="best_response", seed=4)
    batch.reset()
    assert env.base_market == base == batch.base_market[0]


@pytest.mark.parametrize(
    "other", [None, BatchedMarketEnv("duo", 2), types.SimpleNamespace(unwrapped=1)], ids=["none", "batch", "other"]
)
def test_what_is_no_market_is_refused(wrap, other):
    with pytest.raises(ValueError, match=r"market_v0\.parallel_env\(\)"):
        wrap(other)


@pytest.mark.parametrize("lowest", [0.0, 1.0, np.nan, "low"])
def test_the_lowest_share_is_between_nothing_and_everything(lowest):
    with pytest.raises(ValueError, match="lowest"):
        wrappers.log_actions(market_v0.parallel_env("duo"), lowest=lowest)
