"""The oracle for whole episodes: an equilibrium along a known path (docs/wallets.md#equilibrium-of-an-episode).

Money has a price α in every slot, its costate. An MU then plays the slot as if its satisfaction were worth only the
share s = 1/(1 + α), its *level*: all slots at given levels are a batch of the slot's own oracle. What they cost says at
which levels the money would last (:mod:`~aigc_market_env.wallets.levels`); levels move there until they stay.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.equilibrium.analytic import solve_equilibrium
from aigc_market_env.equilibrium.certificate import GAP_SHARE, TOLERANCE, least_utility, relative_regret
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.options import positive_number
from aigc_market_env.model.outcome import Outcome
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.paths import Purses, paths_of, stacked
from aigc_market_env.wallets.play import Episode, play_path
from aigc_market_env.wallets.regret import EpisodeRegret, regret_along
from aigc_market_env.wallets.spending import SpendingLines, entry_levels, first_levels
from aigc_market_env.wallets.wallet import Wallet

#: Rounds at most, and the error in spending, over utility, that counts as none.
_ROUNDS, _SETTLED = 100, 1e-9
#: Bounds on regrets are lowered to this share of the tolerance, and no further.
_ENOUGH = 0.1
#: Share of the way to new levels, on a log scale, that is gone in a round; it is halved after so many rounds in which
#: the error did not fall to this share.
_DAMPING, _PATIENCE, _LOWER = 0.8, 12, 0.9


@dataclass(frozen=True, eq=False)
class WalletEquilibrium(Episode):
    """An equilibrium of an episode, as far as its certificate says so, and what is played.

    Attributes:
        prices: of money in every slot, α: what a credit is worth beyond itself; 0 where an MU has enough, and 1e12, the
            highest there is, for an MU that never has any. (..., T, M)
        certificate: what each MU could gain over the episode by other rewards, computed separately; None when it was
            not asked for.
        follower_regret: duality gap of each ASP in every slot, credits. (..., T, N)
        converged: no MU's regret over the episode can be more than the tolerance of the MUs' mean utility, and the gaps
            of no ASP are more than a thousandth of that of what it is paid; without a certificate, whether levels and
            slots were solved. (...)
        residual: what it is worth to an MU, over its utility, that it does not spend what makes its money last. (...)
        rounds: in which levels moved. (...)
    """

    prices: FloatArray
    certificate: EpisodeRegret | None
    follower_regret: FloatArray
    converged: npt.NDArray[np.bool_]
    residual: FloatArray
    rounds: npt.NDArray[np.int64]


def solve_wallet_equilibrium(
    path: Market, wallet: Wallet, *, tolerance: float = TOLERANCE, certify: bool = True
) -> WalletEquilibrium:
    """Equilibrium of an episode whose path everybody knows, MUs having wallets and the ASPs responding exactly.

    Levels begin at 1, money being no concern. In every round all slots are solved, and levels go 0.8 of the way, on a
    log scale, to where the money would last, if what a slot costs were a line from the level at which the MU enters it;
    less of it after twelve rounds that brought little. It ends when no MU's spending is off by what is worth more than
    1e-9 of its utility, or after 100 rounds with the best of them. Where the certificate does not hold, the slots in
    which most is regretted are searched once as the slot's own oracle does, and the levels of all others balanced with
    them; the better of both answers is returned. All this is a search, and the certificate, which trusts none of it, is
    the proof.

    Args:
        path: markets of T slots, batch axes (..., T).
        wallet: amounts in credits, that broadcast to (..., M).
        tolerance: regret over the episode that still counts as none, relative to the mean utility of the MUs.
        certify: compute the certificate, which takes longer than the solution.

    Returns:
        The :class:`WalletEquilibrium`, what is played under the rule of money. In slots where no pure equilibrium is
        found it holds the best point met, and ``certificate.slot_regret_bound`` tells what that costs.

    Raises:
        ValueError: the path has no slots, the wallet is not in credits or does not fit it, or ``tolerance`` is not a
            finite number > 0.

    Source: docs/wallets.md#equilibrium-of-an-episode.
    """
    tolerance = positive_number("tolerance", tolerance)
    batch, paths, purses = paths_of(path, wallet)
    return stacked(batch, [_solve(*one, tolerance, certify) for one in zip(paths, purses, strict=True)])


def _solve(path: Market, purses: Purses, tolerance: float, certify: bool) -> WalletEquilibrium:
    """One path (T,)."""
    found = _answer(path, purses, _balance(path, purses, _all_free(path, purses)), tolerance, certify)
    if found.certificate is None or found.converged:
        return found
    other = _answer(path, purses, _balance(path, purses, _searched(path, found, tolerance)), tolerance, certify)
    assert other.certificate is not None
    better = other.certificate.regret_bound.max() < found.certificate.regret_bound.max()
    return other if better else found


def _answer(path: Market, purses: Purses, balanced: "_Balanced", tolerance: float, certify: bool) -> WalletEquilibrium:
    """What is played at rewards that were balanced, and its certificate."""
    played = play_path(path, balanced.rewards, purses)
    gaps = follower_response(path, played.rewards).duality_gap
    certificate, converged = None, balanced.residual <= _SETTLED and balanced.slots_solved
    if certify:
        enough = _ENOUGH * tolerance * float(played.outcome.mu_utility.sum(axis=0).mean())
        certificate = regret_along(path, balanced.rewards, purses, balanced.levels, enough)
        converged = _holds(path, certificate.regret_bound, played.outcome, gaps, tolerance)
    return WalletEquilibrium(
        played.rewards,
        played.money,
        played.time_share,
        played.outcome,
        1.0 / balanced.levels - 1.0,
        certificate,
        gaps,
        np.asarray(converged),
        np.asarray(balanced.residual),
        np.asarray(balanced.rounds),
    )


def _holds(path: Market, bound: FloatArray, outcome: Outcome, gaps: FloatArray, tolerance: float) -> bool:
    """As of the slot's own certificate, with sums over the slots of one path."""
    smallest = least_utility(path)
    mean = max(float(outcome.mu_utility.mean(axis=-1).sum()), float(smallest.sum()))
    paid = np.maximum(outcome.payment.sum(axis=-2), smallest[:, None])
    return bool(bound.max() <= tolerance * mean and relative_regret(gaps, paid).worst <= GAP_SHARE * tolerance)


class _Slots(NamedTuple):
    """Where levels begin, and slots in which rewards stay what they are while levels move."""

    levels: FloatArray  # (T, M)
    held: npt.NDArray[np.bool_]  # (T,)
    rewards: FloatArray | None  # (T, M, N)


def _all_free(path: Market, purses: Purses) -> _Slots:
    """All slots are to be solved, money being no concern at first."""
    return _Slots(
        first_levels(purses) * np.ones_like(path.satisfaction_scale), np.zeros(path.batch_shape, dtype=bool), None
    )


def _searched(path: Market, found: WalletEquilibrium, tolerance: float) -> _Slots:
    """The slots in which most is regretted, with what the slot's own search of other places finds there.

    So many that the rest regret less than half of the tolerance together; slots are searched as finely as that asks.
    """
    assert found.certificate is not None
    levels, rewards, missed = 1.0 / (1.0 + found.prices), found.rewards.copy(), found.certificate.slot_regret_bound
    order = np.argsort(-missed.max(axis=1), kind="stable")
    rest = missed[order[::-1]].cumsum(axis=0)[::-1].max(axis=1)  # regret of a slot in this order and all after it
    allowed = 0.5 * tolerance * float(found.outcome.mu_utility.sum(axis=0).mean())
    chosen = order[: max(int((rest > allowed).sum()), 1)]
    slots = path[chosen].replace(satisfaction_scale=(path.satisfaction_scale * levels)[chosen])
    fine = 0.5 * tolerance * len(order) / len(chosen)
    rewards[chosen] = solve_equilibrium(slots, start=rewards[chosen], tolerance=fine).rewards
    held = np.zeros(len(order), dtype=bool)
    held[chosen] = True
    return _Slots(levels, held, rewards)


class _Balanced(NamedTuple):
    """Levels (T, M) and the rewards (T, M, N) of slots at them."""

    levels: FloatArray
    rewards: FloatArray
    residual: float  # what the error in spending is worth
    rounds: int
    slots_solved: bool


def _balance(path: Market, purses: Purses, begin: _Slots) -> _Balanced:
    """The levels of one path (T,) that stay, or the best met."""
    levels, held, rewards = begin
    free = np.flatnonzero(~held)
    lines, damping, waited = SpendingLines(path), _DAMPING, 0
    best, mark = _Balanced(levels, levels, np.inf, 0, False), np.inf
    for rounds in range(1, _ROUNDS + 1):
        rewards, solved = _solve_slots(path, levels, rewards, free)
        response = follower_response(path, rewards)
        outcome = path.outcome(rewards, response.compute, response.bandwidth)
        entry = entry_levels(path, response.compute_price[:, None], response.bandwidth_price[:, None])
        lines.pass_through(levels, outcome.service_cost, entry)
        target = lines.levels(purses)
        error = lines.error_of(target, outcome.mu_utility)
        if error < best.residual:
            best = _Balanced(levels, rewards, error, rounds, solved)
        if error <= _SETTLED:
            break
        mark, waited = (error, 0) if error <= _LOWER * mark else (mark, waited + 1)
        if waited == _PATIENCE:
            damping, waited, mark = 0.5 * damping, 0, error
        levels = levels * (target / levels) ** damping
    return best._replace(rounds=rounds)


def _solve_slots(
    path: Market, levels: FloatArray, rewards: FloatArray | None, free: npt.NDArray[np.int64]
) -> tuple[FloatArray, bool]:
    """Rewards (T, M, N) at these levels, in slots that are not free as they were; and whether all slots are solved."""
    paced = path.replace(satisfaction_scale=path.satisfaction_scale * levels)
    if rewards is None:
        found = solve_equilibrium(paced, certify=False)
        return found.rewards, bool((found.kind == "pure").all())
    if not len(free):
        return rewards, False
    found = solve_equilibrium(paced[free], start=rewards[free], certify=False)
    rewards = rewards.copy()
    rewards[free] = found.rewards
    return rewards, len(free) == len(rewards) and bool((found.kind == "pure").all())
