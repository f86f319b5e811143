"""Steps of levels: both kinds settle, acceleration also where levels run after each other, within their limits."""

import numpy as np
import pytest

from aigc_market_env.wallets.level_steps import AcceleratedSteps, DampedSteps


def rounds_to_settle(steps, coupling, most=100):
    """How many rounds until log levels with targets b + C x stay."""
    levels, wanted = np.ones((1, 2)), np.log([[0.3, 0.5]])
    for count in range(most):
        at = np.log(levels)
        target = np.exp(wanted + (at - wanted) @ np.array(coupling).T)
        error = float(abs(np.log(target) - at).max())
        if error < 1e-10:
            return count
        levels = steps.moved(levels, target, error)
    return most


@pytest.mark.parametrize("make", [DampedSteps, lambda: AcceleratedSteps(np.ones(2))])
def test_steps_settle_where_levels_hardly_depend_on_one_another(make):
    assert rounds_to_settle(make(), [[0.0, 0.1], [-0.1, 0.0]]) < 30


def test_acceleration_settles_where_each_level_runs_after_the_other():
    coupling = [[0.0, 0.9], [1.05, 0.0]]
    assert rounds_to_settle(DampedSteps(), coupling) == 100
    assert rounds_to_settle(AcceleratedSteps(np.ones(2)), coupling) < 30


def test_accelerated_steps_stay_within_limits():
    steps, highest = AcceleratedSteps(np.array([1.0, 1e-12])), np.array([[1.0, 1e-12]])
    levels, rng = np.minimum(np.full((3, 2), 0.5), highest), np.random.default_rng(0)
    for _ in range(20):
        target = np.minimum(np.exp(rng.normal(-1.0, 2.0, levels.shape)), highest)
        levels = steps.moved(levels, target, float(rng.random()))
        assert (levels > 0.0).all()
        assert (levels <= highest).all()
