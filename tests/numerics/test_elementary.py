import math

import numpy as np
import pytest

from aigc_market_env._numerics.elementary import cos_sin, exp, log, log1p


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


@pytest.mark.parametrize("x", [0.0, 1e-300, 1e-17, 1e-16, 1e-9, 0.4142135623730951, 1.0, 1e10, 1e300])
def test_logarithm_of_one_more_keeps_what_rounding_would_lose(x):
    assert log1p(x) == pytest.approx(math.log1p(x), rel=4e-16)


def test_logarithm_of_one_more_is_accurate_to_a_few_units_in_the_last_place():
    x = 10.0 ** np.random.default_rng(0).uniform(-20, 5, 20000)
    np.testing.assert_allclose([log1p(value) for value in x], np.log1p(x), rtol=1e-15)


def test_cosine_and_sine_at_quarters_and_seams():
    for eighth in range(9):
        for turns in (eighth / 8, np.nextafter(eighth / 8, 0), min(np.nextafter(eighth / 8, 1), 1.0)):
            cosine, sine = cos_sin(turns)
            assert cosine == pytest.approx(math.cos(2 * math.pi * turns), abs=5e-16)
            assert sine == pytest.approx(math.sin(2 * math.pi * turns), abs=5e-16)


def test_cosine_and_sine_are_accurate_to_a_few_units_in_the_last_place():
    turns = np.random.default_rng(0).random(20000)
    mine = np.array([cos_sin(value) for value in turns])
    exact = np.longdouble(turns) * (2 * np.longdouble("3.14159265358979323846264338327950288"))
    np.testing.assert_allclose(mine[:, 0], np.cos(exact).astype(float), rtol=0, atol=2e-16)
    np.testing.assert_allclose(mine[:, 1], np.sin(exact).astype(float), rtol=0, atol=2e-16)
