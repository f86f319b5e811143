"""Steps of probabilities: they stay probabilities, and lead to where rows are equally good."""

import numpy as np
import pytest

from aigc_market_env.equilibrium.probability_steps import OptimisticSteps, SignSteps, softmax


def test_softmax_does_not_overflow():
    assert softmax(np.array([1e6, 1e6 - np.log(3.0)])) == pytest.approx([0.75, 0.25])


def test_sign_steps_find_where_two_rows_are_equally_good():
    # What the rows are worth depends on how often they are posted: others adapt.
    steps, p = SignSteps(np.array([0.5, 0.5])), np.array([0.5, 0.5])
    for _ in range(100):
        p = steps.moved(np.array([0.2 - p[0], 0.0]) * 1e-7)
    assert p == pytest.approx([0.2, 0.8], abs=1e-6)


def test_a_row_that_is_never_worth_it_fades_but_stays_positive():
    steps = SignSteps(np.array([0.5, 0.5]))
    for _ in range(100):
        p = steps.moved(np.array([1.0, 0.0]))
    assert 0.0 < p[1] < 1e-5
    assert p.sum() == pytest.approx(1.0)


def test_optimistic_steps_of_two_players_do_not_go_round():
    game = np.array([[3.0, -1.0], [-1.0, 1.0]])  # zero sum; both post their first row in a third of all cases
    x, y = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    one, other = OptimisticSteps(x), OptimisticSteps(y)
    for _ in range(600):
        x, y = one.moved(game @ y), other.moved(-game.T @ x)
    assert x == pytest.approx([1 / 3, 2 / 3], abs=1e-3)
    assert y == pytest.approx([1 / 3, 2 / 3], abs=1e-3)


def test_rows_that_are_all_the_same_are_left_as_they_are():
    p = OptimisticSteps(np.array([0.3, 0.7])).moved(np.zeros(2))
    assert p == pytest.approx([0.3, 0.7])
