"""How far a point is from equilibrium, whatever produced it (docs/market.md#how-far-from-equilibrium)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.game.followers import FollowerResponse, follower_regret, follower_response
from aigc_market_env.game.leaders import deviations, leader_regret
from aigc_market_env.market import Market
from aigc_market_env.model.options import positive_number
from aigc_market_env.model.parameters import FloatArray

#: Default leader regret that counts as none, relative to the mean utility of the MUs.
TOLERANCE = 1e-6
#: The duality gap may be this much smaller than the tolerance, relative to what the ASP is paid.
GAP_SHARE = 1e-3
#: Who has less than this share of the mean is measured against this share of the mean.
LEAST_SHARE = 0.01


class RelativeRegret(NamedTuple):
    """Regrets as shares of what there is at equilibrium; inf where agents regret something and nobody has anything.

    Attributes:
        mean: mean regret over mean utility, of all agents. (...)
        worst: regret of the agent that forgoes most of its own utility, over that utility. (...)
        agent: which one that is; the first one of several. (...)
        by_agent: regret of each agent over its own utility. (..., K)
        scale: what ``by_agent`` is relative to: each agent's own utility, but at least a hundredth of the mean, which
            leaves an agent that has next to nothing (priced out, say) with a large share, not an endless one. (..., K)
    """

    mean: FloatArray
    worst: FloatArray
    agent: npt.NDArray[np.int64]
    by_agent: FloatArray
    scale: FloatArray


def relative_regret(regret: npt.ArrayLike, utility: npt.ArrayLike) -> RelativeRegret:
    """Regret relative to utility at equilibrium: of all agents together, and of the worst one.

    The mean alone hides an agent that forgoes much of what little it has. Each agent's regret and utility are means
    over the slots.

    Args:
        regret: of K agents of one side in S slots, in any unit; below zero, where rounding leaves it, it counts as
            none. (..., S, K)
        utility: what they have at equilibrium, in the same unit: utilities of MUs, best profits of ASPs. Losses count
            as nothing. (..., S, K)

    Returns:
        The :class:`RelativeRegret`. Slots that are markets of their own have agents of their own, too: put them all
        into one slot, ``regret.reshape(1, -1)``.

    Raises:
        ValueError: the shapes differ or hold no agent or no slot, or an entry is not finite.

    Source: docs/market.md#how-far-from-equilibrium.
    """
    missed, had = np.asarray(regret, np.float64), np.asarray(utility, np.float64)
    if missed.shape != had.shape or missed.ndim < 2 or 0 in missed.shape[-2:]:
        raise ValueError(f"regret and utility must both be (..., slots, agents), got {missed.shape} and {had.shape}")
    for name, values in (("regret", missed), ("utility", had)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite in every entry")
    missed, had = (np.maximum(values, 0.0).mean(axis=-2) for values in (missed, had))
    mean = had.mean(axis=-1)
    scale = np.maximum(had, LEAST_SHARE * mean[..., None])
    by_agent = share_of(missed, scale)
    agent = by_agent.argmax(axis=-1)
    worst = np.take_along_axis(by_agent, agent[..., None], axis=-1)[..., 0]
    return RelativeRegret(share_of(missed.mean(axis=-1), mean), worst, agent, by_agent, scale)


def share_of(part: FloatArray, whole: FloatArray) -> FloatArray:
    """A part over a whole, element by element; of nothing, a part is endlessly much and none is none."""
    endless = np.where(part > 0.0, np.inf, 0.0)
    share: FloatArray = np.divide(part, whole, out=endless, where=whole > 0.0)
    return share


@dataclass(frozen=True, eq=False)
class Certificate:
    """Regrets at the equilibrium, credits per slot.

    Attributes:
        leader_regret: what an MU could gain by other rewards, as found by a global search that shares nothing with the
            solver of first-order conditions; where that failed and best responses had the last word
            (``Equilibrium.residual`` is inf), they were found by the same search. (..., M)
        follower_regret: duality gap, an upper bound on what an ASP could gain by another allocation. (..., N)
        converged: no MU's regret can be more than ``tolerance`` of the mean utility of the MUs, and no duality gap is
            more than a thousandth of that of what the ASP itself is paid; one that is paid less than a hundredth of the
            mean is measured against that hundredth. (...)
        leader_regret_bound: proven upper bound on what an MU could gain by other rewards; what the proof leaves out is
            told at :func:`~aigc_market_env.leader_regret_bound`. (..., M)
    """

    leader_regret: FloatArray
    follower_regret: FloatArray
    converged: npt.NDArray[np.bool_]
    leader_regret_bound: FloatArray


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
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite, or ``tolerance`` is not a
            finite number > 0.

    Source: docs/market.md#how-far-from-equilibrium.
    """
    tolerance = positive_number("tolerance", tolerance)
    if response is None:
        response = follower_response(market, rewards)
    outcome = market.outcome(rewards, response.compute, response.bandwidth)
    found, gap = deviations(market, rewards), response.duality_gap
    converged = holds(market, found.regret_bound, outcome.mu_utility, gap, outcome.payment, tolerance)
    return Certificate(found.regret, gap, converged, found.regret_bound)


def holds(
    market: Market, bound: FloatArray, utility: FloatArray, gap: FloatArray, payment: FloatArray, tolerance: float
) -> npt.NDArray[np.bool_]:
    """Whether regrets and gaps are small enough; see :attr:`Certificate.converged`.

    Args:
        market: one market or a batch.
        bound: on each MU's regret, credits per slot. (..., M)
        utility: what each MU earns, credits per slot. (..., M)
        gap: each ASP's duality gap, credits per slot. (..., N)
        payment: credits per slot. (..., M, N)
        tolerance: leader regret that still counts as none, relative to the mean utility of the MUs.
    """
    smallest = least_utility(market)
    mean = np.maximum(utility.mean(axis=-1), smallest)
    paid = np.maximum(payment.sum(axis=-2), smallest[..., None])
    unpaid = relative_regret(gap[..., None, :], paid[..., None, :]).worst
    converged: npt.NDArray[np.bool_] = (bound.max(axis=-1) <= tolerance * mean) & (unpaid <= GAP_SHARE * tolerance)
    return converged


def least_utility(market: Market) -> FloatArray:
    """What regrets are relative to, (...), where nobody is served: there is no utility then, and nothing is paid."""
    smallest: FloatArray = np.finfo(np.float64).eps * market.satisfaction_scale.mean(axis=-1)
    return smallest


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
