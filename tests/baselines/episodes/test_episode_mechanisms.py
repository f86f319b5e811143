"""Mechanisms for episodes keep to the rule of money, do not look ahead, and do what their docstrings say."""

import numpy as np
import pytest
from paths import free_spending, random_path, wallet_of

from aigc_market_env import (
    Market,
    Scenario,
    Wallet,
    episode_path,
    episode_regret,
    solve_equilibrium,
    solve_wallet_equilibrium,
)
from baselines.episodes import EPISODE_MECHANISMS, AdaptivePacing

NUM_SLOTS = 10


@pytest.fixture(scope="module")
def path():
    return random_path("campus", NUM_SLOTS, 0)


def run(name, path, wallet):
    return EPISODE_MECHANISMS[name].run(path, wallet, np.random.default_rng(0))


@pytest.mark.parametrize("name", EPISODE_MECHANISMS)
@pytest.mark.parametrize(("money", "income", "cap"), [(4, 0.0, np.inf), (1, 0.5, 1.5), (0, 0.0, 1.0), (99, 1.0, 99)])
def test_money_is_never_below_zero_and_what_is_played_can_be_paid(path, name, money, income, cap):
    played = run(name, path, wallet_of(path, money, income, cap))
    assert played.rewards.shape == (NUM_SLOTS, 8, 4)
    assert (played.money >= 0).all()
    assert (played.outcome.service_cost <= played.money[:-1] * (1 + 1e-12)).all()
    assert not played.rewards[played.money[:-1] == 0].any()


@pytest.mark.parametrize("name", sorted(set(EPISODE_MECHANISMS) - {"episode_oracle"}))
def test_later_slots_do_not_matter_to_who_does_not_know_them(path, name):
    other = Market.stack([path[t] if t < 6 else random_path("campus", NUM_SLOTS, 9)[t] for t in range(NUM_SLOTS)])
    wallet = wallet_of(path, 2.0, 0.4, 3.0)
    np.testing.assert_array_equal(run(name, path, wallet).rewards[:6], run(name, other, wallet).rewards[:6])


def test_until_gone_plays_the_slots(path):
    played = run("until_gone", path, Wallet(1e9))
    np.testing.assert_allclose(played.rewards, solve_equilibrium(path, certify=False).rewards, rtol=1e-12)


def test_even_spending_is_even_where_everything_is_wanted(path):
    budget = 0.2 * NUM_SLOTS * free_spending(path)
    spent = run("even_spending", path, Wallet(budget)).outcome.service_cost
    free = solve_equilibrium(path, certify=False).outcome.service_cost
    wanted = (free > 0.3 * free.mean(axis=0)).all(axis=0)
    assert wanted.any()
    np.testing.assert_allclose(
        spent[:, wanted], np.broadcast_to(budget[wanted] / NUM_SLOTS, (NUM_SLOTS, wanted.sum())), rtol=1e-6
    )


def test_even_spending_wastes_nothing_that_it_could_spend(path):
    free = free_spending(path)
    played = run("even_spending", path, Wallet(0.3 * free, 0.2 * free, 0.3 * free))
    assert (played.money[1:-1] + 1e-9 >= np.minimum(0.2 * free, 0.3 * free)).all()
    assert (played.money[1:-1] <= 0.3 * free + 1e-12).all()


def test_myopic_rewards_are_best_in_each_slot_for_who_has_that_much_money(path):
    wallet = wallet_of(path, 1.0, 0.3, 2.0)
    played = run("myopic", path, wallet)
    assert (played.time_share > 1 - 1e-6).all()  # nobody posts more than it can pay
    for t in range(3):
        slot, budget = Market.stack([path[t]]), Wallet(played.money[t])
        found = episode_regret(slot, played.rewards[t : t + 1], budget)
        assert found.regret_bound.max() < 1e-4 * played.outcome.mu_utility[t].mean()


def test_myopic_play_saves_nothing_that_it_wants(path):
    free = free_spending(path)
    played = run("myopic", path, Wallet(0.3 * free, 0.3 * free))
    wanted = (solve_equilibrium(path, certify=False).outcome.service_cost > 0.4 * free).all(axis=0)
    assert wanted.any()
    np.testing.assert_allclose(played.money[1:, wanted], np.tile(0.3 * free[wanted], (NUM_SLOTS, 1)), rtol=1e-5)


def test_prices_follow_what_slots_cost(path):
    """The first two slots, by the formula."""
    wallet = Wallet(0.3 * NUM_SLOTS * free_spending(path))
    played = AdaptivePacing(step=1.0).run(path, wallet, np.random.default_rng(0))
    first = solve_equilibrium(path[0], certify=False)
    np.testing.assert_allclose(played.rewards[0], first.rewards, rtol=1e-12)
    target = wallet.amounts[0] / NUM_SLOTS
    price = np.maximum((first.outcome.service_cost / target - 1) / np.sqrt(NUM_SLOTS), 0.0)
    paced = path[1].replace(satisfaction_scale=path.satisfaction_scale[1] / (1 + price))
    np.testing.assert_allclose(played.rewards[1], solve_equilibrium(paced, certify=False).rewards, rtol=1e-9)
    assert price.max() > 0.1


def test_prices_rise_for_who_cannot_pay_what_it_wants(path):
    """One that saves nothing pays what comes in, and would pay that for ever if its price followed what it paid."""
    free = free_spending(path)
    played = AdaptivePacing().run(path, Wallet(0.1 * free, 0.1 * free), np.random.default_rng(0))
    assert (played.money.max(axis=0) > 0.15 * free).any()
    assert (played.time_share > 1 - 1e-6).all()


def test_a_step_must_be_positive():
    with pytest.raises(ValueError, match="step"):
        AdaptivePacing(step=0.0)


def test_only_the_oracle_regrets_nothing(path):
    wallet = wallet_of(path, 4.0, 0.0)
    regrets = {name: episode_regret(path, run(name, path, wallet).rewards, wallet) for name in EPISODE_MECHANISMS}
    worst = {name: regret.regret_bound.mean() for name, regret in regrets.items()}
    assert worst["episode_oracle"] < 1e-6 * min(worst[name] for name in set(worst) - {"episode_oracle"})
    assert (regrets["until_gone"].regret > 0).all()


def test_planning_pays_in_the_preset_for_it():
    """Far more than the little that a fixed price of money is from the equilibrium."""
    path, wallet = episode_path(Scenario.preset("prepaid").fix(0), 0, 32)
    oracle = solve_wallet_equilibrium(path, wallet)
    earned = {name: float(run(name, path, wallet).outcome.mu_utility.sum()) for name in ("myopic", "adaptive_pacing")}
    best = float(oracle.outcome.mu_utility.sum())
    assert oracle.converged
    assert earned["myopic"] < 0.93 * best
    assert earned["myopic"] + 0.03 * best < earned["adaptive_pacing"] < best
