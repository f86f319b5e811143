"""Traces as environments play them."""

import numpy as np
import pytest
from playing import same

from aigc_market_env import (
    BatchedMarketEnv,
    Dynamics,
    Market,
    Scenario,
    Wallet,
    episode_path,
    market_v0,
    solve_equilibrium,
)
from aigc_market_env.model.links import CROSS, ENTRY, SIGMA, link_tables
from aigc_market_env.model.parameters import FIELDS
from aigc_market_env.scenarios.traces.clients import ASKING, PERSISTENCE, clients
from aigc_market_env.scenarios.traces.demand import (
    COUNT_TOKENS,
    FIRST_CLIENT,
    FIRST_TOKENS,
    FIRST_WINDOW,
    LAST_CLIENT,
    LOAD,
    NEXT,
    SLOTS,
    demand_of,
)
from aigc_market_env.scenarios.traces.drives import EFFICIENCY, ROUND_TRIP, drive_slots
from aigc_market_env.scenarios.traces.drives import NEXT as NEXT_SLOT
from aigc_market_env.scenarios.traces.trace import Trace
from aigc_market_env.scenarios.traces.walk import NOT_ASKING
from aigc_market_env.spaces import MU_TYPE, OBSERVATION_BOUND
from benchmarks import trace_statistics
from benchmarks.trace_statistics import (
    autocorrelation,
    kolmogorov_smirnov,
    measured_loads,
    measured_sinr,
    sinr_of,
    walked_autocorrelation,
)

NAMES = ("traces_v0", "traces_v0_replay", "traces_v0_held_out", "traces_v0_replay_held_out")


def small(name, **options):
    return Scenario.preset(name, num_mus=2, num_asps=1, **options)


def states(scenario, slots, lanes=64, seed=0):
    env = BatchedMarketEnv(scenario, lanes, asps="best_response", max_cycles=None, seed=seed)
    env.reset()
    for _ in range(slots):
        yield env.state()
        env.step({"mu": np.zeros((lanes, env.num_mus, env.num_asps))})


def split_of(name):
    return Scenario.preset(name).dynamics.trace.split


@pytest.mark.parametrize("name", NAMES)
def test_a_slot_is_one_of_the_trace(name):
    demand, slots = demand_of(split_of(name)), drive_slots(split_of(name))
    for state in states(Scenario.preset(name), 5):
        windows = demand.windows[state["window"][:, 0].astype(int)]
        for capacity in ("compute_capacity", "bandwidth_capacity"):
            np.testing.assert_allclose(state[f"now.{capacity}"] * windows[:, [LOAD]], state[f"base.{capacity}"])
        links = slots[state["drive_slot"].astype(int)]
        np.testing.assert_array_equal(state["now.spectral_efficiency"], links[..., EFFICIENCY])
        np.testing.assert_allclose(state["now.base_latency"], state["base.base_latency"] + links[..., ROUND_TRIP])
        asks = (state["asking"] > 0) & (windows[:, [COUNT_TOKENS]] > 0)
        worth = state["now.satisfaction_scale"] / state["base.satisfaction_scale"]
        np.testing.assert_allclose(worth, np.where(asks, 1.0, NOT_ASKING))
        for lane, mu in np.argwhere(asks)[:50]:
            first, count = windows[lane, [FIRST_TOKENS, COUNT_TOKENS]].astype(int)
            assert state["now.desired_tokens"][lane, mu] in demand.tokens[first : first + count]


@pytest.mark.parametrize("split", ["training", "held_out"])
def test_replay_goes_through_the_trace_in_its_order(split):
    demand, slots = demand_of(split), drive_slots(split)
    name = "traces_v0_replay" + ("_held_out" if split == "held_out" else "")
    before = None
    for state in states(small(name), 200):
        if before is not None:
            stays = before["slots_left"] > 1
            after = demand.windows[before["window"].astype(int), NEXT]
            np.testing.assert_array_equal(state["window"], np.where(stays, before["window"], after))
            anew = demand.windows[state["window"].astype(int), SLOTS]
            np.testing.assert_array_equal(state["slots_left"], np.where(stays, before["slots_left"] - 1, anew))
            np.testing.assert_array_equal(state["drive_slot"], slots[before["drive_slot"].astype(int), NEXT_SLOT])
            np.testing.assert_array_equal(state["client"], before["client"])
        before = state


def test_blocks_are_drawn_anywhere_in_the_service_of_the_episode():
    windows = demand_of("training").windows
    dynamics = Dynamics(shadowing_db=0.0, trace=Trace("training", 20.0))
    seen = list(states(small("traces_v0", dynamics=dynamics), 100, lanes=200))
    places = np.stack([state["window"][:, 0].astype(int) for state in seen])
    links = np.stack([state["drive_slot"][:, 0, 0].astype(int) for state in seen])
    assert (windows[places, FIRST_WINDOW] == windows[places[0], FIRST_WINDOW]).all()
    jumps = links[1:] != drive_slots("training")[links[:-1], NEXT_SLOT]
    trials = jumps.size
    assert abs(jumps.mean() - 1 / 20) < 5 * np.sqrt(0.05 / trials)
    assert len(np.unique(windows[places[0], FIRST_WINDOW])) == 6
    assert np.unique(places).size > 500


def test_clients_ask_as_often_and_in_such_bursts_as_measured():
    seen = list(states(Scenario.preset("traces_v0_replay", num_asps=1), 60, lanes=500))
    client = seen[0]["client"].astype(int)
    asking = np.stack([state["asking"] for state in seen])
    expected = clients("training")[ASKING][client]
    assert asking.mean() == pytest.approx(expected.mean(), abs=0.005)
    assert asking[0].mean() == pytest.approx(expected.mean(), abs=0.03)  # stationary from the first slot on
    product = ((asking[1:] - expected) * (asking[:-1] - expected)).mean()
    chances = clients("training")[PERSISTENCE][client] * expected * (1 - expected)
    assert product == pytest.approx(chances.mean(), abs=0.002)
    windows = demand_of("training").windows[seen[0]["window"][:, 0].astype(int)]
    weight = clients("training")[0][client]
    assert (weight >= windows[:, [FIRST_CLIENT]]).all()
    assert (weight <= windows[:, [LAST_CLIENT]] + 1e-9).all()


@pytest.mark.parametrize("name", ["traces_v0", "traces_v0_replay"])
def test_token_counts_loads_and_links_are_distributed_and_correlated_as_in_the_trace(name):
    played = trace_statistics.play(small(name), 1200, 120)
    for place, service in enumerate(trace_statistics.SERVICES):
        own = np.flatnonzero(played.service == place)
        assert kolmogorov_smirnov(played, "training", service) <= 0.03
        found = autocorrelation([played.load[:, lane] for lane in own])
        assert np.abs(found - autocorrelation([measured_loads("training", service)])).max() < 0.1
    found = autocorrelation(list(played.sinr.transpose(1, 0, 2, 3)))
    assert np.abs(found - autocorrelation(measured_sinr("training"))).max() < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_who_does_not_ask_is_served_by_nobody_at_any_reward(name):
    env = BatchedMarketEnv(name, 300, asps="best_response", max_cycles=None, seed=0)
    env.reset()
    shares = np.ones((300, 8, 4))
    for _ in range(3):
        market = env.market
        idle = env.state()["now.satisfaction_scale"] < 1e-3
        tables = link_tables(market)
        u, w, kappa = (
            getattr(market, field)[:, None, :] for field in ("compute_cost", "bandwidth_cost", "flops_per_token")
        )
        cost = u * kappa + w * tables[..., SIGMA] + 2 * np.sqrt(u * w) * tables[..., CROSS]
        threshold = cost / tables[..., ENTRY]
        assert (market.reward_bound[..., None] / threshold)[idle].max() < 0.01
        env.step({"mu": shares})
        assert not env.served.qoe[idle].any()
        assert np.abs(env.served.mu_utility[idle]).max() == 0.0


def test_arrivals_and_departures_are_observed():
    env = BatchedMarketEnv("traces_v0", 50, asps="best_response", max_cycles=None, seed=0)
    observation = env.reset()[0]["mu"]
    for _ in range(5):
        asks = env.state()["now.satisfaction_scale"] > 1e-3
        entry = observation[..., MU_TYPE.log_satisfaction_scale]
        assert (entry[~asks] == -OBSERVATION_BOUND).all()
        assert (entry[asks] >= 0.0).all()
        observation = env.step({"mu": np.zeros((50, 8, 4))})[0]["mu"]


@pytest.mark.parametrize("wallet", [None, Wallet(money=2.0, income=0.2, cap=4.0)])
@pytest.mark.parametrize("asps", ["best_response", "agents"])
def test_a_state_taken_back_shows_and_becomes_the_same(asps, wallet):
    """What is written entry by entry as slots follow one another is what is written anew from a state."""
    one, other = (
        BatchedMarketEnv("traces_v0", 20, asps=asps, max_cycles=None, seed=seed, wallet=wallet) for seed in (0, 1)
    )
    one.reset()
    other.reset()
    rng = np.random.default_rng(0)
    slot = [{"mu": (20, 8, 4)}] if asps == "best_response" else [{"mu": (20, 8, 4)}, {"asp": (20, 4, 2, 8)}]
    for step in range(12):
        actions = {group: rng.random(shape) for group, shape in slot[step % len(slot)].items()}
        if step < 4:
            one.step(actions)
            continue
        if step == 4:
            other.restore(one.state())
        assert same(one.step(actions), other.step(actions))
        assert same(one.state(), other.state())


@pytest.mark.parametrize("name", ["client", "window", "drive_slot", "slots_left"])
@pytest.mark.parametrize("wrong", [-1.0, 0.5, 1e9, np.nan])
def test_a_state_with_places_outside_of_the_trace_is_refused(name, wrong):
    env = BatchedMarketEnv("traces_v0", 2, asps="best_response", seed=0)
    env.reset()
    state = env.state()
    changed = {key: value.copy() for key, value in state.items()}
    changed[name].flat[-1] = wrong
    with pytest.raises(ValueError, match=name):
        env.restore(changed)
    assert same(env.state(), state)


def test_an_episodes_path_is_known_beforehand():
    markets, _ = episode_path("traces_v0", 3, 20)
    env = market_v0.parallel_env("traces_v0", asps="best_response")
    env.reset(seed=3)
    for slot in range(20):
        assert Market.stack([env.market]) == Market(
            **{name: getattr(markets, name)[slot : slot + 1] for name in FIELDS}
        )
        env.step({agent: np.full(4, 0.5) for agent in env.agents})


def test_a_batch_plays_what_single_environments_play():
    env = BatchedMarketEnv("traces_v0", 3, asps="best_response", max_cycles=40)
    env.reset(seed=[5, 6, 7])
    singles = [market_v0.parallel_env("traces_v0", asps="best_response", max_cycles=40) for _ in range(3)]
    for seed, single in zip((5, 6, 7), singles, strict=True):
        single.reset(seed=seed)
    rng = np.random.default_rng(0)
    for _ in range(30):
        shares = rng.random((3, 8, 4))
        rewards = env.step({"mu": shares})[1]["mu"]
        for lane, single in enumerate(singles):
            paid = single.step({f"mu_{m}": shares[lane, m] for m in range(8)})[1]
            assert [paid[f"mu_{m}"] for m in range(8)] == rewards[lane].tolist()


def test_slots_are_solved_with_a_certificate():
    env = BatchedMarketEnv("traces_v0", 40, asps="best_response", max_cycles=None, seed=3)
    env.reset()
    market = env.market
    equilibrium = solve_equilibrium(market)
    assert equilibrium.certificate.converged.mean() >= 0.95
    idle = market.satisfaction_scale < 1e-3
    assert not equilibrium.outcome.qoe[idle].any()


def test_wallets_and_traces_go_together():
    wallet = Wallet(money=2.0, income=0.2, cap=4.0)
    env = market_v0.parallel_env("traces_v0", asps="best_response", wallet=wallet)
    env.reset(seed=0)
    for _ in range(30):
        observations, *_ = env.step({agent: np.full(4, 0.3) for agent in env.agents})
        assert all(np.isfinite(observation).all() for observation in observations.values())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"trace": Trace()}, "shadowing_db = 4.0: a trace says what changes; it needs shadowing_db=0"),
        ({"shadowing_db": 0.0, "trace": Trace(), "load_profile": (1.0,)}, "it needs load_profile=()"),
        ({"shadowing_db": 0.0, "trace": "training"}, "trace = 'training' must be a Trace or None"),
    ],
)
def test_dynamics_that_contradict_a_trace_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        Dynamics(**parameters)


@pytest.mark.parametrize("block", [0.5, 0.0, np.nan, np.inf, "long"])
def test_blocks_are_a_slot_at_least(block):
    with pytest.raises(ValueError, match="block_slots"):
        Trace("training", block)


def test_a_trace_is_refused_where_slots_last_longer_or_shorter_than_its_own():
    following = Scenario.preset("traces_v0").dynamics
    minute = Scenario.preset("duo").sample().replace(slot_duration=60.0)
    for scenario, lanes in (
        (Scenario.fixed(minute, dynamics=following), 1),
        (Scenario.preset("random", dynamics=following), 3),
    ):
        env = BatchedMarketEnv(scenario, lanes, seed=0)
        with pytest.raises(ValueError, match="slot_duration = 10, got "):
            env.reset()
    env = BatchedMarketEnv(Scenario.fixed(minute.replace(slot_duration=10.0), dynamics=following), 1, seed=0)
    env.reset()
    state = env.state()
    with pytest.raises(ValueError, match="slot_duration = 10, got 20"):
        env.restore(state | {"base.slot_duration": np.array([20.0])})
    assert same(env.state(), state)


@pytest.mark.parametrize("split", ["training", "held_out"])
def test_replay_is_correlated_as_going_on_from_the_end_of_a_part_to_its_beginning_makes_it(split):
    name = "traces_v0_replay" + ("_held_out" if split == "held_out" else "")
    played, slots = trace_statistics.play(small(name), 1200, 120), drive_slots(split)
    for service in ("conversation", "code"):
        own = np.flatnonzero(played.service == trace_statistics.SERVICES.index(service))
        loads = measured_loads(split, service)
        expected = walked_autocorrelation(loads, np.roll(np.arange(len(loads)), -1))
        assert np.abs(autocorrelation([played.load[:, lane] for lane in own]) - expected).max() < 0.05
    expected = walked_autocorrelation(sinr_of(slots[:, EFFICIENCY]), slots[:, NEXT_SLOT].astype(int))
    found = autocorrelation(list(np.moveaxis(played.sinr, 1, 0)))
    assert np.abs(found - expected).max() < 0.05
