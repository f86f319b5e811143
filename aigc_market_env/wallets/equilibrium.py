"""The oracle for whole episodes: an equilibrium along a known path (docs/wallets.md#equilibrium-of-an-episode).

Money has a price α in every slot, its costate. An MU then plays the slot as if its satisfaction were worth only the
share s = 1/(1 + α), its *level*: all slots at given levels are a batch of the slot's own oracle. What they cost says at
which levels the money would last (:mod:`~aigc_market_env.wallets.levels`); levels move there until they stay.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aigc_market_env.equilibrium.analytic import MOST_SEARCHED_PAIRS, solve_equilibrium
from aigc_market_env.equilibrium.certificate import GAP_SHARE, TOLERANCE, least_utility, relative_regret
from aigc_market_env.equilibrium.mixed import find_mixed
from aigc_market_env.equilibrium.mixture import drawn_rows, mixture_of, with_room
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.options import positive_number
from aigc_market_env.model.outcome import Outcome
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.level_search import SETTLED, Balanced, Slots, balanced_levels
from aigc_market_env.wallets.level_steps import AcceleratedSteps, DampedSteps
from aigc_market_env.wallets.paths import Purses, paths_of, stacked
from aigc_market_env.wallets.play import Episode, played, while_money_lasts
from aigc_market_env.wallets.posted import Posted, profiles_of
from aigc_market_env.wallets.regret import EpisodeRegret, regret_along
from aigc_market_env.wallets.spending import first_levels
from aigc_market_env.wallets.wallet import Wallet

#: Bounds on regrets are lowered to this share of the tolerance, and no further.
_ENOUGH = 0.1
#: Searches for mixtures with either kind of steps, each of the slots in which most is regretted after the one before.
_MIXED_SEARCHES = 2


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
        kind: "pure" or "mixed" where it is converged, and "none found" where not. Where somebody mixes, rewards are
            what is posted on average, which is not for posting, and the outcome and the money are on average. (...)
        supports: rows of rewards that each MU draws from in every slot, credits per QoE; one row for those who do not
            mix. MUs that have fewer than the largest number in the batch repeat their first. (..., T, M, K, N)
        probabilities: of each row, 0 for repeated ones. (..., T, M, K)
    """

    prices: FloatArray
    certificate: EpisodeRegret | None
    follower_regret: FloatArray
    converged: npt.NDArray[np.bool_]
    residual: FloatArray
    rounds: npt.NDArray[np.int64]
    kind: npt.NDArray[np.str_]
    supports: FloatArray
    probabilities: FloatArray

    def sample(self, rng: np.random.Generator) -> FloatArray:
        """Draw what every MU posts in every slot, independently; the rewards themselves where nobody mixes.

        Args:
            rng: one number is drawn for every MU and slot, whether it mixes or not.

        Returns:
            Rewards r, credits per QoE. (..., T, M, N)
        """
        return drawn_rows(self.supports, self.probabilities, rng)


def solve_wallet_equilibrium(
    path: Market, wallet: Wallet, *, tolerance: float = TOLERANCE, certify: bool = True, mixed: bool = False
) -> WalletEquilibrium:
    """Equilibrium of an episode whose path everybody knows, MUs having wallets and the ASPs responding exactly.

    Levels begin at 1, money being no concern. In every round all slots are solved, and levels go 0.8 of the way, on a
    log scale, to where the money would last, if what a slot costs were a line from the level at which the MU enters it;
    less of it after twelve rounds that brought little. It ends when no MU's spending is off by what is worth more than
    1e-9 of its utility, or after 100 rounds with the best of them. Where the certificate does not hold, levels that do
    not stay are moved once more by accelerated steps, and the slots in which most is regretted are searched once as the
    slot's own oracle does, the levels of all others balanced with them; the best answer is returned. All this is a
    search, and the certificate, which trusts none of it, is the proof.

    Args:
        path: markets of T slots, batch axes (..., T).
        wallet: amounts in credits, that broadcast to (..., M).
        tolerance: regret over the episode that still counts as none, relative to the mean utility of the MUs.
        certify: compute the certificate, which takes longer than the solution.
        mixed: where the certificate refuses the pure answer, have MUs mix in the slots in which most is regretted; what
            they pay there is what they pay on average (docs/wallets.md#mixing). That takes seconds to
            half a minute for a path of 32 slots, and minutes where it is in vain. Markets of more than 400 pairs of MUs
            and ASPs are not searched.

    Returns:
        The :class:`WalletEquilibrium`, what is played under the rule of money. In slots where no equilibrium is found
        it holds the best point met, and ``certificate.slot_regret_bound`` tells what that costs.

    Raises:
        ValueError: the path has no slots, the wallet is not in credits or does not fit it, or ``tolerance`` is not a
            finite number > 0, or ``mixed`` is asked for without ``certify``.

    Source: docs/wallets.md#equilibrium-of-an-episode.
    """
    tolerance = positive_number("tolerance", tolerance)
    if mixed and not certify:
        raise ValueError("mixed answers are found where a certificate refuses the pure one: leave certify=True")
    mixed = mixed and path.num_mus * path.num_asps <= MOST_SEARCHED_PAIRS
    batch, paths, purses = paths_of(path, wallet)
    found = [_solve(*one, tolerance, certify, mixed) for one in zip(paths, purses, strict=True)]
    most = max(answer.probabilities.shape[-1] for answer in found)
    return stacked(batch, [_with_room(answer, most) for answer in found])


def _solve(path: Market, purses: Purses, tolerance: float, certify: bool, mixed: bool) -> WalletEquilibrium:
    """One path (T,)."""
    begin, highest = _all_free(path, purses), first_levels(purses)

    def accelerated() -> AcceleratedSteps:
        return AcceleratedSteps(highest)

    def answer(begin: Slots, steps: DampedSteps | AcceleratedSteps) -> WalletEquilibrium:
        return _answer(path, purses, balanced_levels(path, purses, begin, tolerance, steps), tolerance, certify)

    found = answer(begin, DampedSteps())
    if found.certificate is None:
        return found
    if not found.converged and found.residual > SETTLED:
        found = _better(found, answer(begin, accelerated()))
    searches: list[tuple[_Search, Callable[[], DampedSteps | AcceleratedSteps]]] = [(_searched, DampedSteps)]
    if mixed:
        searches += [(_mixed, accelerated), (_mixed, DampedSteps)] * _MIXED_SEARCHES
    for search, steps in searches:
        if found.converged:
            break
        other_begin = search(path, begin, found, tolerance)
        other = answer(other_begin, steps())
        if _better(found, other) is other:
            begin, found = other_begin, other
    return found


def _better(found: WalletEquilibrium, other: WalletEquilibrium) -> WalletEquilibrium:
    """The answer whose largest regret is bounded by less."""
    assert found.certificate is not None
    assert other.certificate is not None
    return other if other.certificate.regret_bound.max() < found.certificate.regret_bound.max() else found


def _answer(path: Market, purses: Purses, balanced: Balanced, tolerance: float, certify: bool) -> WalletEquilibrium:
    """What is played at rewards that were balanced, and its certificate."""
    posted = while_money_lasts(path, balanced.posted, purses)
    episode, profiles = played(path, posted, purses), profiles_of(path, posted)
    gaps = profiles.mean(follower_response(profiles.market, profiles.rewards).duality_gap)
    certificate, converged = None, balanced.residual <= SETTLED and balanced.slots_solved
    if certify:
        enough = _ENOUGH * tolerance * float(episode.outcome.mu_utility.sum(axis=0).mean())
        certificate = regret_along(path, posted, purses, balanced.levels, enough)
        converged = _holds(path, certificate.regret_bound, episode.outcome, gaps, tolerance)
    return WalletEquilibrium(
        episode.rewards,
        episode.money,
        episode.time_share,
        episode.outcome,
        1.0 / balanced.levels - 1.0,
        certificate,
        gaps,
        np.asarray(converged),
        np.asarray(balanced.residual),
        np.asarray(balanced.rounds),
        np.asarray(("mixed" if profiles.mixed.any() else "pure") if converged else "none found"),
        *posted.padded(),
    )


def _with_room(found: WalletEquilibrium, most: int) -> WalletEquilibrium:
    """The same with room for ``most`` support rows of an MU."""
    supports, probabilities = with_room(found.supports, found.probabilities, most)
    return replace(found, supports=supports, probabilities=probabilities)


def _holds(path: Market, bound: FloatArray, outcome: Outcome, gaps: FloatArray, tolerance: float) -> bool:
    """As of the slot's own certificate, with sums over the slots of one path."""
    smallest = least_utility(path)
    mean = max(float(outcome.mu_utility.mean(axis=-1).sum()), float(smallest.sum()))
    paid = np.maximum(outcome.payment.sum(axis=-2), smallest[:, None])
    return bool(bound.max() <= tolerance * mean and relative_regret(gaps, paid).worst <= GAP_SHARE * tolerance)


#: What gives other places to begin at, from those before and what was found from there.
_Search = Callable[[Market, Slots, "WalletEquilibrium", float], Slots]


def _all_free(path: Market, purses: Purses) -> Slots:
    """All slots are to be solved, money being no concern at first."""
    return Slots(
        first_levels(purses) * np.ones_like(path.satisfaction_scale), np.zeros(path.batch_shape, dtype=bool), None
    )


def _searched(path: Market, begun: Slots, found: WalletEquilibrium, tolerance: float) -> Slots:
    """The slots in which most is regretted, with what the slot's own search of other places finds there."""
    chosen, fine = _missed_slots(found, tolerance)
    rewards = found.rewards.copy()
    rewards[chosen] = solve_equilibrium(_paced(path, found)[chosen], start=rewards[chosen], tolerance=fine).rewards
    held = begun.held.copy()
    held[chosen] = True
    return Slots(_levels_of(found), held, Posted(rewards, {}))


def _mixed(path: Market, begun: Slots, found: WalletEquilibrium, tolerance: float) -> Slots:
    """The slots in which most is regretted, with mixtures that are less exploitable; others are what they were."""
    chosen, fine = _missed_slots(found, tolerance)
    mixtures = {t: mixture_of(found.supports[t], found.probabilities[t]) for t in range(len(found.rewards))}
    judged = find_mixed(_paced(path, found).flat, chosen, [mixtures[t] for t in chosen], fine)
    kept = {t: mixtures[t] for t in (begun.posted.mixtures if begun.posted else ())}
    kept |= {int(t): one.mixture for t, one in zip(chosen, judged, strict=True)}
    held = begun.held.copy()
    held[chosen] = False
    return Slots(_levels_of(found), held, Posted(found.rewards, {}).with_mixtures(kept))


def _missed_slots(found: WalletEquilibrium, tolerance: float) -> tuple[npt.NDArray[np.int64], float]:
    """So many slots that the rest regret less than half of the tolerance together, and how fine to solve them."""
    assert found.certificate is not None
    missed = found.certificate.slot_regret_bound
    order = np.argsort(-missed.max(axis=1), kind="stable")
    rest = missed[order[::-1]].cumsum(axis=0)[::-1].max(axis=1)  # regret of a slot in this order and all after it
    allowed = 0.5 * tolerance * float(found.outcome.mu_utility.sum(axis=0).mean())
    chosen = order[: max(int((rest > allowed).sum()), 1)]
    return chosen, 0.5 * tolerance * len(order) / len(chosen)


def _levels_of(found: WalletEquilibrium) -> FloatArray:
    levels: FloatArray = 1.0 / (1.0 + found.prices)
    return levels


def _paced(path: Market, found: WalletEquilibrium) -> Market:
    """The markets (T,) in which MUs want what they want at the levels found."""
    return path.replace(satisfaction_scale=path.satisfaction_scale * _levels_of(found))
