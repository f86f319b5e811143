"""How probabilities of support rows follow what the rows are worth, a step at a time; both steps are of log odds."""

import numpy as np

from aigc_market_env.model.parameters import FloatArray

#: Log odds stay within this distance of the likeliest row's.
_RANGE = 14.0
#: Step by sign: the first and the longest step, and factors of a step after one in the same, or the other direction.
_FIRST, _LONGEST, _LONGER, _SHORTER = 0.5, 1.0, 1.3, 0.5
#: Optimistic step: log odds that the spread of utilities is worth, and what is kept of the largest spread met.
_RATE, _KEPT = 0.4, 0.999


class SignSteps:
    """Steps by the sign of what a row is worth more than the mean, growing while it stays (Rprop).

    For one MU that mixes: what its rows are worth depends on its own probabilities by way of what others adapt, so that
    size tells little.

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning, ICNN 1993.
    """

    def __init__(self, probabilities: FloatArray) -> None:
        self._odds = np.log(probabilities)
        self._step, self._sign = np.full(len(probabilities), _FIRST), np.zeros(len(probabilities))

    def moved(self, utilities: FloatArray) -> FloatArray:
        """Probabilities after a step; ``utilities`` are what the rows are worth."""
        sign = np.sign(utilities - softmax(self._odds) @ utilities)
        turn = sign * self._sign
        longer, shorter = np.minimum(_LONGER * self._step, _LONGEST), _SHORTER * self._step
        self._step = np.where(turn > 0.0, longer, np.where(turn < 0.0, shorter, self._step))
        self._odds, self._sign = _within(self._odds + sign * self._step), sign
        return softmax(self._odds)


class OptimisticSteps:
    """Multiplicative weights that take the last change to come once more.

    For several MUs that mix against one another: plain steps would go round and round the equilibrium.

    Source: Syrgkanis et al., Fast convergence of regularized learning in games, NeurIPS 2015.
    """

    def __init__(self, probabilities: FloatArray) -> None:
        self._odds, self._last, self._spread = np.log(probabilities), np.empty(0), 0.0

    def moved(self, utilities: FloatArray) -> FloatArray:
        """Probabilities after a step; ``utilities`` are what the rows are worth."""
        last = self._last if len(self._last) else utilities
        self._spread = max(_KEPT * self._spread, float(np.ptp(utilities)))
        if self._spread > 0.0:
            self._odds = _within(self._odds + _RATE * (2.0 * utilities - last) / self._spread)
        self._last = utilities
        return softmax(self._odds)


def softmax(odds: FloatArray) -> FloatArray:
    """Probabilities with these log odds."""
    weights = np.exp(odds - odds.max())
    found: FloatArray = weights / weights.sum()
    return found


def _within(odds: FloatArray) -> FloatArray:
    found: FloatArray = np.maximum(odds - odds.max(), -_RANGE)
    return found
