"""Episodes of arrays and of environments are the same: what is posted, paid and left, under the same rule."""

import numpy as np
import pytest

from aigc_market_env import BatchedMarketEnv, Wallet, episode_path, play_episode


@pytest.mark.parametrize("wallet", [None, Wallet(0.5, 0.05, 0.5, "spending"), Wallet(1.0, 0.0)])
def test_an_episode_of_arrays_is_that_of_the_environment(wallet):
    slots, rng = 12, np.random.default_rng(0)
    path, begun = episode_path("prepaid", seed=5, slots=slots, wallet=wallet)
    actions = rng.uniform(0, 0.4, (slots, 8, 4))
    played = play_episode(path, actions * path.reward_bound[..., None], begun)
    env = BatchedMarketEnv("prepaid", 1, asps="best_response", wallet=wallet, tolerance=1e-9)
    env.reset(seed=[5])
    for t in range(slots):
        np.testing.assert_allclose(env.wallet.money[0], played.money[t], rtol=1e-6, atol=1e-9)
        _, utilities, *_ = env.step({"mu": actions[t][None]})
        np.testing.assert_allclose(utilities["mu"][0], played.outcome.mu_utility[t], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(env.served.time_share[0], played.time_share[t], rtol=1e-6)
        np.testing.assert_allclose(env.served.qoe[0], played.outcome.qoe[t], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(env.served.rewards[0], played.rewards[t], rtol=1e-6)
    assert (played.time_share < 1).any()
