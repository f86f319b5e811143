"""Equilibria of games in which every player chooses one positive number: the classes of uniform rewards and of prices.

Payoffs have several peaks and kinks here, so best responses are searched globally: a grid even in log, narrowed around
its best point. All players move at once, a part of the way in log, until nobody gains or it has gone on long enough; an
equilibrium in pure strategies need not exist, so the point kept is the one where players would gain least, with what
they would gain.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from aigc_market_env.model.parameters import FloatArray

#: What all players earn at every row of strategies: (K, players) to (K, players).
Payoffs = Callable[[FloatArray], FloatArray]

#: Points of a grid, and times that it is narrowed to the two cells around its best point.
_GRID, _NARROWED = 20, 3
_MAX_ROUNDS = 40
#: Relative regret at which rounds end.
_SETTLED = 1e-6


class Point(NamedTuple):
    """Strategies, what they earn, and what each player could gain by another one; all (players,)."""

    strategies: FloatArray
    payoffs: FloatArray
    regret: FloatArray


def equilibrium(payoffs: Payoffs, start: FloatArray, low: FloatArray, high: FloatArray) -> Point:
    """Simultaneous damped best responses.

    Args:
        payoffs: what all players earn at given strategies.
        start: first strategies. (players,)
        low: lowest strategies, positive. (players,)
        high: highest strategies. (players,)

    Returns:
        The point met with the smallest mean regret.
    """
    strategies, kept = start, None
    for round_ in range(_MAX_ROUNDS):
        best, gain, earned = best_responses(payoffs, strategies, low, high)
        if kept is None or gain.mean() < kept.regret.mean():
            kept = Point(strategies, earned, gain)
        if gain.mean() <= _SETTLED * abs(earned.mean()):
            break
        # Smaller and smaller steps end the cycles of players who answer one another's last move.
        strategies = strategies * (best / strategies) ** (0.6 / (1.0 + 0.1 * round_))
    assert kept is not None
    return kept


def best_responses(
    payoffs: Payoffs, strategies: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Every player's best reply to the others, what it would gain, and what all earn now; all (players,)."""
    players = np.arange(len(strategies))
    earned = payoffs(strategies[None])[0]
    best, most = strategies.copy(), earned.copy()
    lower, upper = low, high
    for _ in range(1 + _NARROWED):
        tried = np.geomspace(lower, upper, _GRID)  # (_GRID, players)
        rows = np.broadcast_to(strategies, (_GRID, len(players), len(players))).copy()
        rows[:, players, players] = tried
        found = payoffs(rows.reshape(-1, len(players))).reshape(rows.shape)[:, players, players]
        peak = found.argmax(axis=0)
        better = found[peak, players] > most
        best, most = np.where(better, tried[peak, players], best), np.where(better, found[peak, players], most)
        lower = tried[np.maximum(peak - 1, 0), players]
        upper = tried[np.minimum(peak + 1, _GRID - 1), players]
    return best, most - earned, earned
