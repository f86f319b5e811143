"""Demand of many MUs at once, against the same MUs one by one."""

import numpy as np
import pytest
from scipy.optimize import brentq

from aigc_market_env.game.demand import (
    ASKED,
    BANDWIDTH,
    BANDWIDTH_COST,
    COMPUTE,
    COMPUTE_COST,
    EXACT_WITHIN,
    HUU,
    HUW,
    HWW,
    KAPPA,
    LAM,
    MOVED,
    MU,
    PROFIT,
    Providers,
    fill_blocks,
    find_demand,
    new_providers,
    read_rates,
)
from aigc_market_env.model import qoe
from aigc_market_env.model.links import CROSS, ENTRY, LINK_ROWS, SIGMA

SIZES = [1, 2, 7, 8, 9, 16, 21]


def links(rng: np.random.Generator, num_mus: int, spread: float) -> np.ndarray:
    """A link table whose entries are e^±spread apart, with κ = 1."""
    link = np.exp(spread * rng.normal(size=(LINK_ROWS, num_mus)))
    link[ENTRY] = (link[:3] / link[3:6]).sum(axis=0)
    link[CROSS] = np.sqrt(link[SIGMA])
    return link


def asked(
    link: np.ndarray, rewards: np.ndarray, prices: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The columns of an ASP with κ = 1 at effective prices (u, w), and throughputs."""
    providers = new_providers(rewards.size, 1)
    asp = providers.asps[0]
    asp[KAPPA] = asp[ASKED] = 1.0
    asp[COMPUTE_COST], asp[BANDWIDTH_COST] = prices
    fill_blocks(link, rewards, start, providers.blocks[0])
    find_demand(providers)
    x = np.empty(rewards.size)
    read_rates(providers.blocks[0], x)
    return asp, x


def costs(link: np.ndarray, u: float, w: float) -> np.ndarray:
    return (np.sqrt(u) + np.sqrt(w * link[SIGMA])) ** 2


@pytest.mark.parametrize("num_mus", SIZES)
@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_throughputs_are_where_the_slope_of_qoe_is_the_unit_cost(num_mus, spread):
    rng = np.random.default_rng(num_mus)
    for _ in range(20):
        link = links(rng, num_mus, spread)
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
    link, rewards = links(rng, num_mus, 0.5), np.full(num_mus, 1e3)
    start = np.zeros(num_mus)

    def at(u: float, w: float) -> np.ndarray:
        return asked(link, rewards, (u, w), start)[0]

    middle, step = at(1.0, 1.0), 1e-5
    by_u = (at(1.0 + step, 1.0) - at(1.0 - step, 1.0)) / (2 * step)
    by_w = (at(1.0, 1.0 + step) - at(1.0, 1.0 - step)) / (2 * step)
    assert [-by_u[PROFIT], -by_w[PROFIT]] == pytest.approx([middle[COMPUTE], middle[BANDWIDTH]], rel=1e-7)
    assert [-by_u[COMPUTE], -by_w[BANDWIDTH]] == pytest.approx([middle[HUU], middle[HWW]], rel=1e-7)
    assert [-by_u[BANDWIDTH], -by_w[COMPUTE]] == pytest.approx([middle[HUW]] * 2, rel=1e-7)


def test_an_mu_gets_the_same_bits_whoever_is_beside_it():
    rng = np.random.default_rng(0)
    link, rewards, start = links(rng, 21, 1.0), np.exp(rng.normal(size=21)), np.zeros(21)
    _, together = asked(link, rewards, (0.3, 0.2), start)
    for m in range(21):
        _, alone = asked(link[:, [m]], rewards[[m]], (0.3, 0.2), start[:1])
        assert alone[0] == together[m]
    several = new_providers(21, 3)
    for n, scale in enumerate((1.0, 3.0, 1e6)):
        fill_blocks(link, scale * rewards, start, several.blocks[n])
        several.asps[n, [KAPPA, ASKED, COMPUTE_COST, BANDWIDTH_COST]] = 1.0, float(n != 1), 0.3, 0.2
    find_demand(several)
    x = np.empty(21)
    read_rates(several.blocks[0], x)
    assert (x == together).all()
    assert not several.asps[1, LAM : HWW + 1].any()  # who is not asked is left alone
    only = Providers(several.asps[1:2], several.blocks[1:2])
    only.asps[0, ASKED], only.asps[0, MU] = 1.0, 0.0
    find_demand(only)
    assert only.asps[0, PROFIT] > several.asps[0, PROFIT]


@pytest.mark.parametrize("num_mus", [1, 8, 21])
@pytest.mark.parametrize("moved", [1e-6, EXACT_WITHIN, 0.03, 0.3, 3.0])
def test_demand_after_prices_have_moved_is_that_found_anew_within_the_square(num_mus, moved):
    rng = np.random.default_rng(num_mus)
    for direction in (-1.0, 1.0):
        link, rewards = links(rng, num_mus, 0.5), np.exp(rng.normal(size=num_mus) + 4.0)
        providers = new_providers(num_mus, 1)
        asp = providers.asps[0]
        asp[[KAPPA, ASKED, COMPUTE_COST, BANDWIDTH_COST]] = 1.0, 1.0, 0.3, 0.2
        fill_blocks(link, rewards, np.zeros(num_mus), providers.blocks[0])
        find_demand(providers)
        factor = np.exp(direction * moved)
        asp[[COMPUTE_COST, BANDWIDTH_COST, MOVED]] = 0.3 * factor, 0.2, abs(factor - 1.0)
        find_demand(providers)
        anew, _ = asked(link, rewards, (0.3 * factor, 0.2), np.zeros(num_mus))
        error = 1e-13 if moved <= EXACT_WITHIN else min(moved, 0.1) ** 2 * 1e-2
        assert asp[PROFIT:HUU] == pytest.approx(anew[PROFIT:HUU], rel=error, abs=1e-300)
        assert (asp[[HUU, HWW]] > 0.0).all()
