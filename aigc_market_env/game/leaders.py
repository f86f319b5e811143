"""The leaders' side: reward gradient, best response and regret of every MU (docs/market.md#what-a-user-does)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, compiled_in_place, over_markets
from aigc_market_env.game.demand import LAM, MU, Providers, fill_blocks, hessian_of, new_providers, of_asp, read_rates
from aigc_market_env.game.followers import TOLERANCE
from aigc_market_env.game.leader_bound import best_row, new_search
from aigc_market_env.game.reactions import throughput_slope
from aigc_market_env.game.shadow_prices import asp_of, find_shadow_prices, put_asp
from aigc_market_env.market import Market
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.checks import link_arrays, market_index
from aigc_market_env.model.links import LINK_ROWS, coefficients_of, fill_links
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of


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

    Source: docs/market.md#what-a-user-does; the search is derived in docs/equilibrium.md#regret-with-a-proof.
    """
    found = deviations(market, rewards)
    return found.rewards, found.utility


def leader_regret(market: Market, rewards: npt.ArrayLike) -> FloatArray:
    """How much each MU could gain by changing its own rewards, followers re-responding exactly.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        The largest ``U_m(r'_m, r_-m) - U_m(r)`` found over r'_m in [0, ω_m/q_m]^N, credits per slot, >= 0. (..., M)
        No row gains more than :func:`leader_regret_bound`.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: docs/market.md#what-a-user-does, docs/market.md#how-far-from-equilibrium.
    """
    return deviations(market, rewards).regret


def leader_regret_bound(market: Market, rewards: npt.ArrayLike) -> FloatArray:
    """What no MU can exceed by changing its own rewards, followers re-responding exactly: proven, not searched for.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        An upper bound on ``U_m(r'_m, r_-m) - U_m(r)`` over all r'_m, credits per slot, at least :func:`leader_regret`
        and in most cases within 1e-9 of the MU's best utility of it. (..., M)

        It is widened by what the tolerance of the followers' shadow prices may hide, to first order, taken four times;
        the rounding of the arithmetic itself is left out. Where the search stops at its limits, the bound is larger.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: docs/equilibrium.md#regret-with-a-proof.
    """
    return deviations(market, rewards).regret_bound


@dataclass(frozen=True, eq=False)
class Deviations:
    """Every MU's best deviation, the others' rewards fixed.

    Attributes:
        rewards: best row of each MU found, credits per QoE. (..., M, N)
        utility: what the MU earns by it, credits per slot. (..., M)
        utility_bound: what it earns by no row, credits per slot, at least ``utility``. (..., M)
        current: what it earns by what is posted, credits per slot. (..., M)
    """

    rewards: FloatArray
    utility: FloatArray
    utility_bound: FloatArray
    current: FloatArray

    @property
    def regret(self) -> FloatArray:
        """What is gained by the best row, (..., M), credits per slot, >= 0."""
        return self.utility - self.current

    @property
    def regret_bound(self) -> FloatArray:
        """What no row gains more than, (..., M), credits per slot, >= 0."""
        return self.utility_bound - self.current


def deviations(market: Market, rewards: npt.ArrayLike) -> Deviations:
    """Best response and bound of every MU, in one search; arguments and errors as of :func:`leader_best_response`."""
    batch, flat = link_arrays(market, rewards=rewards)
    size, m, n = flat["rewards"].shape
    best, (utility, ceiling, current) = np.empty((size, m, n)), np.empty((3, size, m))
    over_markets(
        _deviate,
        size,
        market.flat,
        market_index(market, batch),
        flat["rewards"],
        best,
        utility,
        ceiling,
        current,
        min_slice=1,
    )
    shape = (*batch, m)
    return Deviations(best.reshape(*shape, n), utility.reshape(shape), ceiling.reshape(shape), current.reshape(shape))


# A batch of markets --------------------------------------------------------------------------------------------------


@compiled_in_place
def settle(
    market: MarketArrays,
    k: int,
    rewards: FloatArray,
    links: FloatArray,
    prices: FloatArray,
    x: FloatArray,
    providers: Providers,
) -> None:
    """Fill the link tables (N, LINK_ROWS, M) and solve every ASP at ``rewards`` (N, M) from the prices and x given."""
    for n in range(links.shape[0]):
        fill_links(market, k, n, links[n])
        fill_blocks(links[n], rewards[n], x[n], providers.blocks[n])
        put_asp(asp_of(market, k, n), prices[n, 0], prices[n, 1], providers.asps, n)
    find_shadow_prices(providers, TOLERANCE)
    for n in range(links.shape[0]):
        read_rates(providers.blocks[n], x[n])
        prices[n, 0], prices[n, 1] = of_asp(providers.asps, n, LAM), of_asp(providers.asps, n, MU)


@compiled_in_place
def standing(
    market: MarketArrays, k: int, links: FloatArray, m: int, rewards: FloatArray, x: FloatArray
) -> tuple[float, float]:
    """Utility of MU ``m`` at rewards and throughputs (N, M), and what further QoE is worth to it."""
    wants = wants_of(market, k, m)
    total = paid = 0.0
    for n in range(x.shape[0]):
        bought = qoe.value(x[n, m], coefficients_of(links[n], m))
        total += bought
        paid += rewards[n, m] * bought
    return satisfaction.value(total, wants) - paid, satisfaction.marginal(total, wants)


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
    prices, worth, providers = np.empty((num_asps, 2)), np.empty(num_mus), new_providers(num_mus, num_asps)
    for i in range(start, stop):
        k = index[i]
        r[:], prices[:], x[:] = rewards[i].T, 0.0, 0.0
        settle(market, k, r, links, prices, x, providers)
        for m in range(num_mus):
            _, worth[m] = standing(market, k, links, m, r, x)
        for n in range(num_asps):
            asp = asp_of(market, k, n)
            hessian = hessian_of(providers.asps, n)
            for m in range(num_mus):
                c = coefficients_of(links[n], m)
                response = throughput_slope(links[n], m, asp, prices[n, 0], prices[n, 1], r[n, m], x[n, m], hessian)
                marginal = qoe.slope(x[n, m], c) * response
                gradient[i, m, n] = (worth[m] - r[n, m]) * marginal - qoe.value(x[n, m], c)


@compiled
def _deviate(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    best: FloatArray,
    utility: FloatArray,
    ceiling: FloatArray,
    current: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    prices, x = np.empty((num_asps, 2)), np.empty((num_asps, num_mus))
    search = new_search(num_mus, num_asps)
    links, r = search.offers.links, search.offers.rewards
    for i in range(start, stop):
        k = index[i]
        r[:], prices[:], x[:] = rewards[i].T, 0.0, 0.0
        settle(market, k, r, links, prices, x, search.offers.providers)
        for m in range(num_mus):
            current[i, m], worth = standing(market, k, links, m, r, x)
            utility[i, m], ceiling[i, m] = best_row(search, m, market, k, prices, x, worth, current[i, m], best[i, m])
