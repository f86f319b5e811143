"""Links between MUs and ASPs: throughput, and tables of what MUs ask for and of their channels.

Source: docs/market.md#from-resources-to-tokens, docs/market.md#quality-of-experience.

A *link table* (LINK_ROWS, M) holds what one ASP has to know of every MU; compiled code reads it column by column.
"""

import math

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place, over_markets
from aigc_market_env.model import qoe
from aigc_market_env.model.parameters import FloatArray, MarketArrays, Parameters

#: Rows of a link table, one column per MU: the six QoE coefficients, the entry slope Q'(0), σ, and √(κσ).
LINK_ROWS = 9
ENTRY, SIGMA, CROSS = 6, 7, 8


@compiled
def throughput(compute: float, bandwidth: float, flops_per_token: float, bandwidth_per_rate: float) -> float:
    """Tokens/s x = 1/(κ/f + σ/b): a token is computed, then sent. 1/∞ = 0 without compute or without bandwidth."""
    return 1.0 / (flops_per_token / compute + bandwidth_per_rate / bandwidth)


@compiled
def bandwidth_per_rate(bits_per_token: float, spectral_efficiency: float) -> float:
    """MHz σ that a token/s takes to send."""
    return bits_per_token / (spectral_efficiency * 1e6)


@compiled
def channel(kappa: float, bits_per_token: float, spectral_efficiency: float) -> tuple[float, float]:
    """σ and √(κσ) of a link."""
    sigma = bandwidth_per_rate(bits_per_token, spectral_efficiency)
    return sigma, math.sqrt(kappa * sigma)


@compiled_in_place
def fill_links(market: MarketArrays, k: int, n: int, link: FloatArray) -> None:
    """Write the link table (LINK_ROWS, M) of ASP ``n`` in market ``k`` of a flat batch."""
    for m in range(link.shape[1]):
        weights = market.qoe_weights[k, m]
        c = qoe.coefficients(
            weights[0],
            weights[1],
            weights[2],
            market.accuracy[k, m, n],
            market.reasoning_tokens[k, n],
            market.desired_tokens[k, m],
            market.patience[k, m],
            market.base_latency[k, m, n],
            market.slot_duration[k],
        )
        describe(link, m, c)
        connect(link, m, market.flops_per_token[k, n], market.bits_per_token[k, m], market.spectral_efficiency[k, m, n])


@compiled_in_place
def describe(link: FloatArray, m: int, c: qoe.Coefficients) -> None:
    """Write what MU ``m`` asks for into a link table."""
    for j in range(6):
        link[j, m] = c[j]
    link[ENTRY, m] = qoe.slope(0.0, c)


@compiled_in_place
def connect(link: FloatArray, m: int, kappa: float, bits_per_token: float, spectral_efficiency: float) -> None:
    """Write the channel of MU ``m`` into a link table."""
    link[SIGMA, m], link[CROSS, m] = channel(kappa, bits_per_token, spectral_efficiency)


@compiled_in_place
def coefficients_of(link: FloatArray, m: int) -> qoe.Coefficients:
    """The QoE coefficients in column ``m`` of a link table."""
    return link[0, m], link[1, m], link[2, m], link[3, m], link[4, m], link[5, m]


def link_tables(market: Parameters) -> FloatArray:
    """Every link's (v_1, v_2, v_3, k_1, k_2, k_3, Q'(0), σ, √(κσ)): link tables laid side by side.

    Returns:
        Columns in the order of a link table's rows, which ENTRY, SIGMA and CROSS name. (..., M, N, LINK_ROWS)
    """
    m, n = market.num_mus, market.num_asps
    tables = np.empty((market.flat.slot_duration.size, n, LINK_ROWS, m))
    over_markets(_fill_tables, len(tables), market.flat, tables)
    return np.ascontiguousarray(tables.transpose(0, 3, 1, 2)).reshape(*market.batch_shape, m, n, LINK_ROWS)


@compiled
def _fill_tables(start: int, stop: int, market: MarketArrays, tables: FloatArray) -> None:
    for k in range(start, stop):
        for n in range(tables.shape[1]):
            fill_links(market, k, n, tables[k, n])
