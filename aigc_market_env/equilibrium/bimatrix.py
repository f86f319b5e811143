"""Equilibria of finite games of two players, by trying supports of equal size."""

from itertools import combinations

import numpy as np

from aigc_market_env.model.parameters import FloatArray

#: Pure strategies that a player mixes, at most.
_LARGEST_SUPPORT = 4
#: Regret that counts as none, relative to the spread of a player's payoffs.
_EXACT = 1e-11


def bimatrix_equilibrium(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities of each player's pure strategies at an equilibrium, or at the profile of least regret met.

    A player mixes strategies that the other's probabilities make equally good; nondegenerate games have an equilibrium
    with as many strategies on either side.

    Args:
        first: the first player's payoffs; rows are its own strategies. (K1, K2)
        second: the second player's, with the same axes. (K1, K2)

    Returns:
        Probabilities (K1,) and (K2,).

    Source: Dickhaut and Kaplan, A program for finding Nash equilibria, The Mathematica Journal 1(4), 1991.
    """
    exact = _EXACT * max(float(np.ptp(first)), float(np.ptp(second)), np.finfo(np.float64).tiny)
    least, found = np.inf, (np.eye(first.shape[0])[0], np.eye(first.shape[1])[0])
    for size in range(1, min(*first.shape, _LARGEST_SUPPORT) + 1):
        rows, columns = (np.array(list(combinations(range(count), size))) for count in first.shape)
        inside = rows[:, None, :, None], columns[None, :, None, :]  # every pair of supports
        x = _indifference(second[inside].swapaxes(-1, -2))
        y = _indifference(first[inside])
        for i, j in np.argwhere(((x >= 0.0) & (y >= 0.0)).all(axis=-1)):
            one, other = np.zeros(first.shape[0]), np.zeros(first.shape[1])
            one[rows[i]], other[columns[j]] = x[i, j] / x[i, j].sum(), y[i, j] / y[i, j].sum()
            worth, other_worth = first @ other, one @ second
            regret = max(float(worth.max() - one @ worth), float(other_worth.max() - other @ other_worth))
            if regret < least:
                least, found = regret, (one, other)
            if least <= exact:
                return found
    return found


def _indifference(payoffs: FloatArray) -> FloatArray:
    """Weights of the columns that make all rows of square matrices (..., K, K) equally good; NaN if there are none.

    All matrices at once: one by one, most of the time would go into calls.
    """
    size = payoffs.shape[-1]
    system = np.ones((*payoffs.shape[:-2], size + 1, size + 1))
    system[..., :size, :size], system[..., size], system[..., size, size] = payoffs, -1.0, 0.0
    regular = np.linalg.slogdet(system)[0] != 0.0
    found = np.full(payoffs.shape[:-1], np.nan)
    found[regular] = np.linalg.solve(system[regular], np.eye(size + 1)[:, size:])[:, :size, 0]
    found[~np.isfinite(found).all(axis=-1)] = np.nan
    return found
