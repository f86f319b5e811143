"""How an episode goes through a trace, as compiled functions of a lane's random stream (docs/traces.md#order).

They work on one flat array, as :func:`packed` makes it: to hand a kernel several takes Numba longer than a slot takes.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.streams import next_uniform
from aigc_market_env.scenarios.traces import clients, demand, drives
from aigc_market_env.scenarios.traces.trace import Trace

#: What an MU's ω is while it does not ask, of what it is while it does: so little that no ASP serves it at any reward.
NOT_ASKING = 1e-9

# The first entries of the flat array: where the parts begin, and how many there are of some.
RESTART, WINDOWS, TOKENS, SERVICES, NUM_SERVICES, CLIENTS, NUM_CLIENTS, DRIVE_SLOTS, NUM_DRIVE_SLOTS = range(9)
_HEADER = NUM_DRIVE_SLOTS + 1


@cache
def packed(trace: Trace) -> FloatArray:
    """All of a trace in one array; entry ``RESTART`` is the probability that another block begins after a slot."""
    own, asking, slots = demand.demand_of(trace.split), clients.clients(trace.split), drives.drive_slots(trace.split)
    parts = [own.windows, own.tokens, own.services.astype(np.float64), asking, slots]
    windows, tokens, services, of_clients, drive_slots, _ = np.cumsum([_HEADER, *(part.size for part in parts)])
    restart = 0.0 if trace.block_slots is None else 1.0 / trace.block_slots
    sizes = (len(own.services), asking.shape[1], len(slots))
    header = (restart, windows, tokens, services, sizes[0], of_clients, sizes[1], drive_slots, sizes[2])
    flat = np.concatenate([np.array(header, np.float64), *(part.ravel() for part in parts)])
    flat.flags.writeable = False
    return flat


def check_places(trace: Trace, state: Mapping[str, npt.NDArray[Any]]) -> None:
    """Make sure that the places in a state of lanes are of the trace.

    Raises:
        ValueError: one is not.
    """
    flat = packed(trace)
    windows = demand.demand_of(trace.split).windows
    counts = {"client": flat[NUM_CLIENTS], "window": len(windows), "drive_slot": flat[NUM_DRIVE_SLOTS]}
    for name, count in counts.items():
        places = state[name]
        if not (np.isin(places, np.arange(count))).all():
            raise ValueError(f"state {name!r} must be whole numbers from 0 to {count - 1:g}, places in {trace}")
    left, most = state["slots_left"], windows[state["window"].astype(np.int64), demand.SLOTS]
    if not ((left >= 1) & (left <= most) & (left == np.floor(left))).all():
        raise ValueError("state 'slots_left' must be whole numbers, at least 1 and at most the slots of the window")


@compiled_inner
def any_of(i: int, streams: npt.NDArray[np.uint64], count: float) -> int:
    """One of 0 … count - 1, uniformly."""
    return min(int(next_uniform(streams, i) * count), int(count) - 1)


@compiled_inner
def any_service(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray) -> int:
    """The first window of a service."""
    return int(trace[int(trace[SERVICES]) + any_of(i, streams, trace[NUM_SERVICES])])


@compiled_inner
def of_window(trace: FloatArray, window: int, column: int) -> float:
    """An entry of a window of demand."""
    return trace[int(trace[WINDOWS]) + window * demand.COLUMNS + column]


@compiled_inner
def any_window(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray, window: int) -> int:
    """A window of the service that ``window`` is of; all of a service are of the same length."""
    count = of_window(trace, window, demand.COUNT_WINDOWS)
    return int(of_window(trace, window, demand.FIRST_WINDOW)) + any_of(i, streams, count)


@compiled_inner
def any_tokens(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray, window: int) -> float:
    """The tokens of one of the requests of a window that has some."""
    count = of_window(trace, window, demand.COUNT_TOKENS)
    place = int(of_window(trace, window, demand.FIRST_TOKENS)) + any_of(i, streams, count)
    return trace[int(trace[TOKENS]) + place]


@compiled_inner
def any_client(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray, window: int) -> int:
    """A client of the service that ``window`` is of, in proportion to how often it asks."""
    low, high = of_window(trace, window, demand.FIRST_CLIENT), of_window(trace, window, demand.LAST_CLIENT)
    weight = low + next_uniform(streams, i) * (high - low)
    weights = int(trace[CLIENTS])
    first, last = 0, int(trace[NUM_CLIENTS]) - 1
    while first < last:  # the first client whose cumulative weight is above
        middle = (first + last) // 2
        if trace[weights + middle] > weight:
            last = middle
        else:
            first = middle + 1
    return first


@compiled_inner
def of_client(trace: FloatArray, client: int, row: int) -> float:
    """An entry of a client."""
    return trace[int(trace[CLIENTS]) + row * int(trace[NUM_CLIENTS]) + client]


@compiled_inner
def asks_first(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray, client: int) -> bool:
    """Whether a client asks as an episode begins."""
    return next_uniform(streams, i) < of_client(trace, client, clients.ASKING)


@compiled_inner
def asks_next(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray, client: int, asked: bool) -> bool:
    """Whether a client asks in a slot, from whether it did in the slot before."""
    asking, persistence = of_client(trace, client, clients.ASKING), of_client(trace, client, clients.PERSISTENCE)
    return next_uniform(streams, i) < asking + persistence * ((1.0 if asked else 0.0) - asking)


@compiled_inner
def any_drive_slot(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray) -> int:
    """A slot of a drive."""
    return any_of(i, streams, trace[NUM_DRIVE_SLOTS])


@compiled_inner
def of_drive_slot(trace: FloatArray, slot: int, column: int) -> float:
    """An entry of a slot of a drive."""
    return trace[int(trace[DRIVE_SLOTS]) + slot * drives.COLUMNS + column]
