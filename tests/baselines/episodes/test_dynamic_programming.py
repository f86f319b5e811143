"""Plans of those who know how a market changes: they look at nothing to come, and are worth what planning is."""

import numpy as np
import pytest

from aigc_market_env import (
    Dynamics,
    Market,
    Scenario,
    Wallet,
    episode_path,
    solve_equilibrium,
    solve_wallet_equilibrium,
)
from baselines.episodes import UntilGone
from baselines.episodes.dynamic_programming import DynamicProgramming, _worth_chain

SLOTS = 12
DEMAND = Dynamics(
    shadowing_db=1.0, worth_deviation=0.6, worth_correlation=0.5, urgent_probability=0.1, load_profile=(0.7, 1.4, 1.0)
)
SCENARIO = Scenario.preset("duo", dynamics=DEMAND, wallet=Wallet(2.0, 0.5, 3.0, unit="spending")).fix(0)


@pytest.fixture(scope="module")
def episode():
    return episode_path(SCENARIO, 5, SLOTS)


@pytest.fixture(scope="module")
def mechanism(episode):
    return DynamicProgramming(SCENARIO, [episode[1]], SLOTS)


def test_planning_earns_more_than_spending_until_it_is_gone_and_no_more_than_foresight(mechanism):
    rng, earned = np.random.default_rng(0), {"planned": 0.0, "gone": 0.0, "oracle": 0.0}
    for seed in range(6):
        path, wallet = episode_path(SCENARIO, seed, SLOTS)
        played = {
            "planned": mechanism.run(path, wallet, rng),
            "gone": UntilGone().run(path, wallet, rng),
            "oracle": solve_wallet_equilibrium(path, wallet, certify=False),
        }
        for name, one in played.items():
            earned[name] += one.outcome.mu_utility.sum()
    assert earned["gone"] < 0.97 * earned["oracle"]
    assert 0.97 * earned["oracle"] < earned["planned"] < 1.01 * earned["oracle"]


def test_what_is_posted_does_not_depend_on_slots_to_come(mechanism, episode):
    path, wallet = episode
    whole = mechanism.run(path, wallet, np.random.default_rng(0)).rewards
    worth = np.where(np.arange(SLOTS) < SLOTS // 2, 1.0, 2.0)[:, None]
    other = path.replace(satisfaction_scale=path.satisfaction_scale * worth)
    changed = mechanism.run(other, wallet, np.random.default_rng(0)).rewards
    np.testing.assert_array_equal(whole[: SLOTS // 2], changed[: SLOTS // 2])
    assert not np.allclose(whole[SLOTS // 2 :], changed[SLOTS // 2 :])


def test_with_plenty_of_money_slots_are_played_as_if_there_were_no_wallets(mechanism, episode):
    path, _ = episode
    free = solve_equilibrium(path, certify=False)
    rich = mechanism.run(path, Wallet(1e3, 1e3), np.random.default_rng(0))
    np.testing.assert_allclose(rich.rewards, free.rewards, rtol=1e-6)


def test_without_money_nothing_is_posted(mechanism, episode):
    path, _ = episode
    poor = mechanism.run(path, Wallet([0.0, 1.0], 0.0), np.random.default_rng(0))
    assert not poor.rewards[:, 0].any()
    assert poor.outcome.service_cost[:, 1].sum() == pytest.approx(1.0, rel=0.1)


def test_the_last_slot_is_played_as_if_money_were_worth_nothing_later(mechanism, episode):
    path, _ = episode
    last = Market.stack([path[0]])
    played = mechanism.run(last, Wallet(50.0), np.random.default_rng(0))
    np.testing.assert_allclose(played.rewards, solve_equilibrium(last, certify=False).rewards, rtol=1e-6)


def test_markov_chains_of_worth_have_its_deviation_and_correlation():
    points, moves = _worth_chain(0.5, 0.8)
    np.testing.assert_allclose(moves.sum(axis=1), 1.0)
    stationary = np.linalg.matrix_power(moves, 200)[0]
    variance = stationary @ points**2
    assert variance**0.5 == pytest.approx(0.5, rel=0.1)
    assert (stationary * points) @ moves @ points / variance == pytest.approx(0.8, rel=0.05)
    assert _worth_chain(0.0, 0.8)[0].tolist() == [0.0]
