"""Observations to hand out, in memory that is used again once nobody holds them any more (private)."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_market_env._engine.lanes import Float32Array, Views

#: Sheets kept for another use: a loop holds the last step's observations while the next one is taken.
_KEPT = 3
#: Whether the number of references to an object tells that nobody else holds it.
_COUNTS = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()


class Sheet:
    """What all agents see in one step.

    Attributes:
        views: by group.
        flat: the same memory, agent after agent, for compiled loops.
        rows: of the first lane, by agent; empty unless agents were named.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], agents: Sequence[Any] = ()) -> None:
        self.views = Views(*(np.empty(shape, np.float32) for shape in shapes))
        self.flat = Views(*(view.reshape(len(view), -1) for view in self.views))
        self.rows: dict[Any, Float32Array] = {}
        if agents:
            self.rows = dict(zip(agents, (row for view in self.views for row in view[0]), strict=True))
        self._parts = [*self.views, *self.rows.values()]
        self._unheld = self._references()

    def is_held(self) -> bool:
        """Whether somebody else has one of the arrays, or one that looks into them."""
        return self._references() != self._unheld

    def _references(self) -> int:
        return sum(map(sys.getrefcount, self._parts))


class Sheets:
    """Gives out sheets.

    Args:
        shapes: of the observations of MUs and of ASPs.
        agents: names by which those of the first lane are also wanted one by one.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], agents: Sequence[Any] = ()) -> None:
        self._shapes, self._agents = shapes, agents
        self._kept: list[Sheet] = []

    def take(self) -> Sheet:
        """A sheet that nobody holds."""
        for sheet in self._kept:
            if not sheet.is_held():
                return sheet
        sheet = Sheet(self._shapes, self._agents)
        if _COUNTS and len(self._kept) < _KEPT:
            self._kept.append(sheet)
        return sheet
