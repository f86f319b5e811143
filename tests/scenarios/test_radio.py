import numpy as np
import pytest

from aigc_market_env.scenarios import radio

DISTANCES = np.linspace(1.0, 400.0, 2000)


@pytest.mark.parametrize("clear", [True, False])
def test_path_loss_grows_with_distance(clear):
    loss = radio.path_loss(DISTANCES, np.full(2000, clear))
    assert (np.diff(loss) > 0).all()
    assert (loss > 0).all()


def test_a_blocked_path_loses_more():
    blocked, clear = (radio.path_loss(DISTANCES, np.full(2000, sight)) for sight in (False, True))
    assert (blocked >= clear).all()
    assert (blocked - clear)[-1] > 15


def test_path_loss_at_a_hundred_metres_is_that_of_the_report():
    """TR 38.901, table 7.4.1-1, UMi street canyon, worked out by hand: d = √(100² + 8.5²) m, 4 GHz."""
    assert radio.path_loss(np.array(100.0), np.array(True)) == pytest.approx(32.4 + 42.033 + 12.041, abs=0.01)
    assert radio.path_loss(np.array(100.0), np.array(False)) == pytest.approx(70.655 + 22.4 + 12.824, abs=0.01)


def test_the_probability_of_sight_falls_from_one():
    probability = radio.line_of_sight_probability(DISTANCES)
    assert (probability[DISTANCES <= 18] == 1).all()
    assert (np.diff(probability) <= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()
    assert radio.line_of_sight_probability(np.array(18.0001)) == pytest.approx(1, abs=1e-4)  # no jump
    assert radio.line_of_sight_probability(np.array(100.0)) == pytest.approx(0.18 + np.exp(-100 / 36) * 0.82)


@pytest.mark.parametrize("clear", [True, False])
def test_efficiency_falls_with_distance_within_its_range(clear):
    efficiency = radio.spectral_efficiency(DISTANCES, np.full(2000, clear))
    assert (np.diff(efficiency) <= 0).all()
    assert efficiency.max() <= radio.HIGHEST_EFFICIENCY
    assert efficiency.min() >= radio.LOWEST_EFFICIENCY
    assert radio.spectral_efficiency(np.array([1e7]), np.array([clear])) == radio.LOWEST_EFFICIENCY
