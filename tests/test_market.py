"""Markets: arrays, batch axes, copies and equality."""

import copy
import pickle

import numpy as np
import pytest
from markets import DIMS, fields, random_market

from aigc_market_env import Market
from aigc_market_env.model.parameters import FIELDS

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
