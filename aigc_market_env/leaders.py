"""The leaders' side: reward gradient, best response and regret of every MU (docs/market.md#what-a-user-does)."""

import math

import numpy as np
import numpy.typing as npt

from aigc_market_env import qoe
from aigc_market_env._checks import link_arrays, market_index
from aigc_market_env._compile import compiled, over_markets
from aigc_market_env.followers import TOLERANCE
from aigc_market_env.leader_search import TABLE_SHAPE, best_row
from aigc_market_env.links import LINK_ROWS, coefficients_of, fill_links
from aigc_market_env.market import FloatArray, Market, MarketArrays
from aigc_market_env.reactions import throughput_slope
from aigc_market_env.shadow_prices import asp_of, demand, shadow_prices


def reward_gradient(market: Market, rewards: npt.ArrayLike) -> FloatArray:
    """Derivative of each MU's utility with respect to its own rewards, the ASPs responding exactly.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        dU_m/dr[m, n], credits per slot per (credit per QoE). (..., M, N)
        Zero for a pair that is priced out. On a kink, where a capacity is used up at a shadow price of zero, it is the
        derivative towards lower rewards.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: docs/market.md#what-a-user-does.
    """
    batch, flat = link_arrays(market, rewards=rewards)
    gradient = np.empty_like(flat["rewards"])
    over_markets(
        _gradients, len(gradient), market.flat, market_index(market, batch), flat["rewards"], gradient, min_slice=4
    )
    return gradient.reshape(*batch, market.num_mus, market.num_asps)


def leader_best_response(market: Market, rewards: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Each MU's best rewards against the others' posted ones, the ASPs responding exactly, and what they would earn it.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        Row m of the first array, (..., M, N), is MU m's best response to the rows of ``rewards`` other than its own; an
        ASP that is not worth its price gets the entry threshold (or the reward bound, if that is lower). The second
        array, (..., M), is the utility of MU m if it alone deviates to that row, credits per slot.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: docs/market.md#what-a-user-does; the search is described in ``aigc_market_env/leader_search.py``.
    """
    best, utility, _ = _deviations(market, rewards)
    return best, utility


def leader_regret(market: Market, rewards: npt.ArrayLike) -> FloatArray:
    """How much each MU could gain by changing its own rewards, followers re-responding exactly.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        The largest ``U_m(r'_m, r_-m) - U_m(r)`` over r'_m in [0, ω_m/q_m]^N, credits per slot, >= 0. (..., M)

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: docs/market.md#what-a-user-does, docs/market.md#how-far-from-equilibrium.
    """
    _, utility, current = _deviations(market, rewards)
    regret: FloatArray = np.maximum(utility - current, 0.0)
    return regret


def _deviations(market: Market, rewards: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    batch, flat = link_arrays(market, rewards=rewards)
    size, m, n = flat["rewards"].shape
    best, utility, current = np.empty((size, m, n)), np.empty((size, m)), np.empty((size, m))
    over_markets(
        _best_responses,
        size,
        market.flat,
        market_index(market, batch),
        flat["rewards"],
        best,
        utility,
        current,
        min_slice=1,
    )
    return best.reshape(*batch, m, n), utility.reshape(*batch, m), current.reshape(*batch, m)


# A batch of markets --------------------------------------------------------------------------------------------------


@compiled
def settle(
    market: MarketArrays,
    k: int,
    rewards: FloatArray,
    links: FloatArray,
    prices: FloatArray,
    x: FloatArray,
    trial: FloatArray,
) -> None:
    """Fill the link tables (N, LINK_ROWS, M) and solve every ASP at ``rewards`` (N, M) from the prices and x given."""
    for n in range(links.shape[0]):
        fill_links(market, k, n, links[n])
        shadow_prices(links[n], asp_of(market, k, n), rewards[n], TOLERANCE, prices[n], x[n], trial)


@compiled
def standing(
    market: MarketArrays, k: int, links: FloatArray, m: int, rewards: FloatArray, x: FloatArray
) -> tuple[float, float]:
    """Utility of MU ``m`` at rewards and throughputs (N, M), and what further QoE is worth to it, ω/(q + Q)."""
    omega, q = market.satisfaction_scale[k, m], market.qoe_requirement[k, m]
    total = paid = 0.0
    for n in range(x.shape[0]):
        bought = qoe.value(x[n, m], coefficients_of(links[n], m))
        total += bought
        paid += rewards[n, m] * bought
    return omega * math.log1p(total / q) - paid, omega / (q + total)


@compiled
def _gradients(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    gradient: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    links = np.empty((num_asps, LINK_ROWS, num_mus))
    r, x = np.empty((num_asps, num_mus)), np.empty((num_asps, num_mus))
    prices, trial, worth = np.empty((num_asps, 2)), np.empty(num_mus), np.empty(num_mus)
    for i in range(start, stop):
        k = index[i]
        r[:], prices[:], x[:] = rewards[i].T, 0.0, 0.0
        settle(market, k, r, links, prices, x, trial)
        for m in range(num_mus):
            _, worth[m] = standing(market, k, links, m, r, x)
        for n in range(num_asps):
            asp = asp_of(market, k, n)
            u, w = asp.compute_cost + prices[n, 0], asp.bandwidth_cost + prices[n, 1]
            _, _, _, huu, huw, hww = demand(links[n], asp.flops_per_token, u, w, r[n], x[n])
            for m in range(num_mus):
                c = coefficients_of(links[n], m)
                response = throughput_slope(links[n], m, asp, prices[n], r[n, m], x[n, m], (huu, huw, hww))
                marginal = qoe.slope(x[n, m], c) * response
                gradient[i, m, n] = (worth[m] - r[n, m]) * marginal - qoe.value(x[n, m], c)


@compiled
def _best_responses(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    best: FloatArray,
    utility: FloatArray,
    current: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    links = np.empty((num_asps, LINK_ROWS, num_mus))
    r, x = np.empty((num_asps, num_mus)), np.empty((num_asps, num_mus))
    prices, warm_prices, trial = np.empty((num_asps, 2)), np.empty((num_asps, 2)), np.empty(num_mus)
    scratch, tables = np.empty((num_asps, 2, num_mus)), np.empty((num_asps, *TABLE_SHAPE))
    trial_row = np.empty(num_asps)
    for i in range(start, stop):
        k = index[i]
        r[:], prices[:], x[:] = rewards[i].T, 0.0, 0.0
        settle(market, k, r, links, prices, x, trial)
        for m in range(num_mus):
            current[i, m], worth = standing(market, k, links, m, r, x)
            warm_prices[:] = prices
            scratch[:, 0] = x
            utility[i, m] = best_row(links, m, market, k, r, warm_prices, scratch, tables, worth, best[i, m], trial_row)
