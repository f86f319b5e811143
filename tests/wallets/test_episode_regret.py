"""Bounds of regret over an episode against random deviations that keep to the rule, and the deviations found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import random_market, random_rewards
from paths import random_path, wallet_of

from aigc_market_env import Market, Wallet, episode_regret, follower_response, play_episode, solve_equilibrium


def free_payments(path, rewards):
    response = follower_response(path, rewards)
    return path.outcome(rewards, response.compute, response.bandwidth).service_cost


@st.composite
def plays(draw):
    """A path of wild markets, rewards in it, and wallets around what they cost."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_slots, num_mus, num_asps = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    base = random_market(rng, num_mus, num_asps, draw(st.sampled_from([1e-2, 0.3, 1.0, 10.0])))
    scale = base.satisfaction_scale * rng.uniform(0.2, 3, (num_slots, num_mus))
    path = Market.stack([base.replace(satisfaction_scale=row) for row in scale])
    rewards = random_rewards(rng, path)
    spent = free_payments(path, rewards).mean(axis=0)
    income = draw(st.sampled_from([0.0, 0.3, 1.0])) * spent
    cap = draw(st.sampled_from([0.5, 1.5, None]))
    wallet = Wallet(rng.uniform(0, 2, num_mus) * spent, income, np.inf if cap is None else cap * spent)
    return path, rewards, wallet, rng


def deviate(path, posted, wallet, m, row):
    """What MU ``m`` earns in an episode by a row (T, N), the others' posted rewards fixed."""
    rewards = posted.copy()
    rewards[:, m] = row
    money, income, cap = (np.broadcast_to(amount, path.num_mus)[m] for amount in wallet.amounts)
    alone = Wallet(*np.where(np.arange(path.num_mus) == m, [[money], [income], [cap]], [[1e30], [0.0], [np.inf]]))
    return play_episode(path, rewards, alone).outcome.mu_utility[:, m].sum()


@given(plays())
def test_no_deviation_gains_more_than_the_bound_and_those_found_gain_what_they_say(play):
    path, rewards, wallet, rng = play
    regret, played = episode_regret(path, rewards, wallet), play_episode(path, rewards, wallet)
    scale = 1e-9 * path.satisfaction_scale.sum(axis=0)
    assert (regret.regret >= 0).all()
    assert (regret.regret_bound >= regret.regret).all()
    earned = played.outcome.mu_utility.sum(axis=0)
    for m in range(path.num_mus):
        row = np.where(regret.regret[m] > 0, regret.deviation[:, m], rewards[:, m])
        gain = deviate(path, played.rewards, wallet, m, row) - earned[m]
        np.testing.assert_allclose(gain, regret.regret[m], atol=scale[m], rtol=1e-7)
        for _ in range(4):
            shares = 10 ** rng.uniform(-3, 0, (path.batch_shape[0], path.num_asps))
            tried = deviate(path, played.rewards, wallet, m, shares * path.reward_bound[:, m, None])
            assert tried - earned[m] <= regret.regret_bound[m] + scale[m]


@pytest.mark.parametrize(("money", "income", "cap"), [(3, 0.5, 3), (4, 0.0, np.inf), (1, 0.3, 1.0)])
def test_deviations_found_reach_the_bound(money, income, cap):
    path = random_path("campus", 8, 0)
    wallet = wallet_of(path, money, income, cap)
    regret = episode_regret(path, solve_equilibrium(path, certify=False).rewards, wallet)
    assert (regret.regret > 0).all()
    np.testing.assert_allclose(regret.regret_bound, regret.regret, rtol=1e-5)


def test_slots_and_money_add_up_to_the_bound():
    """At prices of zero there is no price to waste money at; slots alone are left."""
    path = random_path("duo", 5, 0)
    rewards = 0.3 * path.reward_bound[..., None] * np.ones(path.num_asps)
    regret = episode_regret(path, rewards, Wallet(1e6))
    np.testing.assert_allclose(regret.prices, 0.0)
    np.testing.assert_allclose(regret.slot_regret_bound.sum(axis=0), regret.regret_bound, rtol=1e-12)


def test_batches_are_singles_to_the_bit(four_threads):
    paths = Market.stack([random_path("duo", 4, seed) for seed in range(3)])
    rewards = 0.3 * paths.reward_bound[..., None] * np.ones(paths.num_asps)
    together = episode_regret(paths, rewards, Wallet(0.5, 0.1))
    for i in range(3):
        alone = episode_regret(paths[i], rewards[i], Wallet(0.5, 0.1))
        assert (alone.regret_bound == together.regret_bound[i]).all()
        assert (alone.deviation == together.deviation[i]).all()
