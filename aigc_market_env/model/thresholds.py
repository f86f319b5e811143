"""The rewards above which ASPs begin to serve MUs, at given prices (docs/market.md#what-a-provider-does)."""

import numpy as np

from aigc_market_env.model.links import ENTRY, link_tables
from aigc_market_env.model.parameters import FloatArray, Parameters


def entry_thresholds(market: Parameters, compute_price: FloatArray, bandwidth_price: FloatArray) -> FloatArray:
    """The reward r̲ = C/Q'(0) at and below which an ASP does not serve an MU.

    Args:
        market: one market or a batch.
        compute_price: u = c^f + λ, credits per slot per TFLOP/s, that broadcasts against (..., M, N).
        bandwidth_price: w = c^b + μ, credits per slot per MHz, likewise.

    Returns:
        Credits per QoE. (..., M, N)
    """
    compute = compute_price * market.flops_per_token[..., None, :]
    unit_cost = (np.sqrt(compute) + np.sqrt(bandwidth_price * market.bandwidth_per_rate)) ** 2
    lowest: FloatArray = unit_cost / link_tables(market)[..., ENTRY]
    return lowest
