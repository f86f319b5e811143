"""ASPs that send as many tokens as they can, blind to who needs them.

    ASP n    max Σ_m x[m, n]    subject to x[m, n] <= L̂_m/Δ and its two capacities

Every MU orders the tokens it desires from every ASP, and an ASP fills orders to send the most tokens. A token to one MU
takes as much compute as a token to another and less bandwidth where the channel is better, so orders are filled in the
order of the channels until a capacity ends; capacity is left only once every order is filled. Each ASP is paid what its
resources cost, the least at which it does not lose. That throughput is the usual aim of an allocation blind to quality
is the field's; orders and the payment at cost, which flatters this mechanism's service cost, are this project's choice.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market
from aigc_market_env.model.parameters import FloatArray
from baselines.mechanism import MechanismResult
from baselines.provisioning import provision


@dataclass(frozen=True)
class ThroughputGreedy:
    """As many tokens as capacities allow, at cost."""

    name: str = "throughput_greedy"
    label: str = "greatest throughput"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Fill orders; nobody chooses a price."""
        _, compute, bandwidth = provision(market, most_tokens(market))
        payments = market.compute_cost * compute + market.bandwidth_cost * bandwidth
        return MechanismResult.of_payments(market, payments, compute, bandwidth)


def most_tokens(market: Market) -> FloatArray:
    """Throughputs of the largest sum that fit, tokens/s; shape (M, N).

    What is left for one more MU is the x at which S² = (F - κX)(B - T) (:mod:`baselines.provisioning`), which is linear
    in x.
    """
    kappa, sigma = market.flops_per_token, market.bandwidth_per_rate
    cross = np.sqrt(kappa * sigma)
    orders = market.desired_tokens / market.slot_duration
    compute, bandwidth = market.compute_capacity.copy(), market.bandwidth_capacity.copy()
    used = np.zeros(market.num_asps)  # S
    rates = np.zeros_like(sigma)
    asps = np.arange(market.num_asps)
    for mus in np.argsort(sigma, axis=0, kind="stable"):
        s, c = sigma[mus, asps], cross[mus, asps]
        room = (compute * bandwidth - used**2) / (kappa * bandwidth + s * compute + 2.0 * used * c)
        x = np.clip(room, 0.0, orders[mus])
        rates[mus, asps] = x
        compute, bandwidth = compute - kappa * x, bandwidth - s * x
        used += c * x
    return rates
