import numpy as np
import pytest

from aigc_market_env.scenarios.draws import Draws

EDGES = (2.0**-54, 2.0**-53, 0.25, 0.5, 1 - 2.0**-53)


@pytest.fixture
def uniforms():
    return np.random.default_rng(0).uniform(2.0**-53, 1.0, (3, 40000))


def test_draws_consume_from_left_to_right(uniforms):
    draws = Draws(uniforms)
    np.testing.assert_array_equal(draws.uniform(0, 1, 2, 3), uniforms[:, :6].reshape(3, 2, 3))
    assert draws.uniform(0, 1).shape == (3,)
    assert draws.used == 7
    draws.simplex(3, 4)
    assert draws.used == 19
    np.testing.assert_array_equal(draws.uniform(2, 4, 1), 2 + 2 * uniforms[:, 19:20])


def test_uniform_and_log_uniform_have_their_means(uniforms):
    draws = Draws(uniforms)
    assert draws.uniform(-1, 3, 10000).mean() == pytest.approx(1, abs=0.03)
    drawn = draws.log_uniform(0.1, 10.0, 10000)
    assert np.log(drawn).mean() == pytest.approx(0, abs=0.03)
    assert drawn.min() >= 0.1 * (1 - 1e-12)
    assert drawn.max() <= 10 * (1 + 1e-12)


def test_log_normal_is_cut(uniforms):
    logs = np.log(Draws(uniforms).log_normal(5.0, 0.5, 40000, cut=1.5))
    assert logs.mean() == pytest.approx(5.0, abs=0.01)
    assert (logs.min(), logs.max()) == pytest.approx((4.25, 5.75))
    assert np.isfinite(Draws(np.array(EDGES)).log_normal(0.0, 1.0, len(EDGES))).all()


def test_index_is_uniform_and_never_out_of_range(uniforms):
    index = Draws(uniforms).index(4, 10000)
    assert index.dtype == np.int64
    assert np.abs(np.bincount(index.ravel()) / 30000 - 0.25).max() < 0.01
    assert Draws(np.array([1.0, *EDGES])).index(7, 6).max() == 6


@pytest.mark.parametrize("floor", [0.0, 0.1, 1 / 3])
def test_simplex_weights_sum_to_one_above_the_floor(uniforms, floor):
    weights = Draws(uniforms).simplex(3, 10000, floor=floor)
    assert weights.shape == (3, 10000, 3)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-14)
    assert weights.min() >= floor * (1 - 1e-15)
    np.testing.assert_allclose(weights.mean(axis=(0, 1)), 1 / 3, atol=0.01)
    if floor == 0.0:  # uniform on the triangle: the variance of Dirichlet(1, 1, 1)
        np.testing.assert_allclose(weights.var(axis=(0, 1)), 1 / 18, atol=2e-3)


def test_draws_from_quantiles_have_them(uniforms):
    quantiles = np.array([1.0, 3.0, 3.0, 10.0, 100.0])
    drawn = Draws(uniforms[0]).from_quantiles(quantiles, 40000)
    np.testing.assert_allclose(np.quantile(drawn, [0.25, 0.5, 0.75]), [3.0, 3.0, 10.0], rtol=0.02)
    assert 1.0 <= drawn.min() <= drawn.max() <= 100.0
