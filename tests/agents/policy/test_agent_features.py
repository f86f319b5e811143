import numpy as np
import pytest

from agents.policy.agent_features import (
    PlanFeatures,
    lasting_entries,
    leader_features,
    leader_features_size,
    with_identity,
)
from aigc_market_env import BatchedMarketEnv, Scenario, Wallet
from aigc_market_env.registration import EPISODE_SLOTS
from aigc_market_env.spaces import OBSERVATION_BOUND


def seen(slots, **options):
    env = BatchedMarketEnv("prepaid", 2, asps="best_response", max_cycles=EPISODE_SLOTS, seed=3, **options)
    observations = env.reset()[0]["mu"]
    for _ in range(slots):
        observations = env.step({"mu": np.full((2, 8, 4), 0.05)})[0]["mu"]
    return env, observations


@pytest.mark.parametrize("slots", [0, 40, EPISODE_SLOTS - 1])
def test_users_with_wallets_see_what_even_spending_would_pay(slots):
    env, observations = seen(slots)
    features = leader_features(observations, wallet=True)
    assert features.shape == (2, 8, leader_features_size(8, observations.shape[-1], wallet=True))
    assert features.dtype == np.float32
    assert np.array_equal(features[..., : -len(PlanFeatures._fields)], with_identity(observations))
    plan = PlanFeatures(*np.moveaxis(features, -1, 0)[-len(PlanFeatures._fields) :])
    left, scale, wallet = EPISODE_SLOTS - slots, env.base_market.satisfaction_scale, env.wallet
    np.testing.assert_allclose(plan.log_left, np.log(left / EPISODE_SLOTS), rtol=1e-5, atol=1e-6)
    even = (wallet.money / left + wallet.income) / scale
    np.testing.assert_allclose(np.exp(plan.log_even_spending), np.maximum(even, np.exp(-10.0)), rtol=1e-3)
    np.testing.assert_allclose(plan.fullness, wallet.money / wallet.cap, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("wallet", [Wallet(0.0), Wallet(0.0, 0.0, 0.0), Wallet(1e9, 1e9), Wallet(0.0, 1e-9, 1e9)])
def test_features_of_any_wallet_are_finite(wallet):
    features = leader_features(seen(1, wallet=wallet)[1], wallet=True)
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= OBSERVATION_BOUND


def test_what_lasts_is_what_rewards_do_not_move_but_for_money():
    scenario = Scenario.preset("prepaid")
    lasting = lasting_entries(scenario)
    env, twin = (BatchedMarketEnv(scenario, 2, asps="best_response", max_cycles=4, seed=3) for _ in range(2))
    env.reset(), twin.reset()
    some, more = (
        leader_features(each.step({"mu": np.full((2, 8, 4), share)})[0]["mu"], wallet=True)
        for each, share in ((env, 0.03), (twin, 0.09))
    )
    moved = set(np.flatnonzero((some != more).any(axis=(0, 1))))
    assert moved - set(lasting)
    assert len(lasting) + 3 * scenario.num_asps == some.shape[-1]  # two prices and the QoE
    money = {8 + 41, *range(some.shape[-1] - 2, some.shape[-1])}  # its logarithm, even spending, fullness
    assert moved & set(lasting) == money


def test_without_wallets_there_is_nothing_to_add():
    observations = BatchedMarketEnv("duo", 2, asps="best_response", seed=0).reset()[0]["mu"]
    assert np.array_equal(leader_features(observations, wallet=False), with_identity(observations))
