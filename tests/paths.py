"""Paths of markets for tests of wallets: links fade, and what requests are worth varies."""

import numpy as np

from aigc_market_env import Market, Scenario, solve_equilibrium
from aigc_market_env.wallets import Wallet


def random_path(preset, num_slots, seed, **options):
    """Markets (T,) of a preset."""
    base, rng = Scenario.preset(preset, **options).sample(seed=seed), np.random.default_rng(seed)
    fading, worth = np.zeros(base.accuracy.shape), np.zeros(base.num_mus)
    markets = []
    for _ in range(num_slots):
        fading = 0.5 * fading + 0.25 * rng.normal(size=fading.shape)
        worth = 0.7 * worth + 0.4 * rng.normal(size=worth.shape)
        efficiency = np.clip(base.spectral_efficiency * np.exp(fading), 0.3, 7.4)
        scale = base.satisfaction_scale * np.exp(worth)
        markets.append(base.replace(spectral_efficiency=efficiency, satisfaction_scale=scale))
    return Market.stack(markets)


def free_spending(path):
    """What each MU pays in a slot, on average, where money is no concern. (..., M)"""
    return solve_equilibrium(path, certify=False).outcome.service_cost.mean(axis=-2)


def wallet_of(path, money=3.0, income=0.5, cap=np.inf):
    """A wallet in units of free spending."""
    return Wallet(money, income, cap, "spending").in_credits(free_spending(path))
