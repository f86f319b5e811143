"""What was found in slots, part by part, put together."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from aigc_market_env.equilibrium.solution import Equilibrium
from aigc_market_env.market import Market


def joined(parts: Sequence[Any]) -> Any:
    """What was found in slots, part by part, as if found at once: arrays, and all that holds them, along axis 0."""
    first = parts[0]
    if first is None:
        return None
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if isinstance(first, Market):
        return first.replace(**joined([part.__getstate__() for part in parts]))
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, Equilibrium):
        most = max(part.supports.shape[-2] for part in parts)
        parts = [part.with_room(most) for part in parts]
    whole = copy(first)  # with those properties that have been worked out already
    vars(whole).update(joined([vars(part) for part in parts]))
    return whole
