"""The search for a mixed equilibrium in one market (docs/equilibrium.md#mixed-equilibria).

The MU that gains most by deviating gets its best row beside its own; then two time scales: all rows climb to peaks of
their own, while the probabilities of those who mix move until their rows are worth the same. Where that fails, rows of
those who mix stay as they are, and the finite game that they make grows by best responses (double oracle). Whatever is
found is judged by best responses of all MUs against the mixture, with bounds.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env.equilibrium.bimatrix import bimatrix_equilibrium
from aigc_market_env.equilibrium.mixture import Mixture
from aigc_market_env.equilibrium.mixture_play import (
    Play,
    best_rows,
    climb_rows,
    new_play,
    profile_utilities,
    row_utilities,
)
from aigc_market_env.equilibrium.probability_steps import OptimisticSteps, SignSteps, softmax
from aigc_market_env.model.parameters import FloatArray, MarketArrays

#: Rounds of best responses, at most; joint profiles of support rows, at most; rows of an MU kept for the finite game.
_ROUNDS, _PROFILES, _ROWS = 12, 24, 8
#: Work that a market is worth, in sweeps times profiles times M²N: some seconds. Sweeps that take as long as a search.
_WORK, _SWEEPS_OF_SEARCH = 4_000_000, 20
#: In the finite game, best rows are added of MUs that gain at least this share of the largest gain.
_ADDED = 0.2
#: The search ends when the bound on every regret is within this share of the tolerance.
_AIM = 0.1
#: Rows of less probability are dropped, once all have climbed, or in the finite game.
_DROPPED, _DROPPED_FIXED = 1e-5, 1e-4
#: Steps of the probabilities, at most, if one MU mixes and if several do, and at least; sweeps of climbs between two.
_STEPS, _STEPS_OF_SEVERAL, _LEAST_STEPS, _SWEEPS = 100, 200, 10, 2
#: What may be missed by the probabilities when the steps end, relative to the mean utility; in a finite game, this
#: share of what was missed without its last rows. Moves that count as none, if rows of those who mix climb and if not.
_SETTLED, _SETTLED_FIXED, _AT_REST, _AT_REST_FIXED = 1e-9, 1e-2, 1e-7, 1e-4
#: Longest relative moves of rewards in a sweep: of MUs with one row, at first and in the end, and of those who mix; and
#: what becomes of the limit after a sweep that meets it.
_LONGEST_MOVE, _SHORTEST_MOVE, _MIXED_MOVE, _LESS = 1e-2, 1e-5, 1e-3, 0.85
#: Times that twins are taken together before rows are levelled.
_MERGERS = 4
#: Levelling: difference of rows that is none, relative to the mean utility; steps at most; change of log odds that
#: slopes are taken by, and longest step; singular values of the slopes that count as 0; sweeps at each step.
_LEVEL, _LEVELS, _NUDGE, _LONGEST_STEP, _SINGULAR, _SWEEPS_OF_LEVELS = 1e-10, 12, 1e-2, 0.5, 1e-9, 20


@dataclass
class Judged:
    """A mixture and every MU's best deviation from it, credits per slot.

    Attributes:
        mixture: what was judged.
        best: every MU's best row against the mixture of the others. (M, N)
        regret: what the MU gains by it. (M,)
        bound: what no row gains more than. (M,)
        utility: what the MU earns by the mixture. (M,)
    """

    mixture: Mixture
    best: FloatArray
    regret: FloatArray
    bound: FloatArray
    utility: FloatArray

    @property
    def exploitability(self) -> float:
        """The largest bound on a regret over the mean utility of the MUs."""
        mean = float(self.utility.mean())
        return float(self.bound.max()) / mean if mean > 0.0 else np.inf


def judge(market: MarketArrays, k: int, mixture: Mixture) -> Judged:
    """Best responses of all MUs against a mixture in market ``k`` of a flat batch, with bounds."""
    num_mus, num_asps = len(mixture.rows), mixture.rows[0].shape[1]
    best, found = np.empty((num_mus, num_asps)), np.empty((3, num_mus))
    best_rows(market, k, new_play(market, k, *mixture.padded(), mixture.sizes), best, found)
    return Judged(mixture, best, found[0] - found[2], found[1] - found[2], found[2])


class MixedSearch:
    """The search for a mixed equilibrium in one market."""

    def __init__(self, market: MarketArrays, k: int, rewards: FloatArray, tolerance: float) -> None:
        self.market, self.k, self.aim = market, k, _AIM * tolerance
        ones = np.ones(1)
        self.work = 0
        self.start = Mixture([row[None].copy() for row in rewards], [ones] * len(rewards))
        self.best = self.judge(self.start)
        self.scale = float(self.best.utility.mean())

    def run(self) -> Judged:
        """The least exploitable mixture that is found, which may be the rewards that the search starts from."""
        here, pool = self.best, self.start
        for _ in range(_ROUNDS):
            if self.ended():
                break
            free = self.note(self.judge(self.settled(self.grown(here, 1.0))))
            if self.ended():
                break
            if len(self.start.rows) == 2:
                mixture = pool = self.matched(pool, here)
            else:
                enough = _SETTLED_FIXED * float(here.regret.max()) / self.scale
                mixture = self.balanced(self.grown(here, _ADDED), 0.0, enough)
            fixed = self.note(self.judge(mixture.reduced(_DROPPED_FIXED)))
            here = free if free.exploitability < 0.5 * fixed.exploitability else fixed
        return self.best

    def ended(self) -> bool:
        """Whether the best mixture met is as good as is asked for, or the work is done that a market is worth."""
        return self.best.exploitability <= self.aim or self.work > _WORK or not self.scale > 0.0

    def count(self, sweeps: int, profiles: int) -> None:
        """Count the work of so many sweeps over all rewards, or what takes as long."""
        num_mus, num_asps = len(self.start.rows), self.start.rows[0].shape[1]
        self.work += sweeps * profiles * num_mus * num_mus * num_asps

    def note(self, judged: Judged) -> Judged:
        """Remember the least exploitable mixture."""
        if judged.exploitability < self.best.exploitability:
            self.best = judged
        return judged

    def judge(self, mixture: Mixture) -> Judged:
        """Best responses of all MUs against the mixture."""
        self.count(_SWEEPS_OF_SEARCH, mixture.profiles)
        return judge(self.market, self.k, mixture)

    def play(self, mixture: Mixture) -> Play:
        """The mixture, played out."""
        return new_play(self.market, self.k, *mixture.padded(), mixture.sizes)

    def grown(self, judged: Judged, share: float) -> Mixture:
        """The mixture with the best rows of MUs that gain at least this share of the largest gain."""
        mixture = judged.mixture
        order = np.argsort(-judged.regret)
        for m in order[judged.regret[order] >= share * judged.regret.max()]:
            more = mixture.with_row(m, judged.best[m])
            if more.profiles <= _PROFILES:
                mixture = more
        return mixture

    def settled(self, mixture: Mixture) -> Mixture:
        """The mixture after all rows have climbed to peaks, those of MUs that mix equally good, as far as can be."""
        for _ in range(_MERGERS):
            mixture = self.balanced(mixture, _MIXED_MOVE, _SETTLED)
            smaller = mixture.reduced(_DROPPED)
            if smaller.profiles == mixture.profiles:
                break
            mixture = smaller
        return self.levelled(mixture).reduced(_DROPPED)

    def balanced(self, mixture: Mixture, mixed_move: float, enough: float) -> Mixture:
        """Two time scales: rows climb, and probabilities of those who mix follow what the rows are worth.

        Moves are limited, the more the longer they do not end, so that rows stay at peaks of their own. Rows of those
        who mix stay as they are where ``mixed_move`` is 0. Ends when nobody could earn ``enough`` more by other
        probabilities, relative to the mean utility, or with twins.
        """
        p, limit = self.play(mixture), _LONGEST_MOVE
        mixing = np.flatnonzero(p.sizes > 1)
        several, utilities = len(mixing) > 1, np.empty(p.probabilities.shape)
        rule = OptimisticSteps if several else SignSteps
        steps = {m: rule(p.probabilities[m, : p.sizes[m]]) for m in mixing}
        for count in range(_STEPS_OF_SEVERAL if several else _STEPS):
            moved = climb_rows(self.market, self.k, p, _SWEEPS, limit, min(mixed_move, limit))
            self.count(_SWEEPS, p.posted.shape[1])
            if moved >= 0.5 * limit:
                limit = max(_LESS * limit, _SHORTEST_MOVE)
            row_utilities(self.market, self.k, p, utilities)
            at_rest = moved <= (_AT_REST if mixed_move > 0.0 else _AT_REST_FIXED)
            if at_rest and count >= _LEAST_STEPS and self.missed(p, utilities) <= enough:
                break
            for m, step in steps.items():
                p.probabilities[m, : p.sizes[m]] = step.moved(utilities[m, : p.sizes[m]])
            if mixed_move > 0.0 and count % _LEAST_STEPS == 0 and _mixture(p).twins:
                break
        return _mixture(p)

    def missed(self, p: Play, utilities: FloatArray) -> float:
        """The most that an MU could earn more by other probabilities of its rows, relative to the mean utility."""
        least = 0.0
        for m in np.flatnonzero(p.sizes > 1):
            own = utilities[m, : p.sizes[m]]
            least = max(least, float(own.max() - p.probabilities[m, : p.sizes[m]] @ own))
        return least / self.scale

    def levelled(self, mixture: Mixture) -> Mixture:
        """The mixture with log odds by Broyden's method, the rows climbing at each, so that rows are equally good."""
        p = self.play(mixture)
        mixing = np.flatnonzero(p.sizes > 1)
        if not len(mixing):
            return mixture

        def excess(odds: FloatArray) -> FloatArray:
            _set_odds(p, odds)
            climb_rows(self.market, self.k, p, _SWEEPS_OF_LEVELS, _MIXED_MOVE, _MIXED_MOVE)
            self.count(_SWEEPS_OF_LEVELS, p.posted.shape[1])
            utilities = np.empty(p.probabilities.shape)
            row_utilities(self.market, self.k, p, utilities)
            return np.concatenate([utilities[m, 1 : p.sizes[m]] - utilities[m, 0] for m in mixing]) / self.scale

        odds = np.concatenate([np.log(q[1:] / q[0]) for q in mixture.probabilities])
        level = excess(odds)
        best, kept = float(abs(level).max()), _mixture(p)
        if best <= _LEVEL:
            return kept
        slopes = np.empty((len(odds), len(odds)))
        for j in range(len(odds)):
            nudged = odds.copy()
            nudged[j] += _NUDGE
            slopes[:, j] = (excess(nudged) - level) / _NUDGE
        for _ in range(_LEVELS):
            step = -np.linalg.lstsq(slopes, level, rcond=_SINGULAR)[0]
            step *= min(1.0, _LONGEST_STEP / max(float(abs(step).max()), _LONGEST_STEP))
            if not step.any():
                break
            odds = odds + step
            after = excess(odds)
            slopes += np.outer(after - level - slopes @ step, step) / (step @ step)
            level = after
            if abs(level).max() < best:
                best, kept = float(abs(level).max()), _mixture(p)
            if best <= _LEVEL:
                break
        return kept

    def matched(self, pool: Mixture, judged: Judged) -> Mixture:
        """An equilibrium of the finite game of two MUs that best rows are added to; all rows of it, some not posted.

        Source: Kroupa and Votroubek, Multiple oracle algorithm to solve continuous games, GameSec 2022.
        """
        pool = Mixture(list(pool.rows), list(pool.probabilities))
        for m in range(2):
            if judged.regret[m] > self.aim * _SETTLED_FIXED * self.scale:
                pool = pool.with_row(m, judged.best[m])
            unused = np.flatnonzero(pool.probabilities[m] <= 0.0)[: max(len(pool.rows[m]) - _ROWS, 0)]
            pool.rows[m] = np.delete(pool.rows[m], unused, axis=0)
            pool.probabilities[m] = np.delete(pool.probabilities[m], unused)
        p = self.play(pool)
        utilities = np.empty((pool.profiles, 2))
        profile_utilities(self.market, self.k, p, utilities)
        tables = utilities.reshape(*pool.sizes[::-1], 2)
        one, other = bimatrix_equilibrium(tables[..., 0].T, tables[..., 1].T)
        return Mixture(pool.rows, [one, other])


def _mixture(p: Play) -> Mixture:
    """A copy of what is posted."""
    sizes = [int(size) for size in p.sizes]
    return Mixture(
        [p.rows[m, :size].copy() for m, size in enumerate(sizes)],
        [p.probabilities[m, :size].copy() for m, size in enumerate(sizes)],
    )


def _set_odds(p: Play, odds: FloatArray) -> None:
    """Set the probabilities of those who mix by the log odds of all their rows but the first."""
    used = 0
    for m in np.flatnonzero(p.sizes > 1):
        others = int(p.sizes[m]) - 1
        p.probabilities[m, : others + 1] = softmax(np.append(0.0, odds[used : used + others]))
        used += others
