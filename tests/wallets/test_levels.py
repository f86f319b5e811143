"""The taut string against the optimality conditions of the concave problem that it solves, and a generic solver."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from aigc_market_env.wallets.levels import affordable_levels


@st.composite
def problems(draw, max_slots=9):
    """Rates, entries and a wallet with the ugly ends: slots that cost nothing, no income, a cap below it, no cap."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_slots = draw(st.integers(1, max_slots))
    rate = rng.exponential(size=num_slots) * (rng.random(num_slots) > draw(st.sampled_from([0.0, 0.3])))
    entry = rng.uniform(0, 1.2, num_slots) * draw(st.sampled_from([0.0, 1e-6, 0.5, 1.0]))
    income = draw(st.sampled_from([0.0, 1e-9, 0.2, 0.5, 3.0]))
    cap = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0, 5.0, np.inf]))
    money = draw(st.sampled_from([0.0, 1e-9, 0.3, 1.0, 10.0]))
    if draw(st.booleans()):  # wallets that are just full by themselves, while others' prices keep the MU out
        income, money = draw(st.sampled_from([(0.1, 0.2), (0.15, 0.3), (0.2, 0.1)]))
        rate, entry, cap = 3 * rate, rng.uniform(0, 1, num_slots), 2 * income
    return rate, entry, money, income, cap


def solve(rate, entry, money, income, cap):
    return affordable_levels(rate[None], entry[None], *np.array([[money], [income], [cap]]))[0]


def spent_at(rate, entry, levels):
    return rate * np.maximum(levels - entry, 0.0)


def left_after(spent, money, income, cap):
    left, held = np.empty_like(spent), min(money, cap)
    for t, amount in enumerate(spent):
        left[t] = held - amount
        held = min(left[t] + income, cap)
    return left


@given(problems())
def test_money_lasts_and_is_worth_the_same_wherever_it_can_be_moved(problem):
    rate, entry, money, income, cap = problem
    levels = solve(*problem)
    left = left_after(spent_at(rate, entry, levels), money, income, cap)
    tolerance = 1e-12 * (1 + money + income * len(rate))
    assert (levels <= 1.0).all()
    assert (left >= -tolerance).all()
    with np.errstate(divide="ignore"):
        price = np.minimum(1.0 / levels - 1.0, 1e9)
    now, later = price[:-1], price[1:]
    holds, fits = left[:-1] > 1e-9, left[:-1] + income < cap - 1e-9
    assert (now <= later + 1e-9 * (1 + later))[holds].all()  # money that is kept is not worth more now
    assert (now >= later - 1e-9 * (1 + later))[
        fits
    ].all()  # and more of it could have been kept, was it worth more then
    assert (price[-1] <= 1e-9) | (left[-1] <= 1e-9)
    wasted = left[:-1] + income > cap + 1e-9
    assert (now <= 1e-9)[wasted & (left[:-1] > 1e-9)].all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("cap", [0.4, 1.2, np.inf])
def test_a_generic_solver_finds_no_better_spending(seed, cap):
    rng = np.random.default_rng(seed)
    rate, entry = rng.exponential(size=5), rng.uniform(0, 0.4, 5)
    money, income = 0.5, 0.25
    spent = spent_at(rate, entry, solve(rate, entry, money, income, cap))

    def loss(spending):
        return -(rate * np.log(rate * entry + spending) - spending).sum()

    def kept(choice):  # spending, and what is thrown away after each slot, so that the wallet is linear
        spending, thrown = choice[:5], choice[5:]
        left = min(money, cap) + income * np.arange(5) - np.cumsum(spending) - np.r_[0, np.cumsum(thrown)[:-1]]
        return np.concatenate([left, (cap - (left - thrown + income))[:-1]]) if np.isfinite(cap) else left

    start = np.r_[np.full(5, 0.05), np.full(5, 0.1 if np.isfinite(cap) else 0.0)]
    found = minimize(
        lambda choice: loss(choice[:5]),
        start,
        method="SLSQP",
        bounds=[(0.0, None)] * 10,
        constraints={"type": "ineq", "fun": kept},
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert found.success
    assert loss(spent) <= found.fun + 1e-9
    np.testing.assert_allclose(spent, found.x[:5], atol=2e-5)


def test_slots_that_cost_nothing_take_the_level_of_their_neighbours():
    levels = solve(np.array([1.0, 0.0, 1.0]), np.zeros(3), 1.0, 0.0, np.inf)
    np.testing.assert_allclose(levels, 0.5)
    assert (solve(np.zeros(3), np.zeros(3), 0.0, 0.0, np.inf) == 1.0).all()


def test_a_wallet_without_room_decouples_the_slots():
    levels = solve(np.array([1.0, 2.0, 0.5]), np.zeros(3), 9.0, 9.0, 0.8)
    np.testing.assert_allclose(levels, [0.8, 0.4, 1.0])


def test_without_money_levels_stay_at_the_door():
    levels = solve(np.array([1.0, 2.0]), np.array([0.3, 0.2]), 0.0, 0.0, np.inf)
    np.testing.assert_allclose(levels, 0.2)


def test_batches_are_singles_to_the_bit(four_threads):
    rng = np.random.default_rng(0)
    rate, entry = rng.exponential(size=(64, 7)), rng.uniform(0, 0.5, (64, 7))
    money, income, cap = rng.uniform(0, 2, (3, 64))
    together = affordable_levels(rate, entry, money, income, cap)
    for i in range(64):
        one = slice(i, i + 1)
        assert (affordable_levels(rate[one], entry[one], money[one], income[one], cap[one])[0] == together[i]).all()
