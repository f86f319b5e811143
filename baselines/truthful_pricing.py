"""Truthful marginal pricing: the social optimum, each MU paying what its presence costs the others.

    payment_m = W*(without m) - (W* - MU m's satisfaction)
    W* the greatest welfare

A platform asks the MUs for their types, knows the ASPs, and has the allocation of greatest welfare served. An MU pays
what the others, ASPs' costs included, lose by its presence (Vickrey 1961, Clarke 1971, Groves 1973): then no MU gains
by reporting anything but the truth, whatever the others report, and none loses by taking part. Since it is paid at
least for what it adds to the cost, the ASPs do not lose as a whole. Its welfare is the bound for all mechanisms here.

This project's choice: the platform is told the ASPs' costs truthfully, and shares an MU's payment out so that every ASP
gets back the cost of serving it, and of what is left a part in proportion to the QoE that it delivers.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market
from aigc_market_env.model.parameters import FIELDS, FloatArray
from baselines.mechanism import MechanismResult
from baselines.social_optimum import social_optimum


@dataclass(frozen=True)
class TruthfulPricing:
    """Vickrey–Clarke–Groves payments on the allocation of greatest welfare."""

    name: str = "truthful_pricing"
    label: str = "truthful pricing (social optimum)"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """The social optimum and what it is paid; nobody chooses anything but the truth."""
        best = social_optimum(market)
        outcome = best.outcome
        paid = externalities(market, best.prices, outcome.mu_utility + outcome.service_cost, float(outcome.welfare))
        cost = market.compute_cost * outcome.compute + market.bandwidth_cost * outcome.bandwidth
        beyond = np.maximum(paid - cost.sum(axis=1), 0.0)
        total = outcome.qoe.sum(axis=1)
        share = np.divide(outcome.qoe, total[:, None], out=np.zeros_like(cost), where=total[:, None] > 0.0)
        payments = np.where(outcome.qoe > 0.0, cost + share * beyond[:, None], 0.0)
        return MechanismResult.of_payments(market, payments, outcome.compute, outcome.bandwidth)


def externalities(market: Market, prices: FloatArray, satisfaction: FloatArray, welfare: float) -> FloatArray:
    """What each MU's presence costs the others, given the optimum's prices, satisfaction (both (M,)) and welfare."""
    if market.num_mus == 1:
        return satisfaction - welfare
    alone = [social_optimum(without(market, m), np.delete(prices, m)).outcome.welfare for m in range(market.num_mus)]
    payments: FloatArray = np.array(alone) - (welfare - satisfaction)
    return payments


def without(market: Market, m: int) -> Market:
    """The market without MU ``m``."""
    rest = {name: getattr(market, name) for name in FIELDS}
    for name, field in FIELDS.items():
        if field.dims.startswith("M"):
            rest[name] = np.delete(rest[name], m, axis=0)
    return Market(**rest)
