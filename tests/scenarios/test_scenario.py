import pickle
from dataclasses import replace

import numpy as np
import pytest
from playing import PRESETS

from aigc_market_env import BatchedMarketEnv, Dynamics, Market, Scenario, Trace
from aigc_market_env.model.parameters import FIELDS
from aigc_market_env.scenarios import STATIC


def uniform_rows(scenario, rows, seed=0):
    return np.random.default_rng(seed).uniform(2.0**-53, 1.0, (rows, scenario.num_draws))


def identical(one, other):
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in FIELDS)


SIZES = ((None, None), (1, 1), (1, 6), (20, 1), (9, 2), (3, 5))


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in PRESETS for size in SIZES[: 1 if name == "duo" else 6]]
)
def test_lanes_of_a_batch_are_built_as_if_alone(name, size):
    scenario = Scenario.preset(name, num_mus=size[0], num_asps=size[1], load=1.7)
    for rows in (1, 5, 64):
        uniforms = uniform_rows(scenario, rows)
        batch = scenario.build(uniforms)
        assert batch.batch_shape == (rows,)
        for i in range(rows):
            assert identical(batch[i], scenario.build(uniforms[i]))


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_market(name):
    scenario = Scenario.preset(name)
    assert identical(scenario.sample(3), Scenario.preset(name).sample(3))
    assert identical(scenario.sample(3), scenario.sample(np.random.default_rng(3)))
    assert identical(scenario.sample(3, (4, 2)), scenario.sample(3, (4, 2)))
    assert scenario.sample(3, (4, 2)).batch_shape == (4, 2)
    if name != "duo":
        assert scenario.sample(3) != scenario.sample(4)
        assert scenario.sample() != scenario.sample()
        rng = np.random.default_rng(3)
        assert scenario.sample(rng) != scenario.sample(rng)


@pytest.mark.parametrize("load", [1e-3, 0.5, 3, 40.0, np.float32(2)])
@pytest.mark.parametrize("name", PRESETS)
def test_load_divides_capacities_and_changes_nothing_else(name, load):
    plain, loaded = Scenario.preset(name).sample(1, (3,)), Scenario.preset(name, load=load).sample(1, (3,))
    for field in FIELDS:
        factor = float(load) if field in ("compute_capacity", "bandwidth_capacity") else 1.0
        np.testing.assert_array_equal(getattr(loaded, field), getattr(plain, field) / factor)


def test_a_load_drawn_with_a_market_changes_capacities_alone():
    plain, scenario = (Scenario.preset("office", num_mus=3, load=load) for load in (1.0, (0.5, 2.0)))
    assert scenario.num_draws == plain.num_draws + 1
    uniforms = np.random.default_rng(0).random((50, scenario.num_draws))
    usual, drawn = plain.build(uniforms[:, :-1]), scenario.build(uniforms)
    for field in FIELDS:
        factor = 0.5 * 4.0 ** uniforms[:, -1:] if field.endswith("_capacity") else 1.0
        np.testing.assert_allclose(getattr(drawn, field) * factor, getattr(usual, field), rtol=1e-14)


def test_a_range_of_one_load_is_that_load():
    assert Scenario.preset("campus", load=(2.0, 2.0)) == Scenario.preset("campus", load=2.0)


@pytest.mark.parametrize("load", [(2.0, 1.0), (1.0,), (0.0, 1.0), (1.0, np.inf), (1.0, 2.0, 3.0)])
def test_a_bad_range_of_loads_is_refused(load):
    with pytest.raises(ValueError, match="load"):
        Scenario.preset("campus", load=load)


@pytest.mark.parametrize("load", [0, -1, np.nan, np.inf, -np.inf, "x", "2", None, [1.0], 1j, 10**400])
def test_a_bad_load_is_refused(load):
    with pytest.raises(ValueError, match="load = "):
        Scenario.preset("campus", load=load)


@pytest.mark.parametrize("name", ["campus", "town", "random"])
def test_sizes_may_be_chosen(name):
    for given in ({"num_mus": 3}, {"num_asps": 7}, {"num_mus": 1, "num_asps": 1}, {"num_mus": np.int64(30)}):
        scenario = Scenario.preset(name, **given)
        market = scenario.sample(0)
        assert (market.num_mus, market.num_asps) == (scenario.num_mus, scenario.num_asps)
        for argument, size in given.items():
            assert getattr(scenario, argument) == size


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("campus", {"num_mus": 0}, "num_mus = 0"),
        ("campus", {"num_asps": -3}, "num_asps = -3"),
        ("campus", {"num_mus": 2.0}, "num_mus = 2.0"),
        ("random", {"num_asps": "4"}, "num_asps = '4'"),
        ("duo", {"num_mus": 3}, "duo.*num_mus = 2.*cannot be changed"),
        ("duo", {"num_asps": 2}, "duo.*num_asps = 1.*cannot be changed"),
    ],
)
def test_impossible_sizes_are_refused(name, sizes, message):
    with pytest.raises(ValueError, match=message):
        Scenario.preset(name, **sizes)


def test_duo_may_be_asked_for_in_its_own_size():
    assert Scenario.preset("duo", num_mus=2, num_asps=1).sample(0) == Scenario.preset("duo").sample(1)


@pytest.mark.parametrize("name", ["metropolis", "", "Campus", None, 3, ["campus"], Scenario.preset("duo")])
def test_an_unknown_preset_is_refused_with_the_names_there_are(name):
    with pytest.raises(ValueError, match=r"unknown preset.*duo, campus, town, random"):
        Scenario.preset(name)


def test_a_fixed_market_is_every_market():
    market = Scenario.preset("random").sample(8)
    scenario = Scenario.fixed(market, name="mine")
    assert (scenario.name, scenario.num_mus, scenario.num_asps, scenario.dynamics) == ("mine", 8, 4, STATIC)
    assert scenario.sample(0) == scenario.sample() == market
    batch = scenario.sample(0, (2, 3))
    assert batch.batch_shape == (2, 3)
    assert all(identical(batch[i, j], market) for i in range(2) for j in range(3))


def test_a_batch_is_no_scenario():
    batch = Scenario.preset("duo").sample(0, (1,))
    for make in (Scenario.fixed, Scenario.of):
        with pytest.raises(ValueError, match=r"batch of shape \(1,\)"):
            make(batch)


@pytest.mark.parametrize("dynamics", ["fast", None, 4.0])
def test_what_is_no_dynamics_is_refused(dynamics):
    with pytest.raises(ValueError, match="dynamics = "):
        Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=dynamics)
    if dynamics is not None:
        with pytest.raises(ValueError, match="dynamics = "):
            Scenario.preset("duo", dynamics=dynamics)


@pytest.mark.parametrize("market", ["duo", None, Scenario.preset("duo")])
def test_what_is_no_market_is_not_fixed(market):
    with pytest.raises(ValueError, match="must be a Market"):
        Scenario.fixed(market)


def test_fix_keeps_the_dynamics_and_one_draw():
    scenario = Scenario.preset("campus", dynamics=Dynamics(2.0))
    fixed = scenario.fix(4)
    assert (fixed.name, fixed.dynamics) == ("campus", Dynamics(2.0))
    assert fixed.sample() == scenario.sample(4)


def test_everything_that_means_a_scenario_is_taken(tmp_path):
    market = Scenario.preset("duo").sample(0)
    path = tmp_path / "corner shop.json"
    market.to_json(path)
    scenario = Scenario.preset("town")
    assert Scenario.of(scenario) is scenario
    assert Scenario.of("town").num_mus == 20
    assert Scenario.of(market).sample() == market
    for file in (path, str(path)):
        assert Scenario.of(file).name == "corner shop"
        assert Scenario.of(file).sample() == market


@pytest.mark.parametrize("thing", ["twon", "x" * 5000, "a\0b", "/", ".", b"town", None, 1.0, ["town"], {}])
def test_what_means_no_scenario_is_refused(thing):
    with pytest.raises(ValueError, match="scenario"):
        Scenario.of(thing)


@pytest.mark.parametrize("name", PRESETS)
def test_scenarios_are_pickled(name):
    scenario = Scenario.preset(name, load=2.0)
    for one in (scenario, scenario.fix(0)):
        again = pickle.loads(pickle.dumps(one))
        assert (again.name, again.dynamics, again.num_draws) == (one.name, one.dynamics, one.num_draws)
        assert identical(again.sample(5), one.sample(5))


@pytest.mark.parametrize("name", PRESETS)
def test_extreme_draws_make_valid_markets(name):
    scenario = Scenario.preset(name)
    for number in (2.0**-54, 2.0**-53, 0.5, 1 - 2.0**-53):
        assert isinstance(scenario.build(np.full(scenario.num_draws, number)), Market)


def test_scenarios_made_alike_are_equal():
    market = Scenario.preset("duo").sample(seed=0)
    for once, twice, other in (
        (Scenario.preset("campus"), Scenario.preset("campus"), Scenario.preset("campus", load=2.0)),
        (Scenario.fixed(market), Scenario.fixed(market), Scenario.fixed(market.replace(satisfaction_scale=[9.0, 9.0]))),
    ):
        assert once == twice != other
        assert hash(once) == hash(twice)


@pytest.mark.parametrize("seed", [-1, 1.5, "0"])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(ValueError, match=r"seed = .* must be an integer >= 0, or None"):
        Scenario.preset("campus").sample(seed)


# Satiation


@pytest.mark.parametrize("name", ["duo", "campus", "town", "random"])
def test_satiation_changes_nothing_else(name):
    plain = Scenario.preset(name)
    fixed, drawn = (Scenario.preset(name, satiation=satiation) for satiation in (2, (1.0, 6.0)))
    market = plain.sample(4)
    assert not plain.satiation
    assert fixed.satiation
    assert drawn.satiation
    assert plain.num_draws == fixed.num_draws == drawn.num_draws - market.num_mus
    assert identical(fixed.sample(4), market.replace(satiation=2.0))
    own = drawn.sample(4)
    assert identical(own.replace(satiation=0.0), market)
    assert len(np.unique(own.satiation)) == market.num_mus
    many = drawn.sample(0, (200,)).satiation
    assert 1.0 <= many.min() < 1.2
    assert 5.8 < many.max() <= 6.0
    assert identical(Scenario.preset(name, satiation=0.0).sample(4), market)


def test_a_range_of_one_satiation_is_that_satiation():
    one, same = Scenario.preset("campus", satiation=2), Scenario.preset("campus", satiation=(2.0, 2.0))
    assert one.num_draws == same.num_draws
    assert identical(one.sample(0), same.sample(0))
    assert not Scenario.preset("office", satiation=0).satiation


def test_office_is_campus_with_requirements_that_can_be_met():
    office, campus = Scenario.preset("office"), Scenario.preset("campus")
    assert office.satiation
    market = office.sample(3)
    assert identical(market.replace(satiation=0.0), campus.sample(3))
    assert 1.0 <= market.satiation.min() < market.satiation.max() <= 6.0


@pytest.mark.parametrize(
    "satiation", [-1, 101, np.nan, np.inf, "2", (2, 1), (1,), (1, 2, 3), (0, 101), True, [None, 1]]
)
def test_an_impossible_satiation_is_refused(satiation):
    with pytest.raises(ValueError, match=r"satiation = .* must be a number from 0 to 100, or a range of it"):
        Scenario.preset("campus", satiation=satiation)


def test_what_is_made_of_a_scenario_with_satiation_has_it():
    office = Scenario.preset("office")
    assert office.fix(0).satiation
    assert Scenario.fixed(office.sample(0)).satiation
    assert not Scenario.fixed(office.sample(0).replace(satiation=0.0)).satiation


def test_an_environment_shows_no_less_than_there_is():
    office = Scenario.preset("office")
    env = BatchedMarketEnv(replace(office, satiation=False), 2)
    with pytest.raises(ValueError, match=r"'office' has markets with satiation; it needs satiation=True"):
        env.reset()
    shown = BatchedMarketEnv(office, 2, seed=0)
    observations, _ = shown.reset()
    np.testing.assert_array_equal(observations["mu"][..., -1], np.log1p(shown.market.satiation).astype(np.float32))
    hidden = BatchedMarketEnv("campus", 2, seed=0)
    hidden.reset()
    state = hidden.state()
    assert any(name.endswith("satiation") for name in state)


@pytest.mark.parametrize("name", ["traces_v0", "traces_v0_replay"])
def test_what_is_held_out_of_a_trace_is_another_preset(name):
    options = {"num_mus": 3, "num_asps": 2, "load": 2.0}
    held_out = Scenario.preset(f"{name}_held_out", **options)
    assert Scenario.preset(name, **options).held_out == held_out
    assert held_out.held_out is held_out
    assert held_out.sample(0) != Scenario.preset(name, **options).sample(0)


def test_a_market_keeps_who_is_in_it_where_a_trace_is_held_out():
    scenario = Scenario.preset("traces_v0").fix(seed=3)
    held_out = scenario.held_out
    assert held_out.sample() == scenario.sample()
    assert held_out.dynamics == replace(scenario.dynamics, trace=Trace("held_out", scenario.dynamics.trace.block_slots))
    assert held_out.name == "traces_v0_held_out"


def test_without_a_trace_a_scenario_is_held_out_by_its_seeds():
    for scenario in (Scenario.preset("campus"), Scenario.preset("prepaid").fix(0)):
        assert scenario.held_out is scenario
