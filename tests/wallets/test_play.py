"""Episodes played under the rule of money, against the rule told MU by MU; what is no path or wallet is refused."""

import numpy as np
import pytest
from paths import free_spending, random_path, wallet_of

from aigc_market_env import (
    Market,
    episode_regret,
    follower_response,
    play_episode,
    solve_equilibrium,
    solve_wallet_equilibrium,
)
from aigc_market_env.wallets import Wallet, WalletRange


@pytest.fixture(scope="module")
def path():
    return random_path("campus", 6, 0, load=3)


@pytest.fixture(scope="module")
def rewards(path):
    return solve_equilibrium(path, certify=False).rewards


def test_the_rule_told_in_plain_words(path, rewards):
    wallet = wallet_of(
        path, money=[1.5, 0.3, 0.0, 9, 1, 1, 2, 0.5], income=[0.2, 0.0, 0.0, 1, 0.4, 0.0, 0.1, 0.9], cap=2.0
    )
    played = play_episode(path, rewards, wallet)
    money, income, cap = wallet.amounts
    held = np.minimum(money, cap)
    for t in range(6):
        np.testing.assert_allclose(played.money[t], held, rtol=1e-12)
        posted = np.where(held[:, None] > 0, rewards[t], 0.0)
        response = follower_response(path[t], posted)
        whole = path[t].outcome(posted, response.compute, response.bandwidth)
        slot = played.outcome
        for m in range(path.num_mus):
            cost = (posted[m] * whole.qoe[m]).sum()
            share = min(1.0, held[m] / cost) if cost > 0 else 1.0
            np.testing.assert_allclose(played.time_share[t, m], share, rtol=1e-12)
            np.testing.assert_allclose(slot.qoe[t, m], share * whole.qoe[m], rtol=1e-12)
            np.testing.assert_allclose(slot.qoe_terms[t, m].sum(-1), slot.qoe[t, m], rtol=1e-12)
            np.testing.assert_allclose(slot.compute[t, m], share * whole.compute[m], rtol=1e-12)
            worth = path.satisfaction_scale[t, m] * np.log1p(share * whole.qoe[m].sum() / path.qoe_requirement[t, m])
            np.testing.assert_allclose(slot.mu_utility[t, m], worth - share * cost, rtol=1e-9, atol=1e-12)
            held[m] = min(cap[m], held[m] - share * cost + income[m])
        np.testing.assert_allclose(slot.asp_profit[t], slot.payment[t].sum(0) - slot.asp_cost[t], rtol=1e-12)
        np.testing.assert_allclose(
            slot.welfare[t], slot.mu_utility[t].sum() + slot.asp_profit[t].sum(), rtol=1e-9, atol=1e-12
        )
    assert (played.time_share < 1).any()
    assert (played.rewards == 0).all(axis=-1).any()
    assert (played.money >= 0).all()


def test_a_function_is_asked_with_what_is_known_and_plays_the_same(path, rewards):
    wallet, seen = wallet_of(path, money=1.0, income=0.3, cap=2.0), []

    def post(view):
        seen.append(view)
        return rewards[view.slot]

    asked, given = play_episode(path, post, wallet), play_episode(path, rewards, wallet)
    np.testing.assert_allclose(asked.money, given.money, rtol=1e-12)
    np.testing.assert_array_equal(asked.rewards, given.rewards)
    assert [view.slot for view in seen] == list(range(6))
    assert all(view.market.batch_shape == () for view in seen)
    np.testing.assert_allclose(seen[3].paid, asked.outcome.service_cost[2])


def test_a_function_that_posts_more_than_a_slot_is_refused(path, rewards):
    with pytest.raises(ValueError, match="rewards of slot 0 have batch axes"):
        play_episode(path, lambda view: rewards, Wallet(1.0))


def test_a_function_may_write_into_what_it_is_shown(path, rewards):
    def post(view):
        for amount in (view.money, view.paid, *view.purses):
            amount *= 0.5
        return rewards[view.slot]

    wallet = wallet_of(path, money=1.0, income=0.3, cap=2.0)
    np.testing.assert_allclose(play_episode(path, post, wallet).money, play_episode(path, rewards, wallet).money)


def test_batches_of_paths_are_single_paths_to_the_bit(rewards):
    paths = Market.stack([random_path("campus", 4, seed) for seed in range(3)])
    posted = np.stack([0.1 * paths.reward_bound[i, :, :, None] * np.ones(4) for i in range(3)])
    wallet = Wallet(free_spending(paths), 0.5 * free_spending(paths))
    together = play_episode(paths, posted, wallet)
    assert together.money.shape == (3, 5, 8)
    for i in range(3):
        alone = play_episode(paths[i], posted[i], Wallet(*(amount[i] for amount in wallet.amounts[:2])))
        assert (alone.money == together.money[i]).all()
        assert (alone.outcome.mu_utility == together.outcome.mu_utility[i]).all()


@pytest.mark.parametrize(
    ("wallet", "message"),
    [
        (Wallet(1.0, unit="spending"), "in_credits"),
        (Wallet(np.ones(3)), "must broadcast to"),
        (Wallet(np.ones((2, 8))), "must broadcast to"),
    ],
)
def test_wallets_that_do_not_fit_are_refused(path, rewards, wallet, message):
    with pytest.raises(ValueError, match=message):
        play_episode(path, rewards, wallet)


@pytest.mark.parametrize("wallet", [None, 1.0, WalletRange(Wallet(1.0), Wallet(2.0))])
def test_what_is_no_wallet_is_refused(path, rewards, wallet):
    for use in (play_episode, episode_regret, lambda path, rewards, wallet: solve_wallet_equilibrium(path, wallet)):
        with pytest.raises(ValueError, match="must be a Wallet in credits"):
            use(path, rewards, wallet)


def test_what_is_no_path_is_refused(path, rewards):
    for given in ("campus", [path[0], path[1]]):
        with pytest.raises(ValueError, match="must be a Market with an axis of slots"):
            play_episode(given, rewards, Wallet(1.0))
    with pytest.raises(ValueError, match="batch axes"):
        play_episode(path[0], rewards[0], Wallet(1.0))
    with pytest.raises(ValueError, match="rewards has shape"):
        play_episode(path, rewards[..., :2], Wallet(1.0))
    with pytest.raises(ValueError, match="must not have more"):
        play_episode(path, np.stack([rewards, rewards]), Wallet(1.0))


def test_money_that_is_gone_is_gone_to_the_last_bit(path, rewards):
    """Else an MU with a rounding error of money would post as before, and ASPs keep capacity for it."""
    played = play_episode(path, rewards, Wallet(0.37 * free_spending(path)))
    assert (played.time_share < 1).any(axis=0).all()
    assert (played.money[-1] == 0).all()
    assert not played.rewards[-1].any()
