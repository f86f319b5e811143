"""The cheapest resources for given throughputs: what an ASP does with orders, whatever they are worth.

An ASP that sends x_m tokens/s to MU m chooses the mix of compute and bandwidth. At its cheapest all links share one
ratio ρ = √(w/u) of effective prices (docs/market.md#what-a-provider-does):

    Σ f = κ X + ρ S,   Σ b = T + S/ρ,      X = Σ x,   S = Σ x √(κσ),   T = Σ x σ

so orders fit the capacities exactly if S² <= (F - κX)(B - T), and the cheapest ρ is the natural one, √(c_b/c_f), moved
into [S/(B - T), (F - κX)/S].
"""

from typing import NamedTuple

import numpy as np

from aigc_market_env import Market
from aigc_market_env.model.parameters import FloatArray

#: Keeps what fits exactly from exceeding a capacity by rounding.
_HEADROOM = 1.0 - 1e-12


class Provision(NamedTuple):
    """Resources for orders, batch axes first.

    Attributes:
        served: share of every order that is sent, 1 where all orders fit. (..., N)
        compute: f, TFLOP/s. (..., M, N)
        bandwidth: b, MHz. (..., M, N)
    """

    served: FloatArray
    compute: FloatArray
    bandwidth: FloatArray


def provision(market: Market, orders: FloatArray) -> Provision:
    """Serve orders at the least cost; where they do not fit, the same share of each.

    Args:
        market: a single market.
        orders: throughputs x, tokens/s, finite. (..., M, N)
    """
    kappa, sigma = market.flops_per_token, market.bandwidth_per_rate
    cross = np.sqrt(kappa * sigma)
    whole = np.stack([orders.sum(axis=-2), (orders * cross).sum(axis=-2), (orders * sigma).sum(axis=-2)])
    served = np.minimum(_fitting(market, *whole), 1.0)
    x, s, t = served * whole
    spare_f = np.maximum(market.compute_capacity - kappa * x, 0.0)
    spare_b = np.maximum(market.bandwidth_capacity - t, 0.0)
    natural = np.broadcast_to(np.sqrt(market.bandwidth_cost / market.compute_cost), s.shape)
    least = np.divide(s, spare_b, out=np.zeros_like(s), where=spare_b > 0.0)
    most = np.divide(spare_f, s, out=np.full_like(s, np.inf), where=s > 0.0)
    ratio = np.minimum(np.maximum(natural, least), most)[..., None, :]
    sent = served[..., None, :] * orders
    compute, bandwidth = sent * (kappa + cross * ratio), sent * (sigma + cross / ratio)
    return Provision(served, _within(compute, market.compute_capacity), _within(bandwidth, market.bandwidth_capacity))


def _fitting(market: Market, x: FloatArray, s: FloatArray, t: FloatArray) -> FloatArray:
    """The factor at which totals (..., N) just fit: the smaller root of S² t² = (F - κX t)(B - T t)."""
    f, b = market.compute_capacity, market.bandwidth_capacity
    kx = market.flops_per_token * x
    linear = kx / f + t / b
    product = 4.0 * (kx * t - s * s) / (f * b)  # >= 0, by the Cauchy–Schwarz inequality
    bottom = linear + np.sqrt(np.maximum(linear * linear - product, 0.0))
    return _HEADROOM * np.divide(2.0, bottom, out=np.full_like(bottom, np.inf), where=bottom > 0.0)


def natural_costs(market: Market) -> FloatArray:
    """What a token/s costs an ASP with capacity to spare, credits per slot; shape (M, N)."""
    compute, bandwidth = market.compute_cost * market.flops_per_token, market.bandwidth_cost * market.bandwidth_per_rate
    cost: FloatArray = (np.sqrt(compute) + np.sqrt(bandwidth)) ** 2
    return cost


def _within(use: FloatArray, capacity: FloatArray) -> FloatArray:
    """The same use, less what rounding has put above the capacity."""
    return use / np.maximum(use.sum(axis=-2) / (capacity * _HEADROOM), 1.0)[..., None, :]
