"""What a slot produces: QoE, payments, utilities, profits, welfare (docs/market.md#payoffs)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.checks import check_capacity, link_arrays, market_index
from aigc_market_env.model.links import LINK_ROWS, SIGMA, coefficients_of, fill_links
from aigc_market_env.model.links import throughput as link_throughput
from aigc_market_env.model.parameters import FloatArray, MarketArrays, Parameters


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a slot produced, per link, MU and ASP. Money is in credits per slot.

    Attributes:
        rewards: r posted, credits per QoE. (..., M, N)
        compute: f allocated, TFLOP/s. (..., M, N)
        bandwidth: b allocated, MHz. (..., M, N)
        throughput: x delivered, tokens/s. (..., M, N)
        qoe_terms: weighted scores for accuracy, token count and timeliness; they sum to ``qoe``. (..., M, N, 3)
        qoe: Q delivered, in [0, 1). (..., M, N)
        payment: r·Q. (..., M, N)
        mu_utility: satisfaction minus payments. (..., M)
        asp_profit: payments minus cost. (..., N)
        asp_cost: cost of the resources used. (..., N)
        utilisation: share of compute and of bandwidth in use. (..., N, 2)
        welfare: Σ satisfaction - Σ cost; payments cancel. (...)
    """

    rewards: FloatArray
    compute: FloatArray
    bandwidth: FloatArray
    throughput: FloatArray
    qoe_terms: FloatArray
    qoe: FloatArray
    payment: FloatArray
    mu_utility: FloatArray
    asp_profit: FloatArray
    asp_cost: FloatArray
    utilisation: FloatArray
    welfare: FloatArray

    @property
    def service_cost(self) -> FloatArray:
        """What each MU pays in total, credits per slot; shape (..., M)."""
        total: FloatArray = self.payment.sum(axis=-1)
        return total


def outcome(market: Parameters, rewards: npt.ArrayLike, compute: npt.ArrayLike, bandwidth: npt.ArrayLike) -> Outcome:
    """Account for one slot; see :meth:`aigc_market_env.Market.outcome`."""
    batch, flat = link_arrays(market, rewards=rewards, compute=compute, bandwidth=bandwidth)
    shape = (*batch, market.num_mus, market.num_asps)
    r, f, b = (array.reshape(shape) for array in flat.values())
    check_capacity(market, f, b)
    rates = np.empty_like(flat["rewards"])
    scores = np.empty((*rates.shape, 3))
    over_markets(
        _deliver,
        rates.shape[0],
        market.flat,
        market_index(market, batch),
        flat["compute"],
        flat["bandwidth"],
        rates,
        scores,
    )
    scores = scores.reshape(*shape, 3)
    delivered = scores.sum(axis=-1)
    payment = r * delivered
    wants = market.satisfaction_scale, market.qoe_requirement, market.satiation
    satisfied = satisfaction.values(delivered.sum(axis=-1), *wants)
    used, lit = f.sum(axis=-2), b.sum(axis=-2)
    cost = market.compute_cost * used + market.bandwidth_cost * lit
    return Outcome(
        rewards=r,
        compute=f,
        bandwidth=b,
        throughput=rates.reshape(shape),
        qoe_terms=scores,
        qoe=delivered,
        payment=payment,
        mu_utility=satisfied - payment.sum(axis=-1),
        asp_profit=payment.sum(axis=-2) - cost,
        asp_cost=cost,
        utilisation=np.stack([used / market.compute_capacity, lit / market.bandwidth_capacity], axis=-1),
        welfare=satisfied.sum(axis=-1) - cost.sum(axis=-1),
    )


@compiled
def _deliver(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    compute: FloatArray,
    bandwidth: FloatArray,
    rates: FloatArray,
    scores: FloatArray,
) -> None:
    num_mus, num_asps = compute.shape[1], compute.shape[2]
    link = np.empty((LINK_ROWS, num_mus))
    for i in range(start, stop):
        for n in range(num_asps):
            fill_links(market, index[i], n, link)
            kappa = market.flops_per_token[index[i], n]
            for m in range(num_mus):
                x = link_throughput(compute[i, m, n], bandwidth[i, m, n], kappa, link[SIGMA, m])
                terms = qoe.terms(x, coefficients_of(link, m))
                rates[i, m, n] = x
                scores[i, m, n, 0], scores[i, m, n, 1], scores[i, m, n, 2] = terms
