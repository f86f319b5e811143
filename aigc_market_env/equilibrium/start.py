"""Where the leaders' game is solved from: the point at which followers respond to rewards (docs/equilibrium.md)."""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env.equilibrium.asp_state import CORRELATION, KAPPA, LOG_UU, LOG_WW, STATE, Z_U, Z_W
from aigc_market_env.equilibrium.link_blocks import put_wants
from aigc_market_env.equilibrium.system import System, put_log_worth
from aigc_market_env.game.demand import WIDTH, Providers, fill_blocks, hessian_of, new_providers
from aigc_market_env.game.leaders import settle, standing
from aigc_market_env.game.shadow_prices import asp_of
from aigc_market_env.model.links import LINK_ROWS
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of


class Start(NamedTuple):
    """How followers respond to rewards, the ASP first."""

    links: FloatArray  # link tables (N, LINK_ROWS, M)
    x: FloatArray  # throughputs, tokens/s (N, M)
    prices: FloatArray  # shadow prices (N, 2)
    providers: Providers


@compiled
def new_start(num_mus: int, num_asps: int) -> Start:
    """Room for markets of M MUs and N ASPs."""
    m, n = num_mus, num_asps
    return Start(np.empty((n, LINK_ROWS, m)), np.empty((n, m)), np.empty((n, 2)), new_providers(m, n))


@compiled_in_place
def start_from(market: MarketArrays, k: int, rewards: FloatArray, start: Start, s: System) -> None:
    """Find how followers respond to rewards (N, M), and have the system at log V, states and throughputs there."""
    num_asps, num_mus = start.x.shape
    for n in range(num_asps):
        start.prices[n, 0] = start.prices[n, 1] = 0.0
        for m in range(num_mus):
            start.x[n, m] = 0.0
    settle(market, k, rewards, start.links, start.prices, start.x, start.providers)
    for m in range(num_mus):
        put_wants(s.mus[m // WIDTH], m % WIDTH, wants_of(market, k, m))
        _, worth = standing(market, k, start.links, m, rewards, start.x)
        put_log_worth(s, m, math.log(worth))
    for n in range(num_asps):
        fill_blocks(start.links[n], rewards[n], start.x[n], s.blocks[n])
        _start_asp(market, k, n, start, s.asps[n])


@compiled_in_place
def _start_asp(market: MarketArrays, k: int, n: int, start: Start, columns: FloatArray) -> None:
    """Fill an ASP's state, and what it is."""
    asp = asp_of(market, k, n)
    for j in range(5):
        columns[KAPPA + j] = asp[j]
    lam, mu = start.prices[n, 0], start.prices[n, 1]
    huu, huw, hww = hessian_of(start.providers.asps, n)
    for j in range(STATE):
        columns[j] = 0.0
    columns[Z_U] = 1.0 + math.log((asp.compute_cost + lam) / asp.compute_cost) if lam > 0.0 else 0.0
    columns[Z_W] = 1.0 + math.log((asp.bandwidth_cost + mu) / asp.bandwidth_cost) if mu > 0.0 else 0.0
    if lam > 0.0 and mu > 0.0 and _count_served(start.x[n]) == 1:
        _lower_prices(columns)
    if huu > 0.0:
        columns[LOG_UU], columns[LOG_WW] = math.log(huu), math.log(hww)
        columns[CORRELATION] = huw / math.sqrt(huu * hww)


@compiled_in_place
def _count_served(x: FloatArray) -> int:
    served = 0
    for m in range(len(x)):
        served += x[m] > 0.0
    return served


@compiled_in_place
def _lower_prices(state: FloatArray) -> None:
    """Where one MU fills both capacities, the level of prices is open; start where it ends, with one price at zero."""
    excess = min(state[Z_U], state[Z_W]) - 1.0
    for j in (Z_U, Z_W):
        state[j] -= excess
        if state[j] <= 1.0:
            state[j] = 0.5
