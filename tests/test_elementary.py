import math

import numpy as np
import pytest

from aigc_market_env._elementary import exp, log


@pytest.mark.parametrize("x", [0.0, -0.0, 1e-300, 1.0, -1.0, 0.5 * math.log(2), -0.5 * math.log(2), 699.0, -699.0])
def test_exponential_at_its_ends_and_seams(x):
    assert exp(x) == pytest.approx(math.exp(x), rel=1e-15)


@pytest.mark.parametrize("x", [1.0, 2.0, 0.5, 1 + 1e-15, 1 - 1e-15, math.sqrt(0.5), math.sqrt(2.0), 1e-300, 1e300])
def test_logarithm_at_its_ends_and_seams(x):
    assert log(x) == pytest.approx(math.log(x), rel=1e-15)


def test_both_are_accurate_to_a_few_units_in_the_last_place():
    x = np.random.default_rng(0).uniform(-690, 690, 20000)
    mine, theirs = np.array([exp(value) for value in x]), np.exp(x)
    assert np.abs(mine / theirs - 1).max() < 1e-15
    for sample in (theirs, 1 + x / 7000):
        mine = np.array([log(value) for value in sample])
        np.testing.assert_allclose(mine, np.log(sample), rtol=1e-15)
