"""Equilibria of finite games of two players: textbook games, and regrets in random ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_market_env.equilibrium.bimatrix import bimatrix_equilibrium


def test_matching_pennies_is_played_evenly():
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    x, y = bimatrix_equilibrium(pennies, -pennies)
    assert x == pytest.approx([0.5, 0.5])
    assert y == pytest.approx([0.5, 0.5])


def test_prisoners_confess():
    payoffs = np.array([[-1.0, -3.0], [0.0, -2.0]])
    x, y = bimatrix_equilibrium(payoffs, payoffs.T)
    assert x.tolist() == [0.0, 1.0]
    assert y.tolist() == [0.0, 1.0]


def test_rock_paper_scissors_has_three_on_either_side():
    game = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    x, y = bimatrix_equilibrium(game, -game)
    assert x == pytest.approx(np.full(3, 1 / 3))
    assert y == pytest.approx(np.full(3, 1 / 3))


def test_a_player_with_one_strategy_plays_it():
    x, y = bimatrix_equilibrium(np.array([[0.0, 0.0]]), np.array([[1.0, 2.0]]))
    assert x.tolist() == [1.0]
    assert y.tolist() == [0.0, 1.0]


def test_strategies_that_are_the_same_do_no_harm():
    pennies = np.array([[1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, 1.0]])
    x, y = bimatrix_equilibrium(pennies, -pennies)
    assert x[:2].sum() == pytest.approx(0.5)
    assert y == pytest.approx([0.5, 0.5])


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.sampled_from([1e-9, 1.0, 1e9]))
def test_nobody_regrets_in_random_games(seed, rows, columns, unit):
    rng = np.random.default_rng(seed)
    first, second = unit * rng.normal(size=(2, rows, columns))
    x, y = bimatrix_equilibrium(first, second)
    assert x.sum() == pytest.approx(1.0)
    assert y.sum() == pytest.approx(1.0)
    assert min(x.min(), y.min()) >= 0.0
    assert (first @ y).max() <= x @ first @ y + 1e-9 * unit
    assert (x @ second).max() <= x @ second @ y + 1e-9 * unit
