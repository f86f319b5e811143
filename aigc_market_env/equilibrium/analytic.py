"""The reference oracle: the equilibrium of the leaders' game, with a certificate (docs/equilibrium.md).

All leaders move at once: the first-order conditions of every served pair, the followers' conditions and the selection
on kinks are one square system (:mod:`~aigc_market_env.equilibrium.system`), solved by Newton steps
(:mod:`~aigc_market_env.equilibrium.newton`). The certificate comes from a search of all rewards, which trusts none
of this. Where Newton steps fail, best responses by that same search are the last resort.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.equilibrium.best_responses import least_regret
from aigc_market_env.equilibrium.certificate import TOLERANCE, Certificate, certify_rewards
from aigc_market_env.equilibrium.dual_perturbation import DualPerturbation
from aigc_market_env.equilibrium.mixed import mixed_where_refused
from aigc_market_env.equilibrium.newton import SOLVED, WIDE, solve
from aigc_market_env.equilibrium.solution import Equilibrium
from aigc_market_env.equilibrium.start import new_start, start_from
from aigc_market_env.equilibrium.system import System, log_worth_of, new_system, put_log_worth, reward_of
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model import satisfaction
from aigc_market_env.model.checks import link_arrays, market_index
from aigc_market_env.model.options import positive_number
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: Rewards that the solver starts from by default, as a share of the reward bound.
_START = 0.3
#: Further attempts, as (share of the reward bound to start from, initial sliver), when the first one fails.
_ATTEMPTS = ((0.6, 1.0), (0.1, 0.03), (0.6, 3.0), (0.3, 1e-6), (0.6, 0.3), (0.1, 0.3))
#: Number of pairs up to which best responses, and mixtures after them, take seconds rather than hours.
MOST_SEARCHED_PAIRS = 400


def solve_equilibrium(
    market: Market,
    *,
    start: npt.ArrayLike | Callable[[Market], npt.ArrayLike] | Literal["dual_perturbation"] | None = None,
    tolerance: float = TOLERANCE,
    certify: bool = True,
    mixed: bool = False,
) -> Equilibrium:
    """Equilibrium of the leaders' game, the followers responding exactly.

    Args:
        market: one market or a batch.
        start: rewards to start from, (..., M, N), credits per QoE, or a function that gives them for a market, such as
            a trained policy's; "dual_perturbation" for those that 20 probes of :class:`DualPerturbation` learn; by
            default 0.3 of the reward bound. Where the market has several equilibria, it may decide which is found.
        tolerance: leader regret that still counts as none, relative to the mean equilibrium utility of the MUs.
        certify: compute the certificate, which takes longer than the solution.
        mixed: where the certificate refuses the pure answer, search for an equilibrium in which MUs mix: some tenths of
            a second for each such market, up to some ten seconds where that is in vain. Markets of more than 400 pairs
            of MUs and ASPs are not searched.

    Returns:
        The :class:`Equilibrium`, with the market's batch axes. When the solver fails, it holds the best point
        found, or with ``mixed`` the best mixture, and ``certificate.converged`` is False.

    Raises:
        ValueError: ``start`` has a wrong shape, or an entry that is negative or not finite, or ``tolerance`` is not a
            finite number > 0, or ``mixed`` is asked for without ``certify``.

    Source: docs/market.md#what-a-user-does.
    """
    tolerance = positive_number("tolerance", tolerance)
    if mixed and not certify:
        raise ValueError("mixed answers are found where a certificate refuses the pure one: leave certify=True")
    if isinstance(start, str):
        if start != "dual_perturbation":
            raise ValueError(f"start must be None, rewards, a function or 'dual_perturbation', got {start!r}")
        start = DualPerturbation(rounds=10).run(market, np.random.default_rng(0)).rewards
    elif callable(start):
        start = start(market)
    default, given = np.broadcast_to(_START * market.reward_bound[..., None], market.accuracy.shape), start is not None
    if start is None:
        start = default
    batch, flat = link_arrays(market, start=start)
    size, m, n = flat["start"].shape
    index = market_index(market, batch)
    rewards, residual, steps = np.empty((size, m, n)), np.empty(size), np.empty(size, dtype=np.int64)
    over_markets(_solve, size, market.flat, index, flat["start"], given, rewards, residual, steps, min_slice=4)
    rewards, residual, steps = rewards.reshape(*batch, m, n), residual.reshape(batch), steps.reshape(batch)
    if not certify:
        return _settled(market, rewards, None, residual, steps)
    certificate = certify_rewards(market, rewards, tolerance=tolerance)
    failed, searched = np.flatnonzero(~certificate.converged), m * n <= MOST_SEARCHED_PAIRS
    if len(failed) and searched:
        tried = rewards.reshape(size, m, n).copy()
        begin = np.broadcast_to(default, rewards.shape).reshape(size, m, n)
        tried[failed] = least_regret(market.flat, index[failed], tried[failed], begin[failed], tolerance)
        tried = tried.reshape(*batch, m, n)
        after = certify_rewards(market, tried, tolerance=tolerance)
        better = after.leader_regret_bound.max(axis=-1) < certificate.leader_regret_bound.max(axis=-1)
        rewards = np.where(better[..., None, None], tried, rewards)
        residual = np.where(better, np.inf, residual)
        certificate = Certificate(
            np.where(better[..., None], after.leader_regret, certificate.leader_regret),
            np.where(better[..., None], after.follower_regret, certificate.follower_regret),
            np.where(better, after.converged, certificate.converged),
            np.where(better[..., None], after.leader_regret_bound, certificate.leader_regret_bound),
        )
    found = _settled(market, rewards, certificate, residual, steps)
    return mixed_where_refused(market, index, found, tolerance) if mixed and searched else found


def _settled(
    market: Market,
    rewards: FloatArray,
    certificate: Certificate | None,
    residual: FloatArray,
    iterations: npt.NDArray[np.int64],
) -> Equilibrium:
    """The answer that these rewards are, nobody mixing."""
    response = follower_response(market, rewards)
    outcome = market.outcome(rewards, response.compute, response.bandwidth)
    kind = np.where(residual <= SOLVED if certificate is None else certificate.converged, "pure", "none found")
    ones = np.ones((*rewards.shape[:-1], 1))
    return Equilibrium(
        rewards, outcome, certificate, residual, iterations, np.asarray(kind), rewards[..., None, :], ones
    )


# A batch of markets --------------------------------------------------------------------------------------------------


@compiled
def _solve(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    initial: FloatArray,
    given: bool,
    rewards: FloatArray,
    residual: FloatArray,
    steps: npt.NDArray[np.int64],
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    begin, s, posted = new_start(num_mus, num_asps), new_system(num_mus, num_asps), np.empty((num_asps, num_mus))
    for i in range(start, stop):
        k = index[i]
        residual[i], steps[i] = np.inf, 0
        for attempt in range(len(_ATTEMPTS) + 1):
            wide = WIDE
            posted[:] = initial[i].T
            if attempt > 0:
                share, wide = _ATTEMPTS[attempt - 1]
                for m in range(num_mus):
                    scale, requirement, satiation = wants_of(market, k, m)
                    posted[:, m] = satisfaction.marginal(0.0, satisfaction.Wants(share * scale, requirement, satiation))
            start_from(market, k, posted, begin, s)
            _raise_worths(market, k, posted, s)
            left, taken = solve(wide, given and attempt == 0, s)
            steps[i] += taken
            if left < residual[i] or attempt == 0:
                residual[i] = left
                for m in range(num_mus):
                    bound = satisfaction.marginal(0.0, wants_of(market, k, m))
                    for n in range(num_asps):
                        posted[n, m] = min(reward_of(s, n, m), bound)
                        rewards[i, m, n] = posted[n, m] if np.isfinite(posted[n, m]) else initial[i, m, n]
            if residual[i] <= SOLVED:
                break


@compiled
def _raise_worths(market: MarketArrays, k: int, posted: FloatArray, s: System) -> None:
    """Have satiated MUs start from a worth of QoE at least as high as their rewards (N, M), as it is where these pay.

    What a start buys too much of may be worth nothing at all to them, hundreds of Newton steps of log V away.
    """
    for m in range(posted.shape[1]):
        if market.satiation[k, m] > 0.0:
            put_log_worth(s, m, max(log_worth_of(s, m), math.log(max(posted[:, m].max(), 1e-300))))
