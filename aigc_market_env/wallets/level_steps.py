"""How levels move towards those at which the money would last, round by round (docs/wallets.md#levels)."""

import numpy as np

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.spending import LEAST_LEVEL

#: Share of the way to new levels, on a log scale, that is gone in a round.
_DAMPING = 0.8
#: It is halved after so many rounds in which the error did not fall to this share.
_PATIENCE, _LOWER = 12, 0.9
#: Rounds that acceleration looks back on, singular values of what they changed that count as 0, and its longest step.
_MEMORY, _SINGULAR, _LONGEST_STEP = 8, 1e-8, 0.7


class DampedSteps:
    """0.8 of the way to new levels, on a log scale, and half as much after rounds that brought little."""

    #: After so many rounds that brought little there is little hope.
    patience = 3 * _PATIENCE

    def __init__(self) -> None:
        self._damping, self._waited, self._mark = _DAMPING, 0, np.inf

    def moved(self, levels: FloatArray, target: FloatArray, error: float) -> FloatArray:
        """Levels after a step towards others, both (T, M); ``error`` is that of the levels so far."""
        self._mark, self._waited = (error, 0) if error <= _LOWER * self._mark else (self._mark, self._waited + 1)
        if self._waited == _PATIENCE:
            self._damping, self._waited, self._mark = 0.5 * self._damping, 0, error
        moved: FloatArray = levels * (target / levels) ** self._damping
        return moved


class AcceleratedSteps:
    """Steps that take into account what the last ones did to the way that is left: Anderson acceleration.

    That lets levels settle where those of several MUs are so tightly coupled that each one runs after the other. After
    a round in which the error did not fall it begins to look back anew.

    Args:
        highest: that a level can be. (M,)

    Source: Walker and Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49(4), 2011.
    """

    #: As of :class:`DampedSteps`.
    patience = _PATIENCE

    def __init__(self, highest: FloatArray) -> None:
        self._highest = highest
        self._at: list[FloatArray] = []
        self._left: list[FloatArray] = []
        self._error = np.inf

    def moved(self, levels: FloatArray, target: FloatArray, error: float) -> FloatArray:
        """As of :class:`DampedSteps`."""
        at = np.log(levels).ravel()
        left = np.log(target).ravel() - at
        if error >= self._error:
            self._at, self._left = [], []
        self._error = error
        self._at, self._left = [*self._at[-_MEMORY:], at], [*self._left[-_MEMORY:], left]
        step = _DAMPING * left
        if len(self._at) > 1:
            gone, less = np.diff(self._at, axis=0).T, np.diff(self._left, axis=0).T
            step -= (gone + _DAMPING * less) @ np.linalg.lstsq(less, left, rcond=_SINGULAR)[0]
        moved = np.exp(at + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)).reshape(levels.shape)
        return np.clip(moved, LEAST_LEVEL, self._highest)
