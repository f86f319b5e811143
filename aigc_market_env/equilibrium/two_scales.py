"""Mixed equilibria in two time scales: rows climb fast, probabilities follow (docs/equilibrium.md#mixed-equilibria).

The MU that gains most by deviating gets its best row beside its own. All rows then climb to peaks of their own, while
the probabilities of those who mix move until their rows are worth the same.
"""

import numpy as np

from aigc_market_env.equilibrium.mixed_search import Judged, MixedSearch, played
from aigc_market_env.equilibrium.mixture import Mixture
from aigc_market_env.equilibrium.mixture_play import Play, climb_rows, row_utilities
from aigc_market_env.equilibrium.probability_steps import OptimisticSteps, SignSteps, softmax
from aigc_market_env.model.parameters import FloatArray

#: Rounds of best responses, at most; joint profiles of support rows, at most.
_ROUNDS, _PROFILES = 5, 24
#: Where rows of those who mix stay as they are, best rows are added of MUs that gain at least this share of the largest
#: gain.
_ADDED = 0.2
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


def follow_gains(search: MixedSearch) -> None:
    """Give best rows to who gains by them, and settle; in turn with rows of those who mix free to climb, and fixed."""
    here = search.best
    for _ in range(_ROUNDS):
        free = search.note(settled(search, _grown(here, 1.0)))
        if search.ended():
            return
        enough = _SETTLED_FIXED * float(here.regret.max()) / search.scale
        fixed = search.note(balanced(search, _grown(here, _ADDED), 0.0, enough).reduced(_DROPPED_FIXED))
        if search.ended():
            return
        here = free if free.exploitability < 0.5 * fixed.exploitability else fixed


def _grown(judged: Judged, share: float) -> Mixture:
    """The mixture with the best rows of MUs that gain at least this share of the largest gain."""
    mixture = judged.mixture
    order = np.argsort(-judged.regret)
    for m in order[judged.regret[order] >= share * judged.regret.max()]:
        more = mixture.with_row(m, judged.best[m])
        if more.profiles <= _PROFILES:
            mixture = more
    return mixture


def settled(search: MixedSearch, mixture: Mixture) -> Mixture:
    """The mixture after all rows have climbed to peaks, those of MUs that mix equally good, as far as can be."""
    for _ in range(_MERGERS):
        mixture = balanced(search, mixture, _MIXED_MOVE, _SETTLED)
        smaller = mixture.reduced(_DROPPED)
        if smaller.profiles == mixture.profiles:
            break
        mixture = smaller
    return levelled(search, mixture).reduced(_DROPPED)


def rebalanced(search: MixedSearch, mixture: Mixture) -> Mixture:
    """The mixture with probabilities at which its rows are equally good, rows of those who mix staying as they are."""
    return balanced(search, mixture, 0.0, _SETTLED).reduced(_DROPPED_FIXED)


def balanced(search: MixedSearch, mixture: Mixture, mixed_move: float, enough: float) -> Mixture:
    """Two time scales: rows climb, and probabilities of those who mix follow what the rows are worth.

    Moves are limited, the more the longer they do not end, so that rows stay at peaks of their own. Rows of those
    who mix stay as they are where ``mixed_move`` is 0. Ends when nobody could earn ``enough`` more by other
    probabilities, relative to the mean utility, or with twins.
    """
    p, limit = search.play(mixture), _LONGEST_MOVE
    mixing = np.flatnonzero(p.sizes > 1)
    several, utilities = len(mixing) > 1, np.empty(p.probabilities.shape)
    rule = OptimisticSteps if several else SignSteps
    steps = {m: rule(p.probabilities[m, : p.sizes[m]]) for m in mixing}
    for count in range(_STEPS_OF_SEVERAL if several else _STEPS):
        moved = climb_rows(search.market, search.k, p, _SWEEPS, limit, min(mixed_move, limit))
        search.count(_SWEEPS, p.posted.shape[1])
        if moved >= 0.5 * limit:
            limit = max(_LESS * limit, _SHORTEST_MOVE)
        row_utilities(search.market, search.k, p, utilities)
        at_rest = moved <= (_AT_REST if mixed_move > 0.0 else _AT_REST_FIXED)
        if at_rest and count >= _LEAST_STEPS and _missed(search, p, utilities) <= enough:
            break
        for m, step in steps.items():
            p.probabilities[m, : p.sizes[m]] = step.moved(utilities[m, : p.sizes[m]])
        if mixed_move > 0.0 and count % _LEAST_STEPS == 0 and played(p).twins:
            break
    return played(p)


def _missed(search: MixedSearch, p: Play, utilities: FloatArray) -> float:
    """The most that an MU could earn more by other probabilities of its rows, relative to the mean utility."""
    least = 0.0
    for m in np.flatnonzero(p.sizes > 1):
        own = utilities[m, : p.sizes[m]]
        least = max(least, float(own.max() - p.probabilities[m, : p.sizes[m]] @ own))
    return least / search.scale


def levelled(search: MixedSearch, mixture: Mixture) -> Mixture:
    """The mixture with log odds by Broyden's method, the rows climbing at each, so that rows are equally good."""
    p = search.play(mixture)
    mixing = np.flatnonzero(p.sizes > 1)
    if not len(mixing):
        return mixture

    def excess(odds: FloatArray) -> FloatArray:
        _set_odds(p, odds)
        climb_rows(search.market, search.k, p, _SWEEPS_OF_LEVELS, _MIXED_MOVE, _MIXED_MOVE)
        search.count(_SWEEPS_OF_LEVELS, p.posted.shape[1])
        utilities = np.empty(p.probabilities.shape)
        row_utilities(search.market, search.k, p, utilities)
        return np.concatenate([utilities[m, 1 : p.sizes[m]] - utilities[m, 0] for m in mixing]) / search.scale

    odds = np.concatenate([np.log(likely[1:] / likely[0]) for likely in mixture.probabilities])
    level = excess(odds)
    best, kept = float(abs(level).max()), played(p)
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
            best, kept = float(abs(level).max()), played(p)
        if best <= _LEVEL:
            break
    return kept


def _set_odds(p: Play, odds: FloatArray) -> None:
    """Set the probabilities of those who mix by the log odds of all their rows but the first."""
    used = 0
    for m in np.flatnonzero(p.sizes > 1):
        others = int(p.sizes[m]) - 1
        p.probabilities[m, : others + 1] = softmax(np.append(0.0, odds[used : used + others]))
        used += others
