import numpy as np
import pytest

from agents.actions import LOWEST_SHARE, shares_of


def test_ends_are_exact():
    assert shares_of(np.array([-1.0, 1.0], np.float32)).tolist() == [LOWEST_SHARE, 1.0]


def test_shares_rise_strictly_and_stay_in_range():
    shares = shares_of(np.linspace(-1, 1, 10_001))
    assert (np.diff(shares) > 0).all()
    assert shares.min() >= LOWEST_SHARE
    assert shares.max() <= 1.0


def test_equal_steps_change_shares_by_equal_factors():
    shares = shares_of(np.linspace(-1, 1, 9))
    assert np.allclose(shares[1:] / shares[:-1], shares[1] / shares[0], rtol=1e-12)


def test_outputs_beyond_the_ends_are_clipped():
    far = np.array([-np.inf, -1e30, -1.0000001, 1.0000001, 7.0, np.inf], np.float32)
    assert shares_of(far).tolist() == [LOWEST_SHARE] * 3 + [1.0] * 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shares_are_float64_of_the_same_shape_and_the_input_is_left_alone(dtype):
    actions = np.array([[-3.0, 0.5], [0.0, 2.0]], dtype)
    before = actions.copy()
    shares = shares_of(actions)
    assert shares.dtype == np.float64
    assert shares.shape == actions.shape
    assert (actions == before).all()


def test_nan_is_not_turned_into_a_share():
    assert np.isnan(shares_of(np.array([np.nan]))).all()
