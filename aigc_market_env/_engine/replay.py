"""A trace that drives demand and radio, as compiled loops over one lane (private).

How it is gone through is said in ``scenarios.traces.walk``, whose flat array ``trace`` is.
"""

import math

import numpy as np

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.drift import bound_rewards, describe_links
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._engine.observations import measure_channels
from aigc_market_env._engine.slot import COMPUTE_WORTH, NOISE
from aigc_market_env._numerics.compile import compiled_in_place, compiled_inner
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.dynamics import in_range
from aigc_market_env.scenarios.streams import fill_uniforms, next_uniform, take_back
from aigc_market_env.scenarios.traces import demand, drives, walk

#: The row of scratch, free between slots, that gets the observation entries of spectral efficiencies.
LOG_EFFICIENCY = COMPUTE_WORTH
_LOG_NOT_ASKING = math.log(walk.NOT_ASKING)


@compiled_in_place
def begin_trace(i: int, lanes: Lanes, trace: FloatArray, scratch: FloatArray) -> None:
    """Draw where in the trace an episode begins, and who the MUs are."""
    mus = lanes.mus[i]
    window = walk.any_window(i, lanes.streams, trace, walk.any_service(i, lanes.streams, trace))
    for m in range(mus.shape[1]):
        client = walk.any_client(i, lanes.streams, trace, window)
        mus[at.CLIENT, m] = client
        mus[at.ASKING, m] = 1.0 if walk.asks_first(i, lanes.streams, trace, client) else 0.0
    _go_to(i, lanes, trace, window, scratch[LOG_EFFICIENCY])
    _load(i, lanes, trace)
    _ask(i, lanes, trace, scratch[NOISE, : mus.shape[1]])


@compiled_inner
def follow_trace(i: int, lanes: Lanes, trace: FloatArray, scratch: FloatArray) -> bool:
    """Go on to the next slot of the trace, or to another block of it; whether the load has changed.

    The row ``LOG_EFFICIENCY`` of scratch gets the observation entries of spectral efficiencies.
    What MUs ask for is written even where it stays: nothing tells beforehand who comes and goes, and a processor that
    guesses wrong loses more time than writing takes, above all where it waits for memory.
    """
    mus, asps, uniforms = lanes.mus[i], lanes.asps[i], scratch[NOISE, : lanes.mus.shape[2]]
    fill_uniforms(lanes.streams, i, uniforms)
    for m in range(mus.shape[1]):
        place = walk.client_place(trace, int(mus[at.CLIENT, m]))
        mus[at.ASKING, m] = 1.0 if walk.asks_next(trace, place, mus[at.ASKING, m], uniforms[m]) else 0.0
        mus[at.SERVED_BOUND, m] = mus[at.BOUND, m]
    for n in range(asps.shape[1]):
        asps[at.SERVED_COMPUTE_CAPACITY, n] = asps[at.COMPUTE_CAPACITY, n]
        asps[at.SERVED_BANDWIDTH_CAPACITY, n] = asps[at.BANDWIDTH_CAPACITY, n]
    restart, window = trace[walk.RESTART], int(asps[at.WINDOW, 0])
    if restart > 0.0 and next_uniform(lanes.streams, i) < restart:
        _go_to(i, lanes, trace, walk.any_window(i, lanes.streams, trace, window), scratch[LOG_EFFICIENCY])
    else:
        _go_on(i, lanes, trace, window, scratch[LOG_EFFICIENCY])
    moved = int(asps[at.WINDOW, 0]) != window
    if moved:
        _load(i, lanes, trace)
    _ask(i, lanes, trace, uniforms)
    for m in range(mus.shape[1]):
        bound_rewards(mus, m)
    describe_links(i, lanes, scratch)
    return moved


@compiled_inner
def _go_to(i: int, lanes: Lanes, trace: FloatArray, window: int, logs: FloatArray) -> None:
    """Begin a block: somewhere in a window of demand, and every link in a slot of some drive."""
    link = lanes.links[i]
    _set_window(i, lanes, window, 1 + walk.any_of(i, lanes.streams, walk.of_window(trace, window, demand.SLOTS)))
    for k in range(link.shape[1]):
        slot = walk.any_drive_slot(i, lanes.streams, trace)
        link[at.DRIVE_SLOT, k] = slot
        link[at.EFFICIENCY, k] = walk.of_drive_slot(trace, slot, drives.EFFICIENCY)
        link[at.LATENCY, k] = link[at.BASE_LATENCY, k] + walk.of_drive_slot(trace, slot, drives.ROUND_TRIP)
    measure_channels(i, lanes, logs)


@compiled_inner
def _go_on(i: int, lanes: Lanes, trace: FloatArray, window: int, logs: FloatArray) -> None:
    """Go one slot further in a window of demand and in all drives."""
    link = lanes.links[i]
    left = lanes.asps[i, at.SLOTS_LEFT, 0] - 1.0
    if left < 1.0:
        window = int(walk.of_window(trace, window, demand.NEXT))
        left = walk.of_window(trace, window, demand.SLOTS)
    _set_window(i, lanes, window, left)
    for k in range(link.shape[1]):
        after = walk.after_drive_slot(link[at.DRIVE_SLOT, k])
        link[at.DRIVE_SLOT, k] = trace[_unsigned(after + walk.NEXT)]
        link[at.EFFICIENCY, k] = trace[_unsigned(after + walk.EFFICIENCY)]
        link[at.LATENCY, k] = link[at.BASE_LATENCY, k] + trace[_unsigned(after + walk.ROUND_TRIP)]
        logs[k] = trace[_unsigned(after + walk.LOG_EFFICIENCY)]


@compiled_inner
def _unsigned(place: int) -> int:
    """An index as Numba need not ask whether it counts from the end."""
    return np.uint64(place)  # type: ignore[return-value]


@compiled_inner
def _set_window(i: int, lanes: Lanes, window: int, left: float) -> None:
    asps = lanes.asps[i]
    for n in range(asps.shape[1]):
        asps[at.WINDOW, n], asps[at.SLOTS_LEFT, n] = window, left


@compiled_inner
def _load(i: int, lanes: Lanes, trace: FloatArray) -> None:
    """Write the capacities that the load of the window leaves."""
    asps = lanes.asps[i]
    load = walk.of_window(trace, int(asps[at.WINDOW, 0]), demand.LOAD)
    for n in range(asps.shape[1]):
        asps[at.COMPUTE_CAPACITY, n] = in_range(asps[at.BASE_COMPUTE_CAPACITY, n] / load)
        asps[at.BANDWIDTH_CAPACITY, n] = in_range(asps[at.BASE_BANDWIDTH_CAPACITY, n] / load)


@compiled_inner
def _ask(i: int, lanes: Lanes, trace: FloatArray, uniforms: FloatArray) -> None:
    """Draw what MUs ask for in the slot, a number for each that asks, and write what that is worth.

    ``uniforms`` is scratch.
    """
    mus, window = lanes.mus[i], int(lanes.asps[i, at.WINDOW, 0])
    first, count = walk.tokens_place(trace, window), walk.of_window(trace, window, demand.COUNT_TOKENS)
    fill_uniforms(lanes.streams, i, uniforms)
    asking = 0
    for m in range(mus.shape[1]):
        asks = mus[at.ASKING, m] > 0.0 and count > 0.0
        tokens = trace[first + max(walk.one_of(count, uniforms[asking]), 0)]
        mus[at.TOKENS, m] = tokens if asks else mus[at.TOKENS, m]
        mus[at.LOG_WORTH, m] = 0.0 if asks else _LOG_NOT_ASKING
        idle = in_range(mus[at.BASE_OMEGA, m] * walk.NOT_ASKING)
        mus[at.OMEGA, m] = mus[at.BASE_OMEGA, m] if asks else idle
        asking += asks
    take_back(lanes.streams, i, mus.shape[1] - asking)
