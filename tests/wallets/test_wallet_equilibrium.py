"""The oracle for episodes: against a generic solver, at its ends, and its certificate against feasible deviations."""

import numpy as np
import pytest
from markets import permuted
from paths import free_spending, random_path, wallet_of
from scipy.optimize import minimize

from aigc_market_env import Market, Wallet, episode_regret, play_episode, solve_equilibrium, solve_wallet_equilibrium


def mean_utility(found):
    return found.outcome.mu_utility.sum(axis=-2).mean(axis=-1)


@pytest.mark.parametrize("preset", ["duo", "campus", "random", "office"])
@pytest.mark.parametrize(("money", "income", "cap"), [(3, 0.5, 3), (2, 0.8, 2), (4, 0.0, np.inf), (1, 0.2, np.inf)])
def test_equilibria_of_presets_are_certified(preset, money, income, cap):
    path = random_path(preset, 8, 1)
    found = solve_wallet_equilibrium(path, wallet_of(path, money, income, cap))
    assert found.converged
    assert found.certificate.regret_bound.max() <= 1e-6 * mean_utility(found)
    assert (found.certificate.regret <= found.certificate.regret_bound).all()
    assert (found.money >= 0).all()
    assert (found.time_share > 1 - 1e-5).all()
    assert (found.prices >= 0).all()
    assert found.prices.max() > 0.05


def test_who_has_money_to_spare_plays_every_slot_by_itself():
    path = random_path("campus", 5, 2)
    found = solve_wallet_equilibrium(path, Wallet(1e6, 1e6, 2e6))
    assert (found.prices == 0).all()
    assert (found.rewards == solve_equilibrium(path).rewards).all()
    assert found.rounds == 1


@pytest.mark.parametrize("money", [1e-9, 1e-6, 1e-3])
def test_next_to_no_money_is_spent_at_the_door(money):
    path = random_path("campus", 6, 3)
    wallet = wallet_of(path, money * np.array([1, 1, 1, 1, 1e3 / money, 1, 1, 1]), 0.0, np.inf)
    found = solve_wallet_equilibrium(path, wallet)
    poor = np.arange(8) != 4
    assert found.certificate.regret_bound.max() <= 1e-6 * mean_utility(found)
    np.testing.assert_allclose(found.outcome.service_cost.sum(0)[poor], wallet.amounts[0][poor], rtol=1e-5)
    own = found.certificate.regret_bound / found.outcome.mu_utility.sum(0)
    assert (own < 1e-3).all()


def test_without_any_money_nothing_is_played():
    path = random_path("duo", 4, 0)
    found = solve_wallet_equilibrium(path, Wallet(0.0))
    assert not found.rewards.any()
    assert not found.outcome.payment.any()
    assert found.certificate.regret_bound.max() <= 1e-12 * path.satisfaction_scale.sum()


def test_one_mu_one_asp_one_slot():
    path = random_path("random", 1, 0, num_mus=1, num_asps=1)
    found = solve_wallet_equilibrium(path, wallet_of(path, 0.4, 0.0))
    np.testing.assert_allclose(found.outcome.service_cost, 0.4 * free_spending(path)[None], rtol=1e-7)
    assert found.converged


def best_by_generic_solver(path, rewards, wallet, m, start):
    """The most that MU ``m`` earns over the episode by any rewards, the others' fixed; by SLSQP over all of them."""
    money, income, cap = (np.broadcast_to(amount, path.num_mus)[m] for amount in wallet.amounts)
    bound = path.reward_bound[:, m, None] * np.ones(path.num_asps)

    def played(shares):
        posted = rewards.copy()
        posted[:, m] = np.clip(shares.reshape(bound.shape), 0, 1) * bound
        free = Wallet(1e9)  # what whole slots would be
        return play_episode(path, posted, free).outcome

    def loss(shares):
        return -played(shares).mu_utility[:, m].sum()

    def left(shares):
        held, after = min(money, cap), []
        for paid in played(shares).service_cost[:, m]:
            after.append(held - paid)
            held = min(cap, held - paid + income)
        return np.array(after)

    tight = {"type": "ineq", "fun": left}
    options = {"maxiter": 300, "ftol": 1e-14}
    limits = [(1e-9, 1.0)] * start.size
    found = minimize(loss, start, bounds=limits, constraints=tight, method="SLSQP", options=options)
    return -loss(found.x) if left(found.x).min() > -1e-7 * money else -np.inf


@pytest.mark.parametrize(("money", "income", "cap"), [(1.5, 0.0, np.inf), (1.0, 0.4, 1.2)])
def test_no_mu_gains_by_what_a_generic_solver_finds_over_the_whole_episode(money, income, cap):
    path, rng = random_path("duo", 4, 5), np.random.default_rng(0)
    wallet = wallet_of(path, money, income, cap)
    found = solve_wallet_equilibrium(path, wallet)
    own = found.rewards / path.reward_bound[..., None]
    for m in range(2):
        earned = found.outcome.mu_utility[:, m].sum()
        starts = [own[:, m].ravel(), 0.5 * own[:, m].ravel(), rng.uniform(0.05, 0.4, own[:, m].size)]
        best = max(best_by_generic_solver(path, found.rewards, wallet, m, start) for start in starts)
        assert best <= earned + 1e-6 * earned
        assert best >= earned - 1e-4 * earned  # it gets there by itself


def test_batches_are_singles_to_the_bit(four_threads):
    paths = Market.stack([random_path("campus", 4, seed) for seed in range(2)])
    wallet = wallet_of(paths, 1.5, 0.4, 2.0)
    together = solve_wallet_equilibrium(paths, wallet)
    for i in range(2):
        alone = solve_wallet_equilibrium(paths[i], Wallet(*(amount[i] for amount in wallet.amounts)))
        assert (alone.rewards == together.rewards[i]).all()
        assert (alone.prices == together.prices[i]).all()
        assert (alone.certificate.regret_bound == together.certificate.regret_bound[i]).all()
        assert alone.rounds == together.rounds[i]


def test_money_in_other_units_changes_no_price():
    path = random_path("campus", 4, 4)
    wallet = wallet_of(path, 1.5, 0.4, 2.0)
    found = solve_wallet_equilibrium(path, wallet)
    names = ("satisfaction_scale", "compute_cost", "bandwidth_cost")
    scaled = path.replace(**{name: 1e6 * getattr(path, name) for name in names})
    other = solve_wallet_equilibrium(scaled, Wallet(*(1e6 * amount for amount in wallet.amounts)))
    np.testing.assert_allclose(other.prices, found.prices, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other.outcome.mu_utility, 1e6 * found.outcome.mu_utility, rtol=1e-6)


def test_the_order_of_agents_does_not_matter():
    path = random_path("campus", 4, 4)
    wallet = wallet_of(path, 1.5, 0.4, 2.0)
    mus, asps = np.array([3, 0, 7, 1, 2, 6, 5, 4]), np.array([2, 0, 3, 1])
    found = solve_wallet_equilibrium(path, wallet)
    other = solve_wallet_equilibrium(permuted(path, mus, asps), Wallet(*(amount[mus] for amount in wallet.amounts)))
    np.testing.assert_allclose(other.prices, found.prices[:, mus], rtol=1e-6, atol=1e-8)


def test_without_a_certificate_it_is_the_same_play():
    path = random_path("campus", 4, 4)
    wallet = wallet_of(path, 1.5, 0.4, 2.0)
    found = solve_wallet_equilibrium(path, wallet, certify=False)
    assert found.certificate is None
    assert found.converged
    assert (found.rewards == solve_wallet_equilibrium(path, wallet).rewards).all()
    assert episode_regret(path, found.rewards, wallet).regret_bound.max() < 1e-6 * mean_utility(found)


def test_tolerances_that_are_none_are_refused():
    path = random_path("duo", 2, 0)
    with pytest.raises(ValueError, match="tolerance = 0"):
        solve_wallet_equilibrium(path, Wallet(1.0), tolerance=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"compute_cost": 1e6, "bandwidth_cost": 1e6},  # everyone is priced out
        {"compute_capacity": 0.2, "bandwidth_capacity": 0.2},  # not enough by far
        {"compute_capacity": 1e6, "bandwidth_capacity": 1e6},  # more than anybody needs
        {"satisfaction_scale": 1e-6},
        {"desired_tokens": 1e6, "patience": 1e-6},
    ],
)
def test_ends_of_what_markets_may_be(changes):
    path = random_path("campus", 4, 6)
    wallet = wallet_of(path, 1.5, 0.3, 2.0)
    path = path.replace(**{name: factor * getattr(path, name) for name, factor in changes.items()})
    found = solve_wallet_equilibrium(path, wallet)
    assert found.converged
    assert (found.money >= 0).all()
    assert np.isfinite(found.prices).all()


def test_a_wallet_that_cannot_hold_anything_is_one_without_money():
    path = random_path("campus", 4, 6)
    empty = np.arange(8) < 2
    cap = np.where(empty, 0.0, np.inf)
    found = solve_wallet_equilibrium(path, Wallet(1.0, 1.0, cap))
    assert found.converged
    assert not found.rewards[:, empty].any()
    assert (found.prices[:, empty] > 1e11).all()
    assert found.outcome.payment[:, ~empty].any()
