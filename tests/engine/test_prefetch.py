import copy
import pickle

import numpy as np
import pytest
from playing import busy

from aigc_market_env import Scenario
from aigc_market_env._engine.engine import Engine
from aigc_market_env._engine.prefetch import _AHEAD

RESETS = 2 * _AHEAD + 3


def engine(scenario="campus", lanes=1):
    return Engine(busy(scenario), lanes)


def slots(one, count=2):
    for _ in range(count):
        one.trade(np.full((one.num_lanes, one.scenario.num_mus, one.scenario.num_asps), 0.3))


def go_on(one, resets):
    """The markets of the next episodes of lane 0."""
    markets = []
    for _ in range(resets):
        one.reset(None)
        slots(one)
        markets.append(one.market(lane=0))
    return markets


def test_markets_built_ahead_are_those_built_one_by_one_or_in_a_batch():
    alone, first_of_many = engine(), engine(lanes=3)
    alone.reset([5])
    first_of_many.reset([5, 6, 7])
    assert go_on(alone, RESETS) == go_on(first_of_many, RESETS)


def test_markets_to_come_do_not_depend_on_the_length_of_episodes():
    short, long = engine("random"), engine("random")
    short.reset([5])
    long.reset([5])
    slots(long, 9)
    short.reset(None)
    long.reset(None)
    assert np.array_equal(short.quantity("base.base_latency"), long.quantity("base.base_latency"))
    assert not np.array_equal(short.quantity("shadow"), long.quantity("shadow"))


@pytest.mark.parametrize("resets", [0, 1, 2, _AHEAD, _AHEAD + 1])
def test_a_state_holds_however_many_markets_lie_ready(resets):
    one, other = engine(), engine()
    one.reset([5])
    go_on(one, resets)
    state = one.state()
    expected = go_on(one, 3)
    for late in (0, 1, 5):
        other.reset([1])
        go_on(other, late)
        other.restore(state)
        assert go_on(other, 3) == expected
    one.restore(state)
    assert go_on(one, 3) == expected


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_go_on_alike_and_apart(duplicate):
    one = engine()
    one.reset([5])
    go_on(one, 3)
    twin = duplicate(one)
    expected = go_on(one, RESETS)
    assert go_on(twin, RESETS) == expected


@pytest.mark.parametrize("resets", [0, 3])
def test_a_seed_starts_over_whatever_lies_ready(resets):
    one, fresh = engine(), engine()
    one.reset([1])
    go_on(one, resets)
    one.reset([5])
    fresh.reset([5])
    assert one.market(lane=0) == fresh.market(lane=0)
    assert go_on(one, 3) == go_on(fresh, 3)


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_fixed_market_is_loaded_again_after_another_state(lanes):
    scenario = Scenario.preset("campus").fix(0)
    one, other = Engine(scenario, lanes), Engine(Scenario.preset("campus").fix(1), lanes)
    for each in (one, other):
        each.reset(list(range(lanes)))
    one.restore(other.state())
    assert np.array_equal(one.quantity("base.base_latency"), other.quantity("base.base_latency"))
    one.reset(None)
    assert np.array_equal(one.quantity("base.base_latency")[0], scenario.sample().base_latency)
