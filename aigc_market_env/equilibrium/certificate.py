"""How far a point is from equilibrium, whatever produced it (docs/market.md#how-far-from-equilibrium)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env.followers import FollowerResponse, follower_regret, follower_response
from aigc_market_env.leaders import leader_regret
from aigc_market_env.market import FloatArray, Market

#: Default leader regret that counts as none, relative to the mean utility of the MUs.
TOLERANCE = 1e-6
#: The duality gap may be this much smaller than the tolerance, relative to what the ASPs are paid.
_GAP_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class Certificate:
    """Regrets at the equilibrium, credits per slot.

    Attributes:
        leader_regret: what an MU could gain by other rewards, found by a global search that shares nothing with the
            solver of first-order conditions; where that failed and best responses had the last word
            (``Equilibrium.residual`` is inf), they were found by the same search. (..., M)
        follower_regret: duality gap, an upper bound on what an ASP could gain by another allocation. (..., N)
        converged: the largest leader regret is at most ``tolerance`` of the mean utility of the MUs, and every duality
            gap at most a thousandth of the tolerance of what the ASP is paid on average. (...)
    """

    leader_regret: FloatArray
    follower_regret: FloatArray
    converged: npt.NDArray[np.bool_]


def certify_rewards(
    market: Market, rewards: npt.ArrayLike, response: FollowerResponse | None = None, *, tolerance: float = TOLERANCE
) -> Certificate:
    """Check that rewards, with the followers' exact response, are an equilibrium.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)
        response: the followers' response to them, if it is at hand.
        tolerance: leader regret that still counts as none, relative to the mean utility of the MUs.

    Returns:
        The :class:`Certificate`, with the joint batch axes.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: docs/market.md#how-far-from-equilibrium.
    """
    if response is None:
        response = follower_response(market, rewards)
    outcome = market.outcome(rewards, response.compute, response.bandwidth)
    regret, gap = leader_regret(market, rewards), response.duality_gap
    # Where nobody is served there is no utility and nothing is paid: the scale is then that of a reward.
    smallest = np.finfo(np.float64).eps * market.satisfaction_scale.mean(axis=-1)
    utility = np.maximum(outcome.mu_utility.mean(axis=-1), smallest)
    paid = np.maximum(outcome.payment.sum(axis=-2).mean(axis=-1), smallest)
    converged = (regret.max(axis=-1) <= tolerance * utility) & (gap.max(axis=-1) <= _GAP_SHARE * tolerance * paid)
    return Certificate(leader_regret=regret, follower_regret=gap, converged=converged)


def nash_conv(market: Market, rewards: npt.ArrayLike, compute: npt.ArrayLike, bandwidth: npt.ArrayLike) -> FloatArray:
    """Sum of all players' regrets at a point of play, zero only at an equilibrium.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)
        compute: f allocated, TFLOP/s. (..., M, N)
        bandwidth: b allocated, MHz. (..., M, N)

    Returns:
        Σ_m leader regret + Σ_n follower regret, credits per slot, >= 0. Leaders' regrets are against followers that
        respond exactly, whatever allocation was played. (...)

    Raises:
        ValueError: a shape does not fit, an entry is negative or not finite, or an allocation exceeds a capacity.

    Source: docs/market.md#how-far-from-equilibrium.
    """
    followers = follower_regret(market, rewards, compute, bandwidth).sum(axis=-1)
    total: FloatArray = leader_regret(market, rewards).sum(axis=-1) + followers
    return total
