"""Episodes in which MUs mix: against linear programmes over time-shared plans on a grid, at their ends, as arrays."""

import numpy as np
import pytest
from paths import random_path, wallet_of
from scipy.optimize import linprog

from aigc_market_env import Market, Scenario, Wallet, follower_response, solve_equilibrium, solve_wallet_equilibrium
from aigc_market_env.equilibrium.mixture import Mixture
from aigc_market_env.wallets.paths import paths_of
from aigc_market_env.wallets.play import played, while_money_lasts
from aigc_market_env.wallets.posted import Posted
from aigc_market_env.wallets.regret import regret_along


def duo_path(load, worth):
    """A path of duo, which has no pure equilibrium at loads from 4.5 on."""
    base = Scenario.preset("duo", load=load).sample(0)
    return Market.stack([base.replace(satisfaction_scale=w * base.satisfaction_scale) for w in worth])


def rows_of(market, m, count):
    """Rows of MU ``m``: nothing, and all of a grid of rewards up to the bound."""
    axis = np.geomspace(1e-3, 1.0, round(count ** (1 / market.num_asps)))
    grid = np.stack(np.meshgrid(*[axis] * market.num_asps, indexing="ij"), axis=-1).reshape(-1, market.num_asps)
    return np.concatenate([np.zeros((1, market.num_asps)), grid * market.reward_bound[m]])


def worth_of_rows(market, m, rows, supports, probabilities):
    """What rows of MU ``m`` cost and earn on average, others drawing from supports (M, K, N); by plain accounting."""
    paid, earned = np.zeros((2, len(rows)))
    others = [i for i in range(market.num_mus) if i != m]
    for choice in np.ndindex(*[supports.shape[1]] * len(others)):
        weight = np.prod([probabilities[i, k] for i, k in zip(others, choice, strict=True)])
        if weight == 0.0:
            continue
        rewards = np.empty((len(rows), market.num_mus, market.num_asps))
        rewards[:, m] = rows
        for i, k in zip(others, choice, strict=True):
            rewards[:, i] = supports[i, k]
        response = follower_response(market, rewards)
        outcome = market.outcome(rewards, response.compute, response.bandwidth)
        paid += weight * outcome.service_cost[:, m]
        earned += weight * outcome.mu_utility[:, m]
    return paid, earned


def best_time_shared_plan(path, m, wallet, supports, probabilities, *others, count=400):
    """The most that MU ``m`` earns by any shares of the slots for rows of a grid, its own, and others (T, N)."""
    money, income, cap = (float(np.broadcast_to(amount, path.num_mus)[m]) for amount in wallet.amounts)
    num_slots, costs, gains = path.batch_shape[0], [], []
    for t in range(num_slots):
        rows = np.concatenate([rows_of(path[t], m, count), supports[t, m], *[more[t : t + 1] for more in others]])
        paid, earned = worth_of_rows(path[t], m, rows, supports[t], probabilities[t])
        costs.append(paid)
        gains.append(earned)
    # Variables: shares of rows, slot by slot, and money (T,) at the beginning of slots 1 to T.
    size = len(costs[0])
    shares = np.zeros((num_slots, num_slots * size + num_slots))
    for t in range(num_slots):
        shares[t, t * size : (t + 1) * size] = 1.0
    limits, most = [], []
    for t in range(num_slots):
        spends = np.zeros(shares.shape[1])
        spends[t * size : (t + 1) * size] = costs[t]
        held = min(money, cap)
        for later in (False, True):  # what is paid is there; what is left is what was there and not paid, at most
            row = spends.copy()
            if t > 0:
                row[num_slots * size + t - 1] = -1.0
            if later:
                row[num_slots * size + t] = 1.0
            limits.append(row)
            most.append((held if t == 0 else 0.0) + (income if later else 0.0))
    bounds = [(0.0, 1.0)] * (num_slots * size) + [(0.0, None if np.isinf(cap) else cap)] * num_slots
    gain = np.concatenate([*gains, np.zeros(num_slots)])
    found = linprog(-gain, limits, most, shares, np.ones(num_slots), bounds, method="highs")
    assert found.success
    return -found.fun


CASES = [  # the first MU alone has too little, or both have
    (7.25, (1.0,), np.array([0.8, 2.0]), 0.0, np.inf),
    (7.25, (1.0, 1.6), 1.4, 0.0, np.inf),
    (7.25, (1.0, 1.6), np.array([4.0, 1.6]), 0.0, np.inf),
    (5.0, (1.3, 0.8, 1.0), np.array([0.8, 2.0]), np.array([0.7, 1.8]), 2.2),
]


@pytest.mark.parametrize(("load", "worth", "money", "income", "cap"), CASES)
def test_no_time_shared_plan_gains_more_than_the_bound(load, worth, money, income, cap):
    path = duo_path(load, worth)
    wallet = wallet_of(path, money, income, cap)
    assert solve_wallet_equilibrium(path, wallet).kind == "none found"
    found = solve_wallet_equilibrium(path, wallet, mixed=True)
    assert found.kind == "mixed"
    assert found.converged
    earned = found.outcome.mu_utility.sum(axis=0)
    assert found.certificate.regret_bound.max() <= 1e-6 * earned.mean()
    assert found.prices.max() > 0.05
    for m in range(2):
        best = best_time_shared_plan(path, m, wallet, found.supports, found.probabilities)
        assert best <= earned[m] + found.certificate.regret_bound[m] + 1e-9 * earned[m]
        assert best >= earned[m] - 1e-6 * earned[m]  # its own rows are among those of the plan


@pytest.mark.parametrize("seed", range(6))
def test_bounds_hold_for_any_mixtures_and_wallets_that_run_out(seed):
    rng = np.random.default_rng(seed)
    sizes = [(2, 1), (2, 2), (3, 1)][seed % 3]
    path = random_path("random", 3, seed, num_mus=sizes[0], num_asps=sizes[1], load=3.0)
    rewards = path.reward_bound[..., None] * rng.uniform(0.05, 0.6, path.accuracy.shape)
    mixtures = {}
    for t in (0, 2):
        rows = [rewards[t, m] * rng.uniform(0.3, 1.5, (rng.integers(1, 4), sizes[1])) for m in range(sizes[0])]
        mixtures[t] = Mixture(rows, [rng.dirichlet(np.ones(len(own))) for own in rows])
    wallet = wallet_of(path, rng.uniform(0.0, 2.0, sizes[0]), rng.uniform(0.0, 0.6), [1.0, np.inf][seed % 2])
    _, (one,), (purses,) = paths_of(path, wallet)
    posted = while_money_lasts(one, Posted(rewards, {}).with_mixtures(mixtures), purses)
    earned, regret = played(one, posted, purses).outcome.mu_utility.sum(axis=0), regret_along(one, posted, purses)
    assert (regret.regret_bound >= regret.regret).all()
    for m in range(sizes[0]):
        best = best_time_shared_plan(path, m, wallet, *posted.padded(), regret.deviation[:, m], count=200)
        assert best <= earned[m] + regret.regret_bound[m] + 1e-9 * path.satisfaction_scale[:, m].sum()
        assert best >= earned[m] + regret.regret[m] - 1e-9 * path.satisfaction_scale[:, m].sum()


@pytest.mark.parametrize("slots", [1, 2])
def test_with_money_to_spare_slots_are_what_they_are_by_themselves(slots):
    path = duo_path(7.25, (1.0, 1.6)[:slots])
    found, alone = solve_wallet_equilibrium(path, Wallet(1e6), mixed=True), solve_equilibrium(path, mixed=True)
    assert found.kind == "mixed"
    assert (found.prices == 0.0).all()
    np.testing.assert_allclose(found.supports, alone.supports, rtol=1e-6)
    np.testing.assert_allclose(found.probabilities, alone.probabilities, rtol=1e-4)
    np.testing.assert_allclose(found.outcome.mu_utility, alone.outcome.mu_utility, rtol=1e-6)


@pytest.fixture(scope="module")
def mixed():
    path = duo_path(7.25, (1.0, 1.6, 0.8))
    wallet = wallet_of(path, np.array([0.8, 2.0]), np.array([0.7, 1.8]), 2.2)
    return path, wallet, solve_wallet_equilibrium(path, wallet, mixed=True)


def test_money_adds_up_on_average(mixed):
    path, wallet, found = mixed
    assert found.kind == "mixed"
    for t in range(3):
        paid = np.zeros(2)
        for m in range(2):
            own, _ = worth_of_rows(path[t], m, found.supports[t, m], found.supports[t], found.probabilities[t])
            paid[m] = found.probabilities[t, m] @ own
        paid *= found.time_share[t]
        np.testing.assert_allclose(found.outcome.service_cost[t], paid, rtol=1e-9)
        np.testing.assert_allclose(found.outcome.asp_profit[t] + found.outcome.asp_cost[t], paid.sum(), rtol=1e-9)
        left = np.minimum(wallet.amounts[2], found.money[t] - paid + wallet.amounts[1])
        np.testing.assert_allclose(found.money[t + 1], left, rtol=1e-7)
    assert (found.money >= 0.0).all()
    assert (found.time_share > 1.0 - 1e-5).all()


def test_draws_are_support_rows_as_often_as_they_say(mixed):
    _, _, found = mixed
    rng = np.random.default_rng(0)
    draws = np.stack([found.sample(rng) for _ in range(2000)])
    same = (draws[:, :, :, None] == found.supports).all(axis=-1)
    assert same.any(axis=-1).all()
    np.testing.assert_allclose(
        same.mean(axis=0)[found.probabilities > 0], found.probabilities[found.probabilities > 0], atol=0.05
    )


def test_who_has_no_money_posts_nothing_while_others_mix():
    path = random_path("random", 2, 0, num_mus=2, num_asps=1)
    rewards = 0.3 * path.reward_bound[..., None]
    mixture = Mixture([np.array([[0.2], [0.4]]) * path.reward_bound[1, m] for m in range(2)], [np.full(2, 0.5)] * 2)
    _, (one,), (purses,) = paths_of(path, Wallet(np.array([0.0, 1e6])))
    posted = while_money_lasts(one, Posted(rewards, {}).with_mixtures({1: mixture}), purses)
    assert not posted.rewards[:, 0].any()
    assert posted.mixtures[1].sizes.tolist() == [1, 2]
    outcome = played(one, posted, purses).outcome
    assert not outcome.payment[:, 0].any()
    assert outcome.payment[:, 1].all()


def test_pure_answers_that_are_certified_stay_as_they_are():
    path = random_path("campus", 4, 4)
    wallet = wallet_of(path, 1.5, 0.4, 2.0)
    pure, found = (solve_wallet_equilibrium(path, wallet, mixed=mixed) for mixed in (False, True))
    assert pure.kind == found.kind == "pure"
    assert (found.rewards == pure.rewards).all()
    assert (found.supports[..., 0, :] == pure.rewards).all()
    assert (found.probabilities == 1.0).all()
    assert (found.sample(np.random.default_rng(0)) == pure.rewards).all()


def test_batches_are_singles_to_the_bit_with_room_for_all_rows(four_threads):
    paths = Market.stack([duo_path(load, (1.0, 1.6)) for load in (1.0, 7.25)])
    wallet = wallet_of(paths, 1.0, 0.3)
    together = solve_wallet_equilibrium(paths, wallet, mixed=True)
    assert together.kind.tolist() == ["pure", "mixed"]
    for i in range(2):
        alone = solve_wallet_equilibrium(paths[i], Wallet(*(amount[i] for amount in wallet.amounts)), mixed=True)
        rows = alone.supports.shape[-2]
        assert (alone.supports == together.supports[i, ..., :rows, :]).all()
        assert (alone.probabilities == together.probabilities[i, ..., :rows]).all()
        assert (alone.certificate.regret_bound == together.certificate.regret_bound[i]).all()


def test_mixing_without_a_certificate_is_refused():
    path = random_path("duo", 2, 0)
    with pytest.raises(ValueError, match="leave certify=True"):
        solve_wallet_equilibrium(path, Wallet(1.0), certify=False, mixed=True)
