import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.intervals import difference, mean, reduction


def test_a_mean_and_its_interval_worked_out_by_hand():
    """Two markets: resamples are 0, 0.5 and 1 with probabilities 1/4, 1/2, 1/4, so 95 % of them span all."""
    found = mean(np.array([0.0, 1.0]))
    assert (found.value, found.low, found.high, found.markets) == (0.5, 0.0, 1.0, 2)


def test_the_interval_is_near_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = mean(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_a_reduction_is_that_of_the_means():
    found = reduction(np.array([1.0, 2.0]), np.array([2.0, 8.0]))
    assert found.value == pytest.approx(1.0 - 3.0 / 10.0)


def test_markets_are_resampled_in_pairs():
    """Markets differ a hundredfold, and ours is half of theirs in each: paired, the reduction has no spread at all."""
    theirs = np.geomspace(1.0, 100.0, 30)
    found = reduction(theirs / 2, theirs)
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.5))
    gain = difference(theirs + 1.0, theirs)
    assert (gain.value, gain.low, gain.high) == pytest.approx((1.0, 1.0, 1.0))


def test_markets_that_only_one_has_do_not_count():
    nan = np.nan
    found = reduction(np.array([1.0, nan, 3.0, 1.0]), np.array([2.0, 4.0, nan, 2.0]))
    assert (found.value, found.markets) == (0.5, 2)


def test_nothing_to_reduce_is_no_figure():
    found = reduction(np.array([1.0, 2.0]), np.zeros(2))
    assert np.isnan(found.value)
    assert (found.low, found.high) == (None, None)
    assert found.as_json() == {"value": None, "interval_95": None, "markets": 2}


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_no_markets_give_no_figure(values):
    assert mean(np.array(values)).as_json() == {"value": None, "interval_95": None, "markets": 0}


def test_one_market_gives_no_interval():
    assert mean(np.array([2.0])).as_json() == {"value": 2.0, "interval_95": None, "markets": 1}


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_the_interval_contains_the_estimate(values):
    found = mean(np.array(values))
    assert found.low <= found.value <= found.high
