"""Observations to hand out, in memory that is used again once nobody holds them any more (private)."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_market_env._engine.lanes import Float32Array, Observations

#: Buffers kept for another use: a loop holds the last step's observations while the next one is taken.
_KEPT = 3
#: Whether the number of references to an object tells that nobody else holds it.
_COUNTS = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()


class ObservationBuffer:
    """Memory for the observations of all agents in one step.

    Attributes:
        observations: by group.
        flat: the same memory, agent after agent, for compiled loops.
        rows: of the first lane, by agent; empty unless agents were named.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], agents: Sequence[Any] = ()) -> None:
        self.observations = Observations(*(np.empty(shape, np.float32) for shape in shapes))
        self.flat = Observations(*(group.reshape(len(group), -1) for group in self.observations))
        self.rows: dict[Any, Float32Array] = {}
        if agents:
            self.rows = dict(zip(agents, (row for group in self.observations for row in group[0]), strict=True))
        self._parts = [*self.observations, *self.rows.values()]
        self.references_unheld = self.references()

    def references(self) -> int:
        """To all arrays; more than ``references_unheld`` while somebody has one, or one that looks into them."""
        return sum(map(sys.getrefcount, self._parts))


class BufferPool:
    """Gives out observation buffers.

    Args:
        shapes: of the observations of MUs and of ASPs.
        agents: names by which those of the first lane are also wanted one by one.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], agents: Sequence[Any] = ()) -> None:
        self._shapes, self._agents = shapes, agents
        self._kept: list[ObservationBuffer] = []

    def take(self) -> ObservationBuffer:
        """A buffer that nobody holds."""
        for buffer in self._kept:
            if buffer.references() == buffer.references_unheld:
                return buffer
        buffer = ObservationBuffer(self._shapes, self._agents)
        if _COUNTS and len(self._kept) < _KEPT:
            self._kept.append(buffer)
        return buffer
