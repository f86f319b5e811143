"""Mechanisms for episodes keep to the rule of money, do not look ahead, and do what their docstrings say."""

import numpy as np
import pytest
from paths import free_spending, random_path, wallet_of

from aigc_market_env import Market, Wallet, episode_regret, solve_equilibrium
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


def test_prices_follow_what_is_spent(path):
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


def test_a_step_must_be_positive():
    with pytest.raises(ValueError, match="step"):
        AdaptivePacing(step=0.0)


def test_only_the_oracle_regrets_nothing(path):
    wallet = wallet_of(path, 4.0, 0.0)
    regrets = {name: episode_regret(path, run(name, path, wallet).rewards, wallet) for name in EPISODE_MECHANISMS}
    worst = {name: regret.regret_bound.mean() for name, regret in regrets.items()}
    assert worst["episode_oracle"] < 1e-6 * min(worst[name] for name in set(worst) - {"episode_oracle"})
    assert (regrets["until_gone"].regret > 0).all()
