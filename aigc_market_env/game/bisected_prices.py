"""Shadow prices of one ASP by bisection, where Newton's method ends short of a capacity.

Next to its entry threshold an MU's demand jumps, from one price to the next, from nothing to many times a capacity that
is small to it, and no price finds what lies between. The best throughputs are a mean of those on both sides, the one
that uses the capacity up: whoever differs between the two is worth its cost up to rounding.
"""

from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env.game.demand import (
    ASKED,
    BANDWIDTH,
    BANDWIDTH_CAPACITY,
    BANDWIDTH_COST,
    COMPUTE,
    COMPUTE_CAPACITY,
    COMPUTE_COST,
    KAPPA,
    PROFIT,
    Providers,
    add_to_mean,
    ask_for,
    choking_use,
    find_demand,
    forget_rates,
    of_asp,
    set_of_asp,
    start_mean,
    take_mean,
)


@compiled_in_place
def bisect_prices(providers: Providers, n: int) -> float:
    """Minimise the dual of ASP ``n`` down to neighbouring floating-point prices; set them, demand, and throughputs.

    No other ASP may be asked.

    Returns:
        The dual's value, credits per slot, on the upper side, where it is steep by no more than the capacity.
    """
    blocks = providers.blocks[n]
    cost, capacity = of_asp(providers.asps, n, BANDWIDTH_COST), of_asp(providers.asps, n, BANDWIDTH_CAPACITY)
    low = high = cost
    lower = upper = _bisect_compute_price(providers, n, 0.0)
    if upper.bandwidth > capacity:
        high = _choking_prices(providers, n)[1]
        upper = _bisect_compute_price(providers, n, high - cost)
    middle = _halfway(low, high)
    while low < middle < high:
        between = _bisect_compute_price(providers, n, middle - cost)
        if between.bandwidth > capacity:
            low, lower = middle, between
        else:
            high, upper = middle, between
        middle = _halfway(low, high)
    share = _share(lower.bandwidth, upper.bandwidth, capacity)
    start_mean(blocks)
    _add_throughput(providers, n, lower, low - cost, share)
    _add_throughput(providers, n, upper, high - cost, 1.0 - share)
    _demand_anew(providers, n, upper.high, high - cost)
    set_of_asp(providers.asps, n, ASKED, 0.0)
    take_mean(blocks)
    return upper.dual


class _Sides(NamedTuple):
    """Neighbouring shadow prices of compute between which its use passes the capacity, at a price of bandwidth."""

    low: float
    high: float
    share: float  # of the lower side in the mean that uses the capacity up
    bandwidth: float  # that this mean uses
    dual: float  # on the upper side


@compiled
def _bisect_compute_price(providers: Providers, n: int, mu: float) -> _Sides:
    asps = providers.asps
    cost, capacity = of_asp(asps, n, COMPUTE_COST), of_asp(asps, n, COMPUTE_CAPACITY)
    low = high = cost
    lower = upper = _demand_anew(providers, n, 0.0, mu)
    if upper[1] > capacity:
        high = _choking_prices(providers, n)[0]
        upper = _demand_anew(providers, n, high - cost, mu)
    middle = _halfway(low, high)
    while low < middle < high:
        between = _demand_anew(providers, n, middle - cost, mu)
        if between[1] > capacity:
            low, lower = middle, between
        else:
            high, upper = middle, between
        middle = _halfway(low, high)
    share, lam = _share(lower[1], upper[1], capacity), high - cost
    bandwidth = upper[2] + share * (lower[2] - upper[2])
    return _Sides(
        low - cost, lam, share, bandwidth, upper[0] + lam * capacity + mu * of_asp(asps, n, BANDWIDTH_CAPACITY)
    )


@compiled_in_place
def _demand_anew(providers: Providers, n: int, lam: float, mu: float) -> tuple[float, float, float]:
    """Profit at shadow prices, compute and bandwidth used, the same whatever was asked before."""
    asps = providers.asps
    ask_for(asps, n, lam, mu)
    forget_rates(providers.blocks[n])
    find_demand(providers)
    return of_asp(asps, n, PROFIT), of_asp(asps, n, COMPUTE), of_asp(asps, n, BANDWIDTH)


@compiled_in_place
def _add_throughput(providers: Providers, n: int, sides: _Sides, mu: float, weight: float) -> None:
    """Add a weight times the mean of the throughputs on both sides."""
    for lam, share in ((sides.low, sides.share), (sides.high, 1.0 - sides.share)):
        _demand_anew(providers, n, lam, mu)
        add_to_mean(providers.blocks[n], weight * share)


@compiled
def _share(lower: float, upper: float, capacity: float) -> float:
    """Weight of ``lower`` in that mean with ``upper`` which is the capacity; 0 where they are the same."""
    return (capacity - upper) / (lower - upper) if lower > upper else 0.0


@compiled_in_place
def _choking_prices(providers: Providers, n: int) -> tuple[float, float]:
    """Effective prices of compute and of bandwidth, each of which alone keeps the ASP from serving anybody."""
    asps = providers.asps
    by_compute, by_bandwidth = choking_use(providers.blocks[n], of_asp(asps, n, KAPPA))
    costs = of_asp(asps, n, COMPUTE_COST), of_asp(asps, n, BANDWIDTH_COST)
    return 2.0 * max(costs[0], by_compute), 2.0 * max(costs[1], by_bandwidth)


@compiled
def _halfway(low: float, high: float) -> float:
    """The middle one of all floating-point numbers from ``low`` >= 0 to ``high``: 64 halvings end at neighbours."""
    first, last = np.float64(low).view(np.int64), np.float64(high).view(np.int64)
    return np.int64(first + (last - first) // 2).view(np.float64)
