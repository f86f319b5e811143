from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_market_env.model import qoe


def exact_value(x, c):
    """Q(x) as an exact fraction."""
    return sum(Fraction(v) * x / (x + Fraction(k)) for v, k in zip(c[:3], c[3:], strict=True))


def exact_difference(function, x, step=Fraction(1, 10**40)):
    return (function(x + step) - function(x - step)) / (2 * step)


@st.composite
def coefficients(draw):
    """Full credits and half-credit throughputs over many decades; one or two terms may vanish."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    v = rng.dirichlet([0.5] * 3) * draw(st.sampled_from([(1, 1, 1), (1, 0, 1), (0, 0, 1), (1, 0, 0)]))
    k = 10 ** rng.uniform(-4, 4, 3) * 10 ** rng.uniform(-3, 3)
    return (*np.maximum(v, 1e-3 * (v > 0)).tolist(), *k.tolist())


throughputs = st.floats(-8, 8).map(lambda power: 10**power)


@given(coefficients(), throughputs)
def test_value_slope_and_curvature_are_exact(c, x):
    def value(z):
        return exact_value(z, c)

    def slope(z):
        return exact_difference(value, z)

    at = Fraction(x)
    assert qoe.value(x, c) == pytest.approx(float(value(at)), rel=1e-14)
    assert qoe.slope(x, c) == pytest.approx(float(slope(at)), rel=1e-14)
    assert qoe.slope_and_curvature(x, c) == pytest.approx(
        (float(slope(at)), float(exact_difference(slope, at, Fraction(1, 10**20)))), rel=1e-14
    )


@given(coefficients(), throughputs)
def test_terms_sum_to_the_value(c, x):
    assert sum(qoe.terms(x, c)) == pytest.approx(qoe.value(x, c), rel=1e-15)


@given(coefficients(), throughputs, throughputs)
def test_inverse_slope_inverts_slope_from_any_start(c, x, start):
    target = qoe.slope(x, c)
    for guess in (0.0, x, start):
        found = qoe.inverse_slope(target, c, guess)
        assert qoe.slope(found, c) == pytest.approx(target, rel=1e-12)
        # Where the slope is flat, near x = 0, rounding of the target alone moves x by this much.
        _, curvature = qoe.slope_and_curvature(x, c)
        assert abs(found - x) <= 1e-12 * x + 1e-14 * target / -curvature


@given(coefficients())
def test_inverse_slope_is_zero_at_and_above_the_entry_slope(c):
    entry = qoe.slope(0.0, c)
    assert qoe.inverse_slope(entry, c, 0.0) == 0.0
    assert qoe.inverse_slope(2 * entry, c, 1.0) == 0.0
    assert qoe.inverse_slope(entry * (1 - 1e-6), c, 0.0) > 0.0


@given(coefficients())
def test_limits_at_zero_and_infinity(c):
    assert qoe.value(0.0, c) == 0.0
    assert qoe.terms(0.0, c) == (0.0, 0.0, 0.0)
    assert qoe.slope(0.0, c) == pytest.approx(sum(v / k for v, k in zip(c[:3], c[3:], strict=True)), rel=1e-14)
    assert qoe.value(1e25, c) == pytest.approx(sum(c[:3]), rel=1e-14)
    assert qoe.slope(1e25, c) < 1e-30


@given(st.integers(0, 2**32 - 1), throughputs)
def test_terms_are_the_scores_of_the_model(seed, x):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet([1, 1, 1])
    a, slot = rng.uniform(0.1, 1), rng.uniform(0.1, 10)
    reasoning, desired, patience, latency = (
        rng.uniform(1, 1000),
        rng.uniform(1, 1000),
        rng.uniform(0.1, 9),
        rng.uniform(),
    )
    tokens, response_time = x * slot, latency + desired / x
    expected = (
        w[0] * a * tokens / (tokens + reasoning),
        w[1] * tokens / (tokens + desired),
        w[2] * patience / (patience + response_time),
    )
    c = qoe.coefficients(*w, a, reasoning, desired, patience, latency, slot)
    assert qoe.terms(x, c) == pytest.approx(expected, rel=1e-14)


def test_half_the_credit_is_reached_at_k():
    c = qoe.coefficients(0.2, 0.3, 0.5, 0.8, 100.0, 400.0, 3.0, 1.0, 2.0)
    assert c == pytest.approx((0.16, 0.3, 0.375, 50.0, 200.0, 100.0), rel=1e-15)
    for j in range(3):
        assert qoe.terms(c[3 + j], c)[j] == pytest.approx(c[j] / 2, rel=1e-15)
