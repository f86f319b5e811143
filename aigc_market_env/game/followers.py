"""Every ASP's exact best response to posted rewards, and its certificate (docs/market.md#what-a-provider-does).

Each ASP's allocation follows from the shadow prices of its two capacities, which minimise a convex dual
(:mod:`aigc_market_env.game.shadow_prices`). By weak duality the dual is an upper bound on the profit of *any* feasible
allocation, so the dual minus the profit played bounds an ASP's regret without trusting the solver.

Source: the followers' problem is the paper's; its closed form under our QoE and throughput is derived in the model.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.game.demand import LAM, MU, allocated, fill_blocks, find_demand, new_providers, of_asp, spend
from aigc_market_env.game.shadow_prices import DUAL, allocate, asp_of, find_shadow_prices, put_asp
from aigc_market_env.market import Market
from aigc_market_env.model import qoe
from aigc_market_env.model.checks import link_arrays, market_index, over_links
from aigc_market_env.model.links import LINK_ROWS, coefficients_of, fill_links
from aigc_market_env.model.options import positive_number
from aigc_market_env.model.parameters import FloatArray, MarketArrays

#: Default accuracy of capacity use, relative to the capacity.
TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class FollowerResponse:
    """Every ASP's profit-maximising allocation at the posted rewards.

    Attributes:
        compute: f, TFLOP/s. (..., M, N)
        bandwidth: b, MHz. (..., M, N)
        throughput: x, tokens/s. (..., M, N)
        compute_price: λ, shadow price of compute, credits per slot per TFLOP/s. (..., N)
        bandwidth_price: μ, shadow price of bandwidth, credits per slot per MHz. (..., N)
        duality_gap: upper bound on the profit missed, credits per slot; zero up to rounding. (..., N)
    """

    compute: FloatArray
    bandwidth: FloatArray
    throughput: FloatArray
    compute_price: FloatArray
    bandwidth_price: FloatArray
    duality_gap: FloatArray


def follower_response(market: Market, rewards: npt.ArrayLike, *, tolerance: float = TOLERANCE) -> FollowerResponse:
    """Exact best response of every ASP to the posted rewards.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE; shape (..., M, N), broadcast against the market's batch axes.
        tolerance: accuracy to which a binding capacity is used up, relative to it.

    Returns:
        Allocation, throughput, shadow prices and duality gap, with the joint batch axes.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite, or ``tolerance`` is not a
            finite number > 0.

    Source: docs/market.md#what-a-provider-does.
    """
    tolerance = positive_number("tolerance", tolerance)
    batch, flat = link_arrays(market, rewards=rewards)
    size, (m, n) = flat["rewards"].shape[0], flat["rewards"].shape[1:]
    compute, bandwidth, throughput = (np.empty((size, m, n)) for _ in range(3))
    prices = np.zeros((size, n, 2))
    gap = np.empty((size, n))
    over_markets(
        _respond,
        size,
        market.flat,
        market_index(market, batch),
        flat["rewards"],
        tolerance,
        compute,
        bandwidth,
        throughput,
        prices,
        gap,
    )
    return FollowerResponse(
        compute.reshape(*batch, m, n),
        bandwidth.reshape(*batch, m, n),
        throughput.reshape(*batch, m, n),
        prices[..., 0].reshape(*batch, n),
        prices[..., 1].reshape(*batch, n),
        gap.reshape(*batch, n),
    )


@dataclass(frozen=True, eq=False)
class Demand:
    """What ASPs would serve at given effective prices if their capacities did not end.

    Attributes:
        compute: f, TFLOP/s. (..., M, N)
        bandwidth: b, MHz. (..., M, N)
        throughput: x, tokens/s. (..., M, N)
    """

    compute: FloatArray
    bandwidth: FloatArray
    throughput: FloatArray


def demand_at_prices(
    market: Market, rewards: npt.ArrayLike, compute_price: npt.ArrayLike, bandwidth_price: npt.ArrayLike
) -> Demand:
    """The most profitable service at given shadow prices: what they would have to be to keep it within capacity.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)
        compute_price: λ, credits per slot per TFLOP/s, broadcast against (..., N).
        bandwidth_price: μ, credits per slot per MHz, likewise.

    Returns:
        The :class:`Demand`, with the batch axes of market and rewards. At the shadow prices of
        :func:`follower_response` it is the best response; at others it may exceed capacities.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry of an argument is negative or not finite.

    Source: docs/market.md#what-a-provider-does.
    """
    batch, flat = link_arrays(
        market,
        rewards=rewards,
        compute_price=over_links(market, "compute_price", compute_price),
        bandwidth_price=over_links(market, "bandwidth_price", bandwidth_price),
    )
    rates, compute, bandwidth = (np.zeros_like(flat["rewards"]) for _ in range(3))
    over_markets(
        _demands,
        len(rates),
        market.flat,
        market_index(market, batch),
        flat["rewards"],
        flat["compute_price"],
        flat["bandwidth_price"],
        compute,
        bandwidth,
        rates,
    )
    shape = (*batch, market.num_mus, market.num_asps)
    return Demand(compute.reshape(shape), bandwidth.reshape(shape), rates.reshape(shape))


def follower_regret(
    market: Market, rewards: npt.ArrayLike, compute: npt.ArrayLike, bandwidth: npt.ArrayLike
) -> FloatArray:
    """How much more each ASP could have earned at the posted rewards than with the allocation it played.

    The best profit is taken from the dual, so the figure never understates the regret, whatever the solver's accuracy.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)
        compute: f played, TFLOP/s. (..., M, N)
        bandwidth: b played, MHz. (..., M, N)

    Returns:
        Regret, credits per slot, >= 0. (..., N)

    Raises:
        ValueError: a shape does not fit, an entry is negative or not finite, or an allocation exceeds a capacity.

    Source: docs/market.md#what-a-provider-does, docs/market.md#how-far-from-equilibrium.
    """
    played = market.outcome(rewards, compute, bandwidth)
    response = follower_response(market, rewards)
    best = market.outcome(rewards, response.compute, response.bandwidth)
    regret: FloatArray = np.maximum(best.asp_profit + response.duality_gap - played.asp_profit, 0.0)
    return regret


@compiled
def _respond(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    tolerance: float,
    compute: FloatArray,
    bandwidth: FloatArray,
    rates: FloatArray,
    prices: FloatArray,
    gap: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    links, r, idle = np.empty((num_asps, LINK_ROWS, num_mus)), np.empty((num_asps, num_mus)), np.zeros(num_mus)
    providers = new_providers(num_mus, num_asps)
    asps = providers.asps
    for i in range(start, stop):
        r[:] = rewards[i].T
        for n in range(num_asps):
            fill_links(market, index[i], n, links[n])
            fill_blocks(links[n], r[n], idle, providers.blocks[n])
            put_asp(asp_of(market, index[i], n), prices[i, n, 0], prices[i, n, 1], asps, n)
        find_shadow_prices(providers, tolerance)
        for n in range(num_asps):
            asp, blocks = asp_of(market, index[i], n), providers.blocks[n]
            prices[i, n, 0], prices[i, n, 1] = of_asp(asps, n, LAM), of_asp(asps, n, MU)
            allocate(providers, n)
            profit = 0.0
            for m in range(num_mus):
                x, f, b = allocated(blocks, m)
                rates[i, m, n], compute[i, m, n], bandwidth[i, m, n] = x, f, b
                profit += r[n, m] * qoe.value(x, coefficients_of(links[n], m))
                profit -= asp.compute_cost * f + asp.bandwidth_cost * b
            gap[i, n] = max(of_asp(asps, n, DUAL) - profit, 0.0)


@compiled
def _demands(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    compute_price: FloatArray,
    bandwidth_price: FloatArray,
    compute: FloatArray,
    bandwidth: FloatArray,
    rates: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    link, r, idle = np.empty((LINK_ROWS, num_mus)), np.empty(num_mus), np.zeros(num_mus)
    providers = new_providers(num_mus, 1)
    asps, blocks = providers.asps, providers.blocks[0]
    for i in range(start, stop):
        for n in range(num_asps):
            fill_links(market, index[i], n, link)
            r[:] = rewards[i, :, n]
            put_asp(asp_of(market, index[i], n), compute_price[i, 0, n], bandwidth_price[i, 0, n], asps, 0)
            fill_blocks(link, r, idle, blocks)
            find_demand(providers)
            spend(asps, 0, blocks)
            for m in range(num_mus):
                rates[i, m, n], compute[i, m, n], bandwidth[i, m, n] = allocated(blocks, m)
