import numpy as np
import pytest

from agents.policy.agent_features import PlanFeatures, leader_features, leader_features_size, with_identity
from aigc_market_env import BatchedMarketEnv, Wallet
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


def test_without_wallets_there_is_nothing_to_add():
    observations = BatchedMarketEnv("duo", 2, asps="best_response", seed=0).reset()[0]["mu"]
    assert np.array_equal(leader_features(observations, wallet=False), with_identity(observations))
