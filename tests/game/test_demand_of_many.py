"""Demand of many MUs at once, against the same MUs one by one."""

import numpy as np
import pytest
from markets import random_links
from scipy.optimize import brentq

from aigc_market_env.game.demand import (
    ASKED,
    BANDWIDTH,
    BANDWIDTH_COST,
    CLOSE,
    CLOSEST,
    COMPUTE,
    COMPUTE_COST,
    FARTHEST,
    HUU,
    HUW,
    HWW,
    KAPPA,
    MOVED,
    PROFIT,
    WIDTH,
    Providers,
    ask_for,
    fill_blocks,
    find_demand,
    new_providers,
    of_asp,
    read_rates,
    set_of_asp,
)
from aigc_market_env.model import qoe
from aigc_market_env.model.links import ENTRY, SIGMA

SIZES = [1, 2, 7, 8, 9, 16, 21]


def ask(providers: Providers, n: int, prices: tuple[float, float]) -> None:
    """Ask for the demand of an ASP with κ = 1 at effective prices (u, w)."""
    set_of_asp(providers.asps, n, KAPPA, 1.0)
    set_of_asp(providers.asps, n, COMPUTE_COST, prices[0])
    set_of_asp(providers.asps, n, BANDWIDTH_COST, prices[1])
    ask_for(providers.asps, n, 0.0, 0.0)


def asked(
    link: np.ndarray, rewards: np.ndarray, prices: tuple[float, float], start: np.ndarray
) -> tuple[dict[int, float], np.ndarray]:
    """What is found for an ASP with κ = 1 at effective prices (u, w), and throughputs."""
    providers = new_providers(rewards.size, 1)
    ask(providers, 0, prices)
    fill_blocks(link, rewards, start, providers.blocks[0])
    find_demand(providers)
    x = np.empty(rewards.size)
    read_rates(providers.blocks[0], x)
    return found(providers, 0), x


def found(providers: Providers, n: int) -> dict[int, float]:
    return {quantity: of_asp(providers.asps, n, quantity) for quantity in range(PROFIT, HWW + 1, WIDTH)}


def costs(link: np.ndarray, u: float, w: float) -> np.ndarray:
    return (np.sqrt(u) + np.sqrt(w * link[SIGMA])) ** 2


@pytest.mark.parametrize("num_mus", SIZES)
@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_throughputs_are_where_the_slope_of_qoe_is_the_unit_cost(num_mus, spread):
    rng = np.random.default_rng(num_mus)
    for _ in range(20):
        link = random_links(rng, num_mus, spread)
        u, w = np.exp(spread * rng.normal(size=2))
        rewards = costs(link, u, w) / link[ENTRY] * np.exp(rng.normal(size=num_mus, scale=3.0))
        asp, x = asked(link, rewards, (u, w), rng.choice([0.0, 1e-9, 1e9], num_mus))
        for m in range(num_mus):
            c, target = tuple(link[:6, m]), costs(link, u, w)[m] / rewards[m]
            best = 0.0
            if link[ENTRY, m] > target:
                top = 1.0
                while qoe.slope(top, c) > target:
                    top *= 2.0
                best = brentq(lambda x, c=c, target=target: qoe.slope(x, c) - target, 0.0, top, xtol=1e-300, rtol=1e-15)
            # How far from the entry threshold rounding moves a throughput.
            assert x[m] == pytest.approx(best, rel=1e-14 + 1e-15 / (1.0 - min(target / link[ENTRY, m], 1.0 - 1e-14)))
        qoes = np.array([qoe.value(x[m], tuple(link[:6, m])) for m in range(num_mus)])
        assert asp[PROFIT] == pytest.approx((rewards * qoes - costs(link, u, w) * x).sum(), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("num_mus", SIZES)
def test_use_and_hessian_are_derivatives_of_profit(num_mus):
    rng = np.random.default_rng(num_mus)
    link, rewards = random_links(rng, num_mus, 0.5), np.full(num_mus, 1e3)
    start = np.zeros(num_mus)

    def at(u: float, w: float) -> dict[int, float]:
        return asked(link, rewards, (u, w), start)[0]

    middle, step = at(1.0, 1.0), 1e-5
    by_u = {q: (at(1.0 + step, 1.0)[q] - at(1.0 - step, 1.0)[q]) / (2 * step) for q in middle}
    by_w = {q: (at(1.0, 1.0 + step)[q] - at(1.0, 1.0 - step)[q]) / (2 * step) for q in middle}
    assert [-by_u[PROFIT], -by_w[PROFIT]] == pytest.approx([middle[COMPUTE], middle[BANDWIDTH]], rel=1e-7)
    assert [-by_u[COMPUTE], -by_w[BANDWIDTH]] == pytest.approx([middle[HUU], middle[HWW]], rel=1e-7)
    assert [-by_u[BANDWIDTH], -by_w[COMPUTE]] == pytest.approx([middle[HUW]] * 2, rel=1e-7)


def test_an_mu_gets_the_same_bits_whoever_is_beside_it():
    rng = np.random.default_rng(0)
    link, rewards, start = random_links(rng, 21, 1.0), np.exp(rng.normal(size=21)), np.zeros(21)
    _, together = asked(link, rewards, (0.3, 0.2), start)
    for m in range(21):
        _, alone = asked(link[:, [m]], rewards[[m]], (0.3, 0.2), start[:1])
        assert alone[0] == together[m]
    several = new_providers(21, 10)
    for n in (0, 1, 9):
        fill_blocks(link, (1.0 + n) * rewards, start, several.blocks[n])
        ask(several, n, (0.3, 0.2))
    set_of_asp(several.asps, 1, ASKED, 0.0)
    before = found(several, 1)
    find_demand(several)
    x = np.empty(21)
    read_rates(several.blocks[0], x)
    assert (x == together).all()
    assert found(several, 1) == before  # who is not asked is left alone
    set_of_asp(several.asps, 1, ASKED, 1.0)
    find_demand(several)
    assert found(several, 0)[PROFIT] < found(several, 1)[PROFIT] < found(several, 9)[PROFIT]


@pytest.mark.parametrize("num_mus", [1, 8, 21])
@pytest.mark.parametrize("close", [CLOSEST, 1e-3, 1e-2, FARTHEST])
@pytest.mark.parametrize("moved", [0.0, 1e-6, 1e-3, 0.03, 0.3, 3.0])
def test_demand_is_as_close_as_is_asked_for_wherever_the_search_begins(num_mus, close, moved):
    rng = np.random.default_rng(num_mus)
    for direction in (-1.0, 1.0):
        link, rewards = random_links(rng, num_mus, 0.5), np.exp(rng.normal(size=num_mus) + 4.0)
        providers = new_providers(num_mus, 1)
        fill_blocks(link, rewards, np.zeros(num_mus), providers.blocks[0])
        ask(providers, 0, (0.3, 0.2))
        find_demand(providers)
        prices = 0.3 * np.exp(direction * moved), 0.2
        ask(providers, 0, prices)
        set_of_asp(providers.asps, 0, CLOSE, close)
        set_of_asp(providers.asps, 0, MOVED, float(moved > 0.0))
        find_demand(providers)
        now, anew = found(providers, 0), asked(link, rewards, prices, np.zeros(num_mus))[0]
        for quantity in (COMPUTE, BANDWIDTH):
            assert now[quantity] == pytest.approx(anew[quantity], rel=1e-13 + close**3, abs=1e-300)
        assert now[PROFIT] == pytest.approx(anew[PROFIT], rel=1e-13 + close**4, abs=1e-300)
        for quantity in (HUU, HWW):
            assert now[quantity] == pytest.approx(anew[quantity], rel=1e-9 + 10.0 * close**2, abs=1e-300)
            assert now[quantity] > 0.0
