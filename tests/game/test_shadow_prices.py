"""How many steps the search for shadow prices takes, and that it ends at them."""

import numpy as np
import pytest
from markets import random_links

from aigc_market_env import BatchedMarketEnv
from aigc_market_env._engine import lanes as at
from aigc_market_env.game.demand import (
    COMPUTE,
    COMPUTE_CAPACITY,
    LAM,
    MU,
    Providers,
    allocated,
    fill_blocks,
    new_providers,
    of_asp,
)
from aigc_market_env.game.shadow_prices import (
    DUAL,
    STEPS,
    Asp,
    allocate,
    find_responses,
    find_shadow_prices,
    put_asp,
    shadow_prices,
)
from aigc_market_env.model import qoe
from aigc_market_env.model.links import CROSS, ENTRY, LINK_ROWS, SIGMA


def one_wanted_mu(reward: float) -> tuple[np.ndarray, np.ndarray]:
    """The link table and the reward of one MU whose QoE is a single term, x / (x + 1)."""
    link = np.ones((LINK_ROWS, 1))
    link[1:3] = 0.0
    link[ENTRY], link[SIGMA], link[CROSS] = 1.0, 1e-6, 1e-3
    return link, np.array([reward])


@pytest.mark.parametrize("capacity", [1e-3, 1e-2, 1e-1])
@pytest.mark.parametrize("reward", [1.5, 3.0, 30.0])
def test_prices_that_keep_everybody_out_are_left_again(capacity, reward):
    providers = new_providers(1, 1)
    put_asp(Asp(1.0, 1e-2, 1e-2, capacity, 1.0), 0.0, 0.0, providers.asps, 0)
    link, rewards = one_wanted_mu(reward)
    fill_blocks(link, rewards, np.zeros(1), providers.blocks[0])
    find_shadow_prices(providers, 1e-12)
    assert of_asp(providers.asps, 0, STEPS) < 30
    used, capacity = of_asp(providers.asps, 0, COMPUTE), of_asp(providers.asps, 0, COMPUTE_CAPACITY)
    assert used == pytest.approx(capacity, rel=1e-12)


@pytest.mark.parametrize("scenario", ["random", "campus", "duo"])
def test_asps_of_random_markets_take_few_steps(scenario):
    env = BatchedMarketEnv(scenario, 256, asps="best_response", seed=0)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(4):
        env.step({"mu": rng.random((256, env.num_mus, env.num_asps), dtype=np.float32)})
        assert env._engine.lanes.asps[:, at.NEWTON_STEPS].max() <= 20


def test_the_dual_is_that_of_the_prices_found():
    providers = new_providers(1, 1)
    put_asp(Asp(1.0, 1e-2, 1e-2, 0.1, 1.0), 0.0, 0.0, providers.asps, 0)
    link, rewards = one_wanted_mu(3.0)
    fill_blocks(link, rewards, np.zeros(1), providers.blocks[0])
    find_shadow_prices(providers, 1e-12)
    lam, mu = of_asp(providers.asps, 0, LAM), of_asp(providers.asps, 0, MU)
    u, w = 1e-2 + lam, 1e-2 + mu
    cost = (np.sqrt(u) + np.sqrt(w * 1e-6)) ** 2
    x = np.sqrt(3.0 / cost) - 1.0  # where the slope of QoE, 1/(1 + x)², times the reward is the cost
    dual = 3.0 * x / (1.0 + x) - cost * x + 0.1 * lam + mu
    assert of_asp(providers.asps, 0, DUAL) == pytest.approx(dual, rel=1e-14)


@pytest.mark.parametrize("num_mus", [1, 2, 8, 13])
@pytest.mark.parametrize("spread", [0.3, 1.5, 4.0])
def test_responses_found_sooner_earn_as_much(num_mus, spread):
    """Within the tolerance, whatever the ASPs are like, with MUs next to their entry thresholds among them."""
    rng = np.random.default_rng(num_mus)
    providers = new_providers(num_mus, 12)
    for _ in range(40):
        asps = [Asp(1.0, *np.exp(spread * rng.normal(size=4))) for _ in range(12)]
        tables = [random_links(rng, num_mus, spread) for _ in asps]
        offered = [
            (np.sqrt(asp[1]) + np.sqrt(asp[2] * link[SIGMA])) ** 2 / link[ENTRY] * np.exp(rng.normal(size=num_mus) + 1)
            for asp, link in zip(asps, tables, strict=True)
        ]
        for n, (asp, link, rewards) in enumerate(zip(asps, tables, offered, strict=True)):
            exact, x = new_providers(num_mus, 1), np.zeros(num_mus)
            dual = shadow_prices(link, asp, rewards, 1e-12, np.zeros(2), x, exact)
            u, w = asp[1] + of_asp(exact.asps, 0, LAM), asp[2] + of_asp(exact.asps, 0, MU)
            if n % 2:  # the next MU is about to enter
                rewards[0] = (np.sqrt(u) + np.sqrt(w * link[SIGMA, 0])) ** 2 / link[ENTRY, 0] * (1.0 + 1e-4)
                dual = shadow_prices(link, asp, rewards, 1e-12, np.zeros(2), x, exact)
            fill_blocks(link, rewards, x * np.exp(0.1 * rng.normal(size=num_mus)), providers.blocks[n])
            near = np.array([u, w]) * np.exp(0.1 * rng.normal(size=2)) - np.array([asp[1], asp[2]])
            put_asp(asp, *np.maximum(near, 0.0), providers.asps, n)
            offered[n] = rewards, dual
        find_responses(providers, 1e-6)
        for n, (asp, link, (rewards, dual)) in enumerate(zip(asps, tables, offered, strict=True)):
            paid, profit = played(providers, n, asp, link, rewards)
            assert profit >= dual - 1e-6 * paid


@pytest.mark.parametrize("num_mus", [1, 2, 8])
@pytest.mark.parametrize("capacity", [1e-17, 1e-16, 1e-15, 1e-14, 1e-9])
def test_responses_found_sooner_survive_rounding(num_mus, capacity):
    """Capacities are next to nothing beside what MUs want, so that use jumps by more from one price to the next.

    The search begins at the answer. A last step from there must not lose it.
    """
    rng = np.random.default_rng(num_mus)
    for _ in range(60):
        asp, link = Asp(1.0, *np.exp(rng.normal(size=2)), capacity, capacity), random_links(rng, num_mus, 1.0)
        rewards = 1e3 * np.exp(rng.normal(size=num_mus))
        prices, x, providers = np.zeros(2), np.zeros(num_mus), new_providers(num_mus, 1)
        dual = shadow_prices(link, asp, rewards, 1e-12, prices, x, providers)
        put_asp(asp, *prices, providers.asps, 0)
        find_responses(providers, 1e-6)
        paid, profit = played(providers, 0, asp, link, rewards)
        assert paid > 0.0
        assert profit >= dual - 1e-6 * paid


def played(providers: Providers, n: int, asp: Asp, link: np.ndarray, rewards: np.ndarray) -> tuple[float, float]:
    """What an ASP is paid for the response found for it, which is within its capacities, and its profit."""
    allocate(providers, n)
    served = [allocated(providers.blocks[n], m) for m in range(rewards.size)]
    paid = sum(
        r * qoe.value(x, tuple(link[:6, m])) for m, (r, (x, _, _)) in enumerate(zip(rewards, served, strict=True))
    )
    compute, bandwidth = sum(f for _, f, _ in served), sum(b for _, _, b in served)
    assert compute <= asp.compute_capacity
    assert bandwidth <= asp.bandwidth_capacity
    return paid, paid - asp.compute_cost * compute - asp.bandwidth_cost * bandwidth
