"""Mixed equilibria by a double oracle of two MUs, while all others adapt (docs/equilibrium.md#mixed-equilibria).

The finite game of two MUs' rows is solved, exactly where few of them are enough, and grows by their best responses to
its solution.

Source: Kroupa and Votroubek, Multiple oracle algorithm to solve continuous games, GameSec 2022.
"""

import numpy as np

from aigc_market_env.equilibrium.bimatrix import bimatrix_equilibrium
from aigc_market_env.equilibrium.mixed_search import Judged, MixedSearch
from aigc_market_env.equilibrium.mixture import Mixture
from aigc_market_env.equilibrium.mixture_play import climb_rows, profile_utilities
from aigc_market_env.equilibrium.two_scales import levelled
from aigc_market_env.model.parameters import FloatArray

#: Rounds of best responses, at most, and rows of either MU that are kept.
_ROUNDS, _ROWS = 20, 8
#: Rows are added that gain more than this share of the mean utility.
_GAIN = 1e-10
#: Rows are levelled when the game's solution is exploited by less than this; of those drawn less often than the first
#: share nothing is kept then, and otherwise of those drawn less often than the second.
_NEAR, _RARE, _DROPPED = 1e-3, 1e-3, 1e-6
#: Solutions of a game while others adapt, at most; sweeps of these after each, their longest move, and what becomes of
#: this limit after sweeps that meet it; moves that count as none.
_ADAPTIONS, _SWEEPS, _LONGEST_MOVE, _LESS, _AT_REST = 10, 3, 1e-2, 0.7, 1e-7


def double_oracle(search: MixedSearch) -> None:
    """Grow and solve the finite game of those two MUs that gain most."""
    pool = search.start
    here = search.judge(pool)
    for _ in range(_ROUNDS):
        if len(pool.rows) < 2 or search.ended():
            return
        pair, pool = _pair(pool, here)
        for m in pair:
            if here.regret[m] > _GAIN * search.scale:
                pool = pool.with_row(m, here.best[m])
        pool = _solved(search, pool, pair)
        here = search.note(pool.reduced(_DROPPED))
        if here.exploitability < _NEAR and not search.ended():
            search.note(levelled(search, pool.reduced(_RARE)).reduced(_DROPPED))


def _pair(pool: Mixture, judged: Judged) -> tuple[tuple[int, int], Mixture]:
    """Those two MUs that have several rows, or gain most; and the rows, all others posting one.

    Where a third one gains most, it takes the place of the one of the two that gains less.
    """
    order = [int(m) for m in np.argsort(-judged.regret, kind="stable")]
    several = [m for m in order if len(pool.rows[m]) > 1]
    if order[0] not in several or len(several) < 2:
        several = [order[0], *(m for m in several if m != order[0])]
    first, second = list(dict.fromkeys(several + order))[:2]
    rows, probabilities = list(pool.rows), list(pool.probabilities)
    for m in order:
        if m not in (first, second):
            likeliest = int(probabilities[m].argmax())
            rows[m], probabilities[m] = rows[m][likeliest : likeliest + 1], np.ones(1)
    return (min(first, second), max(first, second)), Mixture(rows, probabilities)


def _solved(search: MixedSearch, pool: Mixture, pair: tuple[int, int]) -> Mixture:
    """The rows with probabilities at an equilibrium of the pair's finite game, to which all others have adapted."""
    rows, probabilities, limit = list(pool.rows), list(pool.probabilities), _LONGEST_MOVE
    others = [m for m in range(len(rows)) if m not in pair]
    for _ in range(_ADAPTIONS):
        pool = Mixture(rows, probabilities)
        first, second = _tables(search, pool, pair)
        x, y = probabilities[pair[0]], probabilities[pair[1]] = bimatrix_equilibrium(first, second)
        if not others:
            break
        p = search.play(pool.reduced(_DROPPED))
        moved = climb_rows(search.market, search.k, p, _SWEEPS, limit, 0.0)
        search.count(_SWEEPS, p.posted.shape[1])
        for m in others:
            rows[m] = p.rows[m, :1].copy()
        if moved <= _AT_REST:
            break
        limit *= _LESS if moved >= 0.5 * limit else 1.0
    for m, worth in zip(pair, (first @ y, x @ second), strict=True):
        unused = np.flatnonzero(probabilities[m] <= 0.0)
        worst = unused[np.argsort(worth[unused], kind="stable")][: max(len(rows[m]) - _ROWS, 0)]
        rows[m], probabilities[m] = np.delete(rows[m], worst, axis=0), np.delete(probabilities[m], worst)
    return Mixture(rows, probabilities)


def _tables(search: MixedSearch, pool: Mixture, pair: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """What both of a pair earn by all pairs of their rows, (K1, K2) each; all others have one row."""
    p = search.play(pool)
    utilities = np.empty((pool.profiles, len(pool.rows)))
    profile_utilities(search.market, search.k, p, utilities)
    search.count(1, pool.profiles)
    earned = utilities.reshape(len(pool.rows[pair[1]]), len(pool.rows[pair[0]]), -1)
    return earned[..., pair[0]].T, earned[..., pair[1]].T
