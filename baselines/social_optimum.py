"""The allocation of greatest welfare, and a proof of how great it is at most.

    W* = max over allocations of Σ_m S_m(Q_m) - Σ_n cost_n

Put a price v_m on the QoE of MU m. Satisfaction is concave, so S(Q) = min over v of v Q + φ(v) with the conjugate
φ(v) = max over Q of S(Q) - v Q (:func:`~aigc_market_env.model.satisfaction.dual_terms`), and

    W* = min over v of  D(v) = Σ_m φ_m(v_m) + Σ_n Π_n(v),        ∂D/∂v_m = Q_m(v) - what MU m would buy at v_m

where Π_n(v) is what ASP n earns at best when every MU pays v_m per QoE, whoever delivers it
(docs/market.md#what-a-provider-does). D is convex, smooth, and a function of M prices alone; its minimum is where every
MU pays its marginal satisfaction v_m = S_m'(Q_m). At any v, D(v) bounds W* from above and the ASPs' response to v
from below, so their difference bounds what is missing, whatever found v.

Source: Fenchel and Lagrange duality (Boyd and Vandenberghe, Convex Optimization, chapter 5).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from aigc_market_env import Market, Outcome, follower_response
from aigc_market_env.model import satisfaction
from aigc_market_env.model.parameters import FloatArray


class SocialOptimum(NamedTuple):
    """An allocation of greatest welfare.

    Attributes:
        prices: v, marginal satisfaction of every MU, credits per QoE. (M,)
        outcome: the slot in which every MU pays v per QoE and ASPs respond at their best.
        gap: the greatest welfare exceeds that of ``outcome`` by at most this, credits per slot.
    """

    prices: FloatArray
    outcome: Outcome
    gap: float


def social_optimum(market: Market, start: FloatArray | None = None) -> SocialOptimum:
    """Maximise welfare in one market.

    Args:
        market: a single market.
        start: first prices (M,); by default half of the reward bound.

    Returns:
        The :class:`SocialOptimum`; its ``gap`` says how close it is.
    """
    omega, q, k = market.satisfaction_scale, market.qoe_requirement, market.satiation
    low, high = np.log(satisfaction.marginals(market.num_asps, omega, q, k)), np.log(market.reward_bound)
    begin = np.log(0.5 * market.reward_bound if start is None else start)

    def dual(log_prices: FloatArray) -> tuple[float, FloatArray]:
        outcome = at_prices(market, np.exp(log_prices))
        conjugate, slope = satisfaction.dual_terms(log_prices, outcome.qoe.sum(axis=1), omega, q, k)
        return (conjugate.sum() + outcome.asp_profit.sum()) / omega.sum(), slope / omega.sum()

    found = minimize(
        dual,
        np.clip(begin, low, high),
        method="L-BFGS-B",
        jac=True,
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": 500, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 30},
    )
    prices = np.exp(found.x)
    outcome = at_prices(market, prices)
    return SocialOptimum(prices, outcome, float(dual(found.x)[0] * omega.sum() - outcome.welfare))


def at_prices(market: Market, prices: FloatArray) -> Outcome:
    """The slot in which every MU pays ``prices`` (M,) per QoE to all ASPs, and they respond at their best."""
    rewards = np.repeat(prices[:, None], market.num_asps, axis=1)
    response = follower_response(market, rewards)
    return market.outcome(rewards, response.compute, response.bandwidth)
