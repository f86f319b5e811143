import numpy as np
import pytest
from playing import PRESETS, VARIANTS, busy, decoded, parallel, random_actions, steps_per_slot

from aigc_market_env import Scenario, follower_response, spaces
from aigc_market_env.spaces import REFERENCE

TYPE = ("satisfaction_scale", "qoe_requirement", "desired_tokens", "patience", "bits_per_token")
WEIGHTS = {"weight_accuracy": 0, "weight_token_count": 1, "weight_timeliness": 2}


def log_of(name, value):
    return np.log(value / REFERENCE[name])


def mu_entry(name, market, m):
    if name == "log_satiation":
        return np.log1p(market.satiation[m])
    if name in WEIGHTS:
        return market.qoe_weights[m, WEIGHTS[name]]
    assert name.removeprefix("log_") in TYPE
    return log_of(name.removeprefix("log_"), getattr(market, name.removeprefix("log_"))[m])


def link_entry(name, market, m, n):
    if name == "accuracy":
        return market.accuracy[m, n]
    if name == "log_spectral_efficiency":
        return log_of("spectral_efficiency", market.spectral_efficiency[m, n])
    assert name == "log_base_latency"
    return np.log1p(market.base_latency[m, n])


def asp_entry(name, market, n):
    field = name.removeprefix("log_")
    return log_of(field, getattr(market, field)[n])


def expected_of_mu(market, m, turn, prices, last_qoe):
    """An MU's observation, name by name, from the market and what happened last."""
    values = []
    for name in spaces.mu_observation_names(market.num_asps, satiation=bool(market.satiation.any())):
        asp, _, entry = name.rpartition("/")
        n = int(asp.removeprefix("asp_")) if asp else None
        if name == "turn":
            values.append(turn)
        elif n is None:
            values.append(mu_entry(name, market, m))
        elif entry == "last_qoe":
            values.append(last_qoe[m, n])
        elif entry == "log_compute_price":
            values.append(log_of("compute_cost", prices[n, 0]))
        elif entry == "log_bandwidth_price":
            values.append(log_of("bandwidth_cost", prices[n, 1]))
        elif entry in ("log_flops_per_token", "log_reasoning_tokens"):
            values.append(asp_entry(entry, market, n))
        else:
            values.append(link_entry(entry, market, m, n))
    return np.clip(values, -10, 10)


def expected_of_asp(market, n, turn, rewards):
    """An ASP's observation, name by name, from the market and the rewards posted last."""
    values = []
    for name in spaces.asp_observation_names(market.num_mus):
        mu, _, entry = name.rpartition("/")
        m = int(mu.removeprefix("mu_")) if mu else None
        if name == "turn":
            values.append(turn)
        elif m is None:
            values.append(asp_entry(name, market, n))
        elif entry == "reward":
            values.append(rewards[m, n] / market.reward_bound[m])
        elif entry in ("accuracy", "log_spectral_efficiency", "log_base_latency"):
            values.append(link_entry(entry, market, m, n))
        else:
            values.append(mu_entry(entry, market, m))
    return np.clip(values, -10, 10)


def costs(market):
    return np.stack([market.compute_cost, market.bandwidth_cost], axis=-1)


def check(env, observations, mus_turn, prices, last_qoe, rewards):
    market = env.market
    every = [expected_of_mu(market, m, mus_turn, prices, last_qoe) for m in range(market.num_mus)]
    asps = [expected_of_asp(market, n, not mus_turn, rewards) for n in range(market.num_asps)]
    for agent, observation in observations.items():
        kind, number = agent.split("_")
        expected = (every if kind == "mu" else asps)[int(number)]
        np.testing.assert_allclose(observation, expected, rtol=2e-6, atol=2e-6, err_msg=agent)
    state = np.concatenate([[mus_turn], *(row[1:] for row in every), *(row[1:] for row in asps)])
    np.testing.assert_allclose(env.state(), state, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_entry_is_what_its_name_says_with_best_responses(name, seed):
    env = parallel(busy(name), "best_response")
    observations, _ = env.reset(seed=seed)
    nothing = np.zeros((env.num_mus, env.num_asps))
    check(env, observations, True, costs(env.market), nothing, nothing)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        market, actions = env.market, random_actions(rng, env)
        rewards, _, _ = decoded(market, actions)
        observations, *_ = env.step(actions)
        response = follower_response(market, rewards)
        outcome = market.outcome(rewards, response.compute, response.bandwidth)
        prices = costs(market) + np.stack([response.compute_price, response.bandwidth_price], axis=-1)
        check(env, observations, True, prices, outcome.qoe, rewards)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_entry_is_what_its_name_says_with_asps_as_agents(name, seed):
    env = parallel(busy(name), "agents")
    observations, _ = env.reset(seed=seed)
    nothing = np.zeros((env.num_mus, env.num_asps))
    prices, last_qoe = costs(env.market), nothing
    check(env, observations, True, prices, last_qoe, nothing)
    rng = np.random.default_rng(seed)
    for _ in range(3):
        market, actions = env.market, random_actions(rng, env)
        rewards, compute, bandwidth = decoded(market, actions)
        observations, *_ = env.step(actions)
        check(env, observations, False, prices, last_qoe, rewards)
        observations, *_ = env.step(actions)
        last_qoe = market.outcome(rewards, compute, bandwidth).qoe
        prices = average_worth(market, rewards, compute, bandwidth)
        check(env, observations, True, prices, last_qoe, rewards)


def average_worth(market, rewards, compute, bandwidth):
    """Σ f·∂(rQ)/∂f over Σ f by central differences, and likewise for bandwidth, but at least the cost."""
    step = 1e-6

    def income(scale_f, scale_b):
        roomy = market.replace(
            compute_capacity=market.compute_capacity * 2, bandwidth_capacity=market.bandwidth_capacity * 2
        )
        return roomy.outcome(rewards, compute * scale_f, bandwidth * scale_b).payment.sum(axis=0)

    by_f = (income(1 + step, 1.0) - income(1 - step, 1.0)) / (2 * step)
    by_b = (income(1.0, 1 + step) - income(1.0, 1 - step)) / (2 * step)
    worth = np.stack([by_f / compute.sum(axis=0), by_b / bandwidth.sum(axis=0)], axis=-1)
    return np.maximum(worth, costs(market))


@pytest.mark.parametrize(("name", "asps"), VARIANTS)
def test_observations_are_float32_in_their_space_and_of_order_one(name, asps):
    env = parallel(busy(name), asps, max_cycles=12)
    for seed in range(6):
        observations, _ = env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        while True:
            for agent, observation in observations.items():
                assert observation.dtype == np.float32
                assert env.observation_space(agent).contains(observation)
                names = (
                    spaces.mu_observation_names(env.num_asps, **env.scenario.extra_entries)
                    if agent.startswith("mu")
                    else spaces.asp_observation_names(env.num_mus)
                )
                assert len(names) == len(observation) == len(set(names))
                # Prices know no bound but the space's: what the last unit earns can be many times its cost. No money
                # is -10, and rewards are shares of bounds that may have fallen since they were posted. In a trace some
                # ask for nothing, or for a single token, and capacities may be twenty times what they are.
                wide = ("_price", "log_money", "/reward")
                if name == "traces_v0":
                    wide += ("log_satisfaction_scale", "log_desired_tokens", "_capacity")
                unbound = np.array([entry.endswith(wide) for entry in names])
                assert np.abs(observation[~unbound]).max() < 5.0
            assert env.state_space.contains(env.state())
            if not env.agents:
                break
            observations, *_ = env.step(random_actions(rng, env))


def test_offsets_are_those_of_the_names():
    names = spaces.mu_observation_names(3, satiation=True, wallet=True)
    assert names[spaces.TURN] == "turn"
    for offsets, prefix, first in (
        (spaces.MU_TYPE, "", 0),
        (spaces.MU_LINK, "asp_2/", spaces.MU_LINKS + 2 * spaces.MU_LINK_SIZE),
        (spaces.MU_PLAN, "", len(names) - len(spaces.MU_PLAN)),
    ):
        assert [names[first + i] for i in offsets] == [prefix + name for name in offsets._fields]
    names, block = spaces.asp_observation_names(4), spaces.ASP_LINKS + 3 * spaces.ASP_LINK_SIZE
    assert names[spaces.TURN] == "turn"
    for offsets, prefix, first in (
        (spaces.ASP_TYPE, "", 0),
        (spaces.ASP_LINK, "mu_3/", block),
        (spaces.ASP_LINK_MU, "mu_3/", block),
    ):
        assert [names[first + i] for i in offsets] == [prefix + name for name in offsets._fields]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (8, 4), (3, 6)])
def test_names_fit_the_spaces(size):
    m, n = size
    assert spaces.mu_observation_space(n).shape == (len(spaces.mu_observation_names(n)),) == (9 + 8 * n,)
    assert spaces.asp_observation_space(m).shape == (len(spaces.asp_observation_names(m)),) == (7 + 12 * m,)
    names = spaces.mu_observation_names(n, satiation=True)
    assert names == [*spaces.mu_observation_names(n), "log_satiation"]
    assert spaces.mu_observation_space(n, satiation=True).shape == (len(names),)
    assert spaces.mu_observation_names(n, satiation=True, wallet=True) == [*names, *spaces.MU_PLAN._fields]
    assert spaces.mu_observation_space(n, satiation=True, wallet=True).shape == (len(names) + len(spaces.MU_PLAN),)
    assert spaces.state_space(m, n, wallet=True).shape == (len(spaces.state_names(m, n, wallet=True)),)
    names = spaces.state_names(m, n, satiation=True)
    assert spaces.state_space(m, n, satiation=True).shape == (len(names),) == (len(set(names)),)
    assert len(names) == len(spaces.state_names(m, n)) + m
    names = spaces.state_names(m, n)
    assert spaces.state_space(m, n).shape == (len(names),) == (len(set(names)),)
    env = parallel(Scenario.preset("random", num_mus=m, num_asps=n), "agents")
    env.reset(seed=0)
    assert env.state().shape == (len(names),)
    assert env.state().dtype == np.float32


def test_a_wild_market_is_clipped_into_the_space():
    market = Scenario.preset("duo").sample(0)
    wild = market.replace(
        satisfaction_scale=[1e30, 1e-30],
        bits_per_token=[1e-30, 1e9],
        compute_cost=[1e-30],
        bandwidth_capacity=[1e30],
        base_latency=[[1e30], [0.0]],
    )
    for asps in ("agents", "best_response"):
        env = parallel(wild, asps)
        observations, _ = env.reset(seed=0)
        for _ in range(4):
            for agent, observation in observations.items():
                assert env.observation_space(agent).contains(observation)
            assert np.abs(env.state()).max() == 10.0
            observations, *_ = env.step({agent: np.ones(env.action_space(agent).shape) for agent in env.agents})


def test_action_spaces_are_unit_boxes():
    env = parallel("campus", "agents")
    for agent in env.possible_agents:
        space = env.action_space(agent)
        assert space.shape == ((4,) if agent.startswith("mu") else (2, 8))
        assert (space.low == 0).all()
        assert (space.high == 1).all()
        assert steps_per_slot(env) == 2
