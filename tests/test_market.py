import copy
import json
import pickle

import numpy as np
import pytest
from markets import DIMS, random_market

from aigc_market_env import Market, Scenario, nash_conv, solve_equilibrium
from aigc_market_env.model.parameters import FIELDS

POSITIVE = sorted(set(DIMS) - {"qoe_weights", "base_latency", "satiation"})


@pytest.fixture
def market():
    return random_market(np.random.default_rng(1), 3, 2, 1.0)


@pytest.fixture
def batch():
    return random_market(np.random.default_rng(2), 3, 2, 1.0, (4, 5))


def fields(market):
    return {name: getattr(market, name).copy() for name in DIMS}


def index_of_last(name):
    return tuple({"M": 2, "N": 1, "3": 2}[dim] for dim in DIMS[name])


# Files


@pytest.mark.parametrize("seed", range(20))
def test_json_round_trip_is_bit_for_bit(tmp_path, seed):
    rng = np.random.default_rng(seed)
    market = random_market(rng, *rng.integers(1, 7, 2), 1.0)
    market.to_json(tmp_path / "m.json")
    again = Market.from_json(str(tmp_path / "m.json"))
    for name in DIMS:
        assert getattr(again, name).tobytes() == getattr(market, name).tobytes()


def test_a_file_names_its_schema_and_exactly_the_fields(tmp_path, market):
    market.to_json(tmp_path / "m.json")
    document = json.loads((tmp_path / "m.json").read_text())
    assert document.pop("schema") == "aigc-market/1"
    assert set(document) == set(DIMS) - {"satiation"}
    assert document["accuracy"] == market.accuracy.tolist()


def test_a_batch_is_not_written(tmp_path, batch):
    with pytest.raises(ValueError, match=r"one market.*\(4, 5\)"):
        batch.to_json(tmp_path / "m.json")
    assert not (tmp_path / "m.json").exists()


def document_of(market, **changes):
    return {"schema": "aigc-market/1"} | {name: value.tolist() for name, value in fields(market).items()} | changes


def read(tmp_path, text):
    (tmp_path / "broken.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Market.from_json(tmp_path / "broken.json")


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        Market.from_json(tmp_path / "none.json")


@pytest.mark.parametrize(
    "text", ["", "not json", "{", b"\xff\xfe\x00", "[" * 100_000, '{"schema": "aigc-market/1", "slot']
)
def test_what_is_not_json_is_refused_by_file_name(tmp_path, text):
    with pytest.raises(ValueError, match=r"broken\.json: not a JSON document"):
        read(tmp_path, text)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, market, share):
    text = json.dumps(document_of(market))
    with pytest.raises(ValueError, match=r"broken\.json: not a JSON document"):
        read(tmp_path, text[: int(share * len(text))])


@pytest.mark.parametrize("value", [[], 3, "x", None])
def test_a_document_that_is_no_object_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match=r"broken\.json: expected a JSON object"):
        read(tmp_path, json.dumps(value))


@pytest.mark.parametrize("schema", ["aigc-market/2", None, 1, []])
def test_another_schema_is_refused(tmp_path, market, schema):
    with pytest.raises(ValueError, match=r"broken\.json: field 'schema' must be 'aigc-market/1'"):
        read(tmp_path, json.dumps(document_of(market, schema=schema)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_may_begin_with_a_byte_order_mark(tmp_path, market, encoding):
    path = tmp_path / "market.json"
    path.write_bytes(json.dumps(document_of(market)).encode(encoding))
    assert Market.from_json(path) == market
    assert Scenario.of(path).sample(0) == market


def test_a_file_without_schema_is_refused(tmp_path, market):
    document = document_of(market)
    del document["schema"]
    with pytest.raises(ValueError, match="field 'schema'"):
        read(tmp_path, json.dumps(document))


@pytest.mark.parametrize("name", sorted(set(DIMS) - {"satiation"}))
def test_a_missing_field_is_named(tmp_path, market, name):
    document = document_of(market)
    del document[name]
    with pytest.raises(ValueError, match=rf"broken\.json: missing field '{name}'"):
        read(tmp_path, json.dumps(document))


def test_satiation_is_in_a_file_where_there_is_some(tmp_path, market):
    satiated = market.replace(satiation=[0.0, 1e-12, 6.5])
    satiated.to_json(tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text())["satiation"] == [0.0, 1e-12, 6.5]
    assert Market.from_json(tmp_path / "m.json") == satiated != market
    with pytest.raises(ValueError, match=r"broken\.json: field 'satiation': satiation\[1\] = 101 must be .* <= 100"):
        read(tmp_path, json.dumps(document_of(market, satiation=[0, 101, 0])))


def test_a_number_is_the_satiation_of_every_mu(market, batch):
    assert (market.replace(satiation=2).satiation == [2.0] * 3).all()
    assert (batch.replace(satiation=2.5).satiation == np.full((4, 5, 3), 2.5)).all()
    values = fields(market)
    del values["satiation"]
    assert (Market(**values).satiation == np.zeros(3)).all()
    for value in (-1e-300, 100.1, np.nan, np.inf):
        with pytest.raises(
            ValueError, match=r"field 'satiation': satiation\[0\] = .* must be finite and >= 0 and <= 100"
        ):
            market.replace(satiation=value)
    for value in (None, "2", [1.0, 2.0], [[1.0]]):
        with pytest.raises(ValueError, match="field 'satiation'"):
            market.replace(satiation=value)


def test_an_unknown_field_is_named(tmp_path, market):
    with pytest.raises(ValueError, match=r"broken\.json: unknown field 'latency'"):
        read(tmp_path, json.dumps(document_of(market, latency=1.0)))


@pytest.mark.parametrize("name", DIMS)
def test_batch_axes_in_a_file_are_refused(tmp_path, market, name):
    with pytest.raises(ValueError, match=rf"broken\.json: field '{name}' must have {len(DIMS[name])} axes"):
        read(tmp_path, json.dumps(document_of(market, **{name: [getattr(market, name).tolist()]})))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_in_a_file_must_be_finite(tmp_path, market, literal):
    text = json.dumps(document_of(market, slot_duration="HERE")).replace('"HERE"', literal)
    with pytest.raises(ValueError, match=r"broken\.json: field 'slot_duration'.*must be finite and > 0"):
        read(tmp_path, text)


@pytest.mark.parametrize("value", [None, "3", [1, "2", 3], [[1], 2, 3], {"a": 1}, [True, True, True]])
def test_values_in_a_file_must_be_numbers(tmp_path, market, value):
    with pytest.raises(ValueError, match=r"broken\.json: field 'patience' must be a rectangular array of numbers"):
        read(tmp_path, json.dumps(document_of(market, patience=value)))


# Values


@pytest.mark.parametrize("name", DIMS)
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, -np.inf])
def test_a_bad_value_is_refused_by_field_index_and_constraint(market, name, value):
    values = fields(market)
    index = index_of_last(name)
    values[name][index] = value
    where = (name + str(list(index)) if index else name).replace("[", r"\[").replace("]", r"\]")
    constraint = ">= 0" if name in ("qoe_weights", "base_latency", "satiation") else "> 0"
    with pytest.raises(ValueError, match=rf"field '{name}': {where} = {value:g} must be finite and {constraint}"):
        Market(**values)


@pytest.mark.parametrize("name", POSITIVE)
def test_zero_is_refused_where_the_model_divides_by_it(market, name):
    values = fields(market)
    values[name][index_of_last(name)] = 0
    with pytest.raises(ValueError, match=rf"field '{name}'.* = 0 must be finite and > 0"):
        Market(**values)


def test_zero_latency_and_zero_weights_are_allowed(market):
    edited = market.replace(base_latency=np.zeros((3, 2)), qoe_weights=np.eye(3))
    assert not edited.base_latency.any()


def test_accuracy_may_be_one_but_not_more(market):
    values = fields(market)
    values["accuracy"][2, 1] = 1.0
    Market(**values)
    values["accuracy"][2, 1] = 1.0 + 1e-15
    with pytest.raises(ValueError, match=r"accuracy\[2, 1\] = 1 must be finite and > 0 and <= 1"):
        Market(**values)


def test_index_of_a_bad_value_counts_the_batch_axes(batch):
    values = fields(batch)
    values["patience"][3, 4, 1] = -2
    with pytest.raises(ValueError, match=r"patience\[3, 4, 1\] = -2"):
        Market(**values)


@pytest.mark.parametrize("row", [(0.5, 0.5, 0.1), (0.3, 0.3, 0.3), (0, 0, 0)])
def test_weights_must_sum_to_one(market, row):
    values = fields(market)
    values["qoe_weights"][1] = row
    with pytest.raises(ValueError, match=r"field 'qoe_weights': row \[1\] sums to .*, must sum to 1"):
        Market(**values)


@pytest.mark.parametrize("row", [(0.1, 0.2, 0.7), (1 / 3, 1 / 3, 1 / 3), (0.05, 0.9, 0.05)])
def test_weights_rounded_to_float32_are_made_to_sum_to_one(market, row):
    values = fields(market)
    weights = np.tile(np.float32(row), (3, 1)) * np.float32(1 + 2e-7)
    assert (np.abs(weights.astype(float).sum(-1) - 1) > 1e-9).all()
    made = Market(**values | {"qoe_weights": weights})
    np.testing.assert_allclose(made.qoe_weights.sum(-1), 1, rtol=0, atol=1e-15)
    np.testing.assert_allclose(made.qoe_weights, weights, rtol=1e-6)
    assert Market(**fields(made)) == made  # once is enough


def test_weights_that_sum_to_one_keep_their_bits(market):
    weights = np.array([[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 9e-10]])
    assert market.replace(qoe_weights=weights).qoe_weights.tobytes() == weights.tobytes()


@pytest.mark.parametrize("error", [1e-3, -1e-3, 2e-6, np.float16(0.001)])
def test_weights_that_are_off_by_more_than_rounding_are_refused(market, error):
    values = fields(market)
    values["qoe_weights"][1] = 0.2, 0.3, 0.5 + float(error)
    with pytest.raises(ValueError, match=r"field 'qoe_weights': row \[1\] sums to .*, must sum to 1"):
        Market(**values)


# Magnitudes


@pytest.mark.parametrize("name", sorted(set(DIMS) - {"qoe_weights", "accuracy", "satiation"}))
@pytest.mark.parametrize("value", [1e300, 1e31, 1e-31, 1e-300, 5e-324])
def test_a_value_whose_products_would_overflow_is_refused_by_field(market, name, value):
    values = fields(market)
    values[name][index_of_last(name)] = value
    if name == "base_latency" and value < 1:
        assert Market(**values)
        return
    with pytest.raises(ValueError, match=rf"field '{name}': .* must be from \S+ to 1e\+30 .*use another unit"):
        Market(**values)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_money_in_a_unit_beyond_all_bounds_is_refused_by_field(market, scale):
    money = {name: getattr(market, name) * scale for name in ("satisfaction_scale", "compute_cost", "bandwidth_cost")}
    with pytest.raises(ValueError, match=r"field 'satisfaction_scale': satisfaction_scale\[0\] = .*use another unit"):
        market.replace(**money)


def test_whatever_is_within_the_bounds_can_be_computed():
    rng, base = np.random.default_rng(0), Scenario.preset("duo").sample(0)
    changes = {
        name: rng.choice([1e-30, 1, 1e30], (200, *getattr(base, name).shape))
        for name in set(DIMS) - {"qoe_weights", "accuracy", "satiation"}
    }
    changes["satiation"] = rng.choice([0, 5e-324, 1e-12, 1, 6, 100], (200, 2))
    wild = base.replace(**changes, accuracy=rng.choice([1e-30, 1], (200, 2, 1)))
    found = solve_equilibrium(wild, certify=False)
    regret = nash_conv(wild, found.rewards, found.outcome.compute, found.outcome.bandwidth)
    for figures in (found.outcome.mu_utility, found.outcome.asp_profit, regret):
        assert np.isfinite(figures).all()


@pytest.mark.parametrize("name", sorted(set(DIMS) - {"slot_duration"}))
def test_a_wrong_length_is_refused_by_field_and_shape(market, name):
    values = fields(market)
    values[name] = np.concatenate([values[name], values[name][..., :1]], axis=-1)
    with pytest.raises(ValueError, match=r"field '\w+' has shape \(.*\), expected \(\.\.\., .*\)"):
        Market(**values)


@pytest.mark.parametrize("name", sorted(set(DIMS) - {"slot_duration", "satiation"}))
def test_too_few_axes_are_refused(market, name):
    values = fields(market)
    values[name] = 1.0
    with pytest.raises(ValueError, match=rf"field '{name}' has shape \(\), expected"):
        Market(**values)


@pytest.mark.parametrize("name", DIMS)
@pytest.mark.parametrize("value", ["many", None, [[1, 2], [3]], 1j, [object()], np.array(["1", "2"]), True])
def test_what_is_no_array_of_numbers_is_refused(market, name, value):
    with pytest.raises(ValueError, match=f"field '{name}' must be a rectangular array of numbers"):
        market.replace(**{name: value})


@pytest.mark.parametrize("axis", [0, 1])
def test_a_market_needs_an_mu_and_an_asp(market, axis):
    dim = "MN"[axis]
    values = fields(market)
    for name, dims in DIMS.items():
        if dim in dims:
            values[name] = np.take(values[name], [], axis=dims.index(dim))
    with pytest.raises(ValueError, match="at least one MU and one ASP"):
        Market(**values)


def test_a_missing_argument_is_a_type_error():
    with pytest.raises(TypeError, match="slot_duration"):
        Market()


# Arrays


@pytest.mark.parametrize("make", [lambda m: m, copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_arrays_are_read_only_float64_also_in_copies(market, make):
    made = make(market)
    assert made == market
    for name in DIMS:
        array = getattr(made, name)
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1.0
    for array in made.flat:
        assert not array.flags.writeable


def test_fields_cannot_be_assigned(market):
    with pytest.raises(AttributeError):
        market.patience = np.ones(3)


def test_the_caller_keeps_its_arrays(market):
    values = fields(market)
    made = Market(**values)
    for array in values.values():
        array[...] = -1  # still writable, and without effect
    assert made == market


def test_integers_are_accepted_as_numbers(market):
    assert market.replace(patience=[1, 2, 3]).patience.tolist() == [1.0, 2.0, 3.0]


def test_sizes_and_batch_shape(market, batch):
    assert (market.num_mus, market.num_asps, market.batch_shape) == (3, 2, ())
    assert (batch.num_mus, batch.num_asps, batch.batch_shape) == (3, 2, (4, 5))
    for name, dims in DIMS.items():
        assert getattr(batch, name).shape == (4, 5, *({"M": 3, "N": 2, "3": 3}[dim] for dim in dims))
        assert FIELDS[name].dims == dims


def test_derived_quantities(batch):
    m, n = 2, 1
    sigma = batch.bits_per_token[3, 4, m] / (1e6 * batch.spectral_efficiency[3, 4, m, n])
    assert batch.bandwidth_per_rate[3, 4, m, n] == pytest.approx(sigma, rel=1e-15)
    bound = batch.satisfaction_scale[3, 4, m] / batch.qoe_requirement[3, 4, m]
    assert batch.reward_bound[3, 4, m] == bound


# Batches


def test_batch_axes_broadcast(market):
    made = market.replace(slot_duration=np.array([[1.0], [2.0]]), compute_capacity=np.ones((5, 2)))
    assert made.batch_shape == (2, 5)
    assert made[1, 3] == market.replace(slot_duration=2.0, compute_capacity=np.ones(2))


def test_batch_axes_that_do_not_broadcast_are_refused(market):
    with pytest.raises(ValueError, match="batch axes of the fields do not broadcast"):
        market.replace(slot_duration=np.ones(2), compute_capacity=np.ones((3, 2)))


@pytest.mark.parametrize(
    "index",
    [0, -1, (1, 2), slice(1, 3), (slice(None), 2), ..., [0, 2], np.array([2, 0, 2]), np.eye(4, 5) > 0, np.int64(1)],
    ids=str,
)
def test_indexing_follows_numpy_on_the_batch_axes(batch, index):
    part = batch[index]
    expected = np.zeros((4, 5))[index].shape
    assert part.batch_shape == expected
    np.testing.assert_array_equal(part.slot_duration, batch.slot_duration[index])
    rows = np.arange(20).reshape(4, 5)[index]
    np.testing.assert_array_equal(part.accuracy, batch.accuracy.reshape(20, 3, 2)[rows])


@pytest.mark.parametrize("index", [4, (0, 5), (0, 0, 0), 1.0, "a"])
def test_an_index_outside_the_batch_axes_is_refused(batch, index):
    with pytest.raises(IndexError):
        batch[index]


def test_a_single_market_has_no_axis_to_index(market):
    with pytest.raises(IndexError, match="no batch axis"):
        market[0]


def test_stack_adds_a_leading_axis(batch):
    made = Market.stack([batch[0], batch[2]])
    assert made.batch_shape == (2, 5)
    assert made[1] == batch[2]
    assert Market.stack([made[0, 0]])[0] == batch[0, 0]


def test_stack_refuses_none_and_different_sizes(market, batch):
    other = random_market(np.random.default_rng(3), 2, 2, 1.0)
    for markets in ([], [market, other], [market, batch]):
        with pytest.raises(ValueError, match="one size"):
            Market.stack(markets)


def test_replace_changes_and_validates(market):
    changed = market.replace(slot_duration=7.0)
    assert changed.slot_duration == 7.0
    assert changed != market
    assert changed.replace(slot_duration=market.slot_duration) == market
    with pytest.raises(ValueError, match="slot_duration = -1"):
        market.replace(slot_duration=-1)
    with pytest.raises(ValueError, match="unknown market field 'latency'"):
        market.replace(latency=1)


@pytest.mark.parametrize("name", DIMS)
def test_equality_looks_at_every_field(market, name):
    values = fields(market)
    other = {"qoe_weights": values["qoe_weights"][:, ::-1], "satiation": values["satiation"] + 1e-300}
    values[name] = other.get(name, values[name] * (1 - 1e-15))
    assert Market(**values) != market
    assert Market(**fields(market)) == market


def test_equality_with_other_things(market, batch):
    assert market != 3
    assert market != batch
    assert market != batch[0, 0]
    with pytest.raises(TypeError):
        hash(market)


def test_repr_tells_the_sizes(market, batch):
    assert repr(market) == "Market(num_mus=3, num_asps=2)"
    assert repr(batch) == "Market(num_mus=3, num_asps=2, batch_shape=(4, 5))"
