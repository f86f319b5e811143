"""Values of a market's fields: which are refused, by field, index and constraint, and which are taken."""

import numpy as np
import pytest
from markets import DIMS, fields

from aigc_market_env import Market, Scenario, nash_conv, solve_equilibrium

POSITIVE = sorted(set(DIMS) - {"qoe_weights", "base_latency", "satiation"})


def index_of_last(name):
    return tuple({"M": 2, "N": 1, "3": 2}[dim] for dim in DIMS[name])


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
