import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from aigc_market_env.evaluation.intervals import interquartile_ratio, ratio_of_means
from experiments.intervals import crossed_interval, difference, mean, reduction


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


def test_the_ratio_of_means_is_of_all_runs_and_slots():
    above, below = np.array([[1.0, 3.0], [5.0, 7.0]]), np.array([[1.0, 1.0], [3.0, 3.0]])
    assert ratio_of_means(above, below) == 2.0
    assert ratio_of_means(above, 0 * below) == np.inf  # something is missed where there is nothing
    assert ratio_of_means(0 * above, 0 * below) == 0.0


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    above = np.array([[1000.0, 1.0, 2.0, 0.0], [3.0, -50.0, 4.0, 60.0]])
    assert interquartile_ratio(above, np.full((2, 4), 2.0)) == np.mean([1.0, 2.0, 3.0, 4.0]) / 2.0
    assert interquartile_ratio(above[:, :2], np.zeros((2, 2))) == np.inf  # something is missed where there is nothing
    assert interquartile_ratio(np.zeros((2, 2)), np.zeros((2, 2))) == 0.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 9))
def test_the_interquartile_ratio_is_between_the_quartiles_of_slots(seed, runs, slots):
    below = np.random.default_rng(seed).lognormal(0.0, 2.0, (runs, slots))
    assert interquartile_ratio(below, below) == 1.0
    ratios = np.random.default_rng(seed + 1).normal(size=(runs, slots))
    cut = ratios.size // 4
    middle = np.sort(ratios, axis=None)[cut : ratios.size - cut]
    found = interquartile_ratio(ratios * below, below)
    assert middle[0] - 1e-12 <= found <= middle[-1] + 1e-12


@pytest.mark.parametrize("statistic", [ratio_of_means, interquartile_ratio])
def test_the_interval_over_runs_and_slots_is_repeatable_and_around_the_figure(statistic):
    above = np.random.default_rng(0).random((3, 40))
    below = np.ones((3, 40))
    low, high = crossed_interval(above, below, statistic)
    assert (low, high) == crossed_interval(above, below, statistic)
    assert low < statistic(above, below) < high
    narrow = crossed_interval(above, below, statistic, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_runs_that_differ_widen_the_interval_though_each_is_the_same_in_all_slots():
    runs = np.array([1.0, 2.0, 3.0, 4.0])[:, None] * np.ones((4, 50))
    low, high = crossed_interval(runs, np.ones_like(runs), ratio_of_means)
    deviation = np.sqrt(1.25 / 4)  # of the mean of four draws from the runs
    half = norm.ppf(0.975) * deviation
    assert np.allclose([low, high], [2.5 - half, 2.5 + half], atol=0.15)


def test_slots_are_resampled_for_all_runs_at_once():
    slots = np.random.default_rng(1).normal(size=50)
    offsets = np.linspace(-1e-9, 1e-9, 8)[:, None]
    low, high = crossed_interval(5.0 + slots + offsets, np.ones((8, 50)), ratio_of_means)
    half = norm.ppf(0.975) * slots.std() / np.sqrt(50)  # eight times the slots would make it narrower by sqrt(8)
    assert np.isclose(high - low, 2 * half, rtol=0.15)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_one_run_or_one_slot_has_no_such_interval(shape):
    assert crossed_interval(np.ones(shape), np.ones(shape), ratio_of_means) is None


def test_what_is_the_same_everywhere_has_an_interval_of_one_point():
    assert crossed_interval(np.full((2, 3), 0.5), np.ones((2, 3)), ratio_of_means) == (0.5, 0.5)
