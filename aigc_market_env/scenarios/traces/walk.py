"""How an episode goes through a trace, as compiled functions of a lane's random stream (docs/traces.md#order).

They work on one flat array, as :func:`packed` makes it: to hand a kernel several takes Numba longer than a slot takes.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env import spaces
from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.streams import next_uniform
from aigc_market_env.scenarios.traces import clients, demand, drives
from aigc_market_env.scenarios.traces.trace import Trace

#: What an MU's ω is while it does not ask, of what it is while it does: so little that no ASP serves it at any reward.
NOT_ASKING = 1e-9

# The first entries of the flat array: where parts begin, and how many there are of some. What comes after every slot of
# a drive follows, at a place that compiled code knows; then the slots, clients, one after the other, and the rest.
RESTART, DRIVE_SLOTS, CLIENTS, WINDOWS, TOKENS, SERVICES, NUM_SERVICES, NUM_CLIENTS, NUM_DRIVE_SLOTS = range(9)
_AFTER = NUM_DRIVE_SLOTS + 1
_OF_CLIENT = clients.PERSISTENCE + 1


# What comes after a slot of a drive: all that a link takes of it, in one or two cache lines.
NEXT, EFFICIENCY, ROUND_TRIP, LOG_EFFICIENCY = range(4)  # the last is the observation entry
_OF_SLOT = LOG_EFFICIENCY + 1


@cache
def packed(trace: Trace) -> FloatArray:
    """All of a trace in one array; entry ``RESTART`` is the probability that another block begins after a slot."""
    own, asking, slots = demand.demand_of(trace.split), clients.clients(trace.split), drives.drive_slots(trace.split)
    parts = [_after(slots), slots, asking.T, own.windows, own.tokens, own.services.astype(np.float64)]
    _, *places = np.cumsum([_AFTER, *(part.size for part in parts[:-1])])
    restart = 0.0 if trace.block_slots is None else 1.0 / trace.block_slots
    header = (restart, *places, len(own.services), asking.shape[1], len(slots))
    flat = np.concatenate([np.array(header, np.float64), *(part.ravel() for part in parts)])
    flat.flags.writeable = False
    return flat


def _after(slots: FloatArray) -> FloatArray:
    """What comes after each of the slots of drives. (slots, 4)."""
    after = slots[:, drives.NEXT]
    efficiency, round_trip = slots[after.astype(np.int64)][:, [drives.EFFICIENCY, drives.ROUND_TRIP]].T
    entries = [spaces.log_entry(one, spaces.REFERENCE["spectral_efficiency"]) for one in efficiency]
    return np.column_stack([after, efficiency, round_trip, entries])


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
def one_of(count: float, uniform: float) -> int:
    """One of 0 … count - 1, by a uniform number in (0, 1)."""
    return min(int(uniform * count), int(count) - 1)


@compiled_inner
def any_of(i: int, streams: npt.NDArray[np.uint64], count: float) -> int:
    """One of 0 … count - 1, uniformly."""
    return one_of(count, next_uniform(streams, i))


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
def tokens_place(trace: FloatArray, window: int) -> int:
    """Where the tokens of the requests of a window begin."""
    return int(trace[TOKENS]) + int(of_window(trace, window, demand.FIRST_TOKENS))


@compiled_inner
def any_client(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray, window: int) -> int:
    """A client of the service that ``window`` is of, in proportion to how often it asks."""
    low, high = of_window(trace, window, demand.FIRST_CLIENT), of_window(trace, window, demand.LAST_CLIENT)
    weight = low + next_uniform(streams, i) * (high - low)
    first, last = 0, int(trace[NUM_CLIENTS]) - 1
    while first < last:  # the first client whose cumulative weight is above
        middle = (first + last) // 2
        if trace[client_place(trace, middle) + clients.WEIGHT] > weight:
            last = middle
        else:
            first = middle + 1
    return first


@compiled_inner
def client_place(trace: FloatArray, client: int) -> int:
    """Where the entries of a client begin."""
    return int(trace[CLIENTS]) + client * _OF_CLIENT


@compiled_inner
def asks_first(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray, client: int) -> bool:
    """Whether a client asks as an episode begins."""
    return next_uniform(streams, i) < trace[client_place(trace, client) + clients.ASKING]


@compiled_inner
def asks_next(trace: FloatArray, place: int, asked: float, uniform: float) -> bool:
    """Whether the client with entries at ``place`` asks in a slot, from whether it did in the slot before, 1 or 0."""
    asking, persistence = trace[place + clients.ASKING], trace[place + clients.PERSISTENCE]
    return uniform < asking + persistence * (asked - asking)


@compiled_inner
def any_drive_slot(i: int, streams: npt.NDArray[np.uint64], trace: FloatArray) -> int:
    """A slot of a drive."""
    return any_of(i, streams, trace[NUM_DRIVE_SLOTS])


@compiled_inner
def of_drive_slot(trace: FloatArray, slot: int, column: int) -> float:
    """An entry of a slot of a drive."""
    return trace[int(trace[DRIVE_SLOTS]) + slot * drives.COLUMNS + column]


@compiled_inner
def after_drive_slot(slot: float) -> int:
    """Where what comes after a slot of a drive begins."""
    return _AFTER + int(slot) * _OF_SLOT
