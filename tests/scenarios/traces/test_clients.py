import numpy as np
import pytest

from aigc_market_env.scenarios.traces.clients import ASKING, PERSISTENCE, WEIGHT, asking_chain, clients, range_of
from aigc_market_env.scenarios.traces.splits import SPLITS
from aigc_market_env.scenarios.traces.tables import LANGUAGE_MODELS, SLOT


def test_poisson_requests_come_by_the_exponential_law_and_without_memory():
    rate = np.array([1e-6, 1e-3, 0.05, 0.3, 1.0])
    asking, persistence = asking_chain(rate, np.ones(5))
    np.testing.assert_allclose(asking, -np.expm1(-rate * SLOT), rtol=1e-9)
    np.testing.assert_allclose(persistence, 0.0, atol=1e-9)


@pytest.mark.parametrize(("rate", "variation"), [(0.1, 3.0), (0.5, 6.0), (0.05, 0.6)])
def test_asking_is_that_of_gamma_gaps(rate, variation):
    """Simulated: a long renewal process, cut into slots."""
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.gamma(variation**-2, variation**2 / rate, 1_000_000))
    slots = np.bincount((times // SLOT).astype(int))[1000:] > 0
    asking, persistence = (float(part[0]) for part in asking_chain(np.array([rate]), np.array([variation])))
    assert asking == pytest.approx(slots.mean(), abs=0.01)
    measured = np.corrcoef(slots[1:], slots[:-1])[0, 1]
    assert persistence == pytest.approx(max(measured, 0.0), abs=0.02)


@pytest.mark.parametrize("variation", [0.01, 0.5, 1.0, 30.0, 1000.0])
def test_extreme_clients_have_probabilities(variation):
    asking, persistence = asking_chain(np.logspace(-9, 6, 50), np.full(50, variation))
    for part in (asking, persistence):
        assert ((part >= 0) & (part <= 1)).all()
    assert (np.diff(asking) >= -1e-9).all()


@pytest.mark.parametrize("split", SPLITS)
def test_clients_of_a_service_are_its_models(split):
    weights = clients(split)[WEIGHT]
    np.testing.assert_allclose(np.diff(weights, prepend=0.0), clients(split)[ASKING])
    assert (clients(split)[PERSISTENCE] <= 1).all()
    ends = [range_of(split, name) for name in LANGUAGE_MODELS]
    assert [low for low, _ in ends] == [0.0, *(high for _, high in ends[:-1])]
    assert range_of(split, "code") == (0.0, weights[-1]) == (0.0, ends[-1][1])
