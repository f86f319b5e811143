"""A trace that drives demand and radio, as compiled loops over one lane (private).

How it is gone through is said in ``scenarios.traces.walk``, whose flat array ``trace`` is.
"""

import math

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.drift import describe_mu
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.dynamics import in_range
from aigc_market_env.scenarios.streams import next_uniform
from aigc_market_env.scenarios.traces import demand, drives, walk

_LOG_NOT_ASKING = math.log(walk.NOT_ASKING)


@compiled
def begin_trace(i: int, lanes: Lanes, trace: FloatArray) -> None:
    """Draw where in the trace an episode begins, and who the MUs are."""
    mus = lanes.mus[i]
    window = walk.any_window(i, lanes.streams, trace, walk.any_service(i, lanes.streams, trace))
    for m in range(mus.shape[1]):
        client = walk.any_client(i, lanes.streams, trace, window)
        mus[at.CLIENT, m] = client
        mus[at.ASKING, m] = 1.0 if walk.asks_first(i, lanes.streams, trace, client) else 0.0
    _go_to(i, lanes, trace, window)
    _take_slot(i, lanes, trace)


@compiled
def follow_trace(i: int, lanes: Lanes, trace: FloatArray) -> None:
    """Go on to the next slot of the trace, or to another block of it."""
    mus, asps = lanes.mus[i], lanes.asps[i]
    for m in range(mus.shape[1]):
        mus[at.SERVED_BOUND, m] = mus[at.BOUND, m]
        asked = mus[at.ASKING, m] > 0.0
        asks = walk.asks_next(i, lanes.streams, trace, int(mus[at.CLIENT, m]), asked)
        mus[at.ASKING, m] = 1.0 if asks else 0.0
    for n in range(asps.shape[1]):
        asps[at.SERVED_COMPUTE_CAPACITY, n] = asps[at.COMPUTE_CAPACITY, n]
        asps[at.SERVED_BANDWIDTH_CAPACITY, n] = asps[at.BANDWIDTH_CAPACITY, n]
    restart, window = trace[walk.RESTART], int(asps[at.WINDOW, 0])
    if restart > 0.0 and next_uniform(lanes.streams, i) < restart:
        _go_to(i, lanes, trace, walk.any_window(i, lanes.streams, trace, window))
    else:
        _go_on(i, lanes, trace, window)
    _take_slot(i, lanes, trace)


@compiled
def _go_to(i: int, lanes: Lanes, trace: FloatArray, window: int) -> None:
    """Begin a block: somewhere in a window of demand, and every link in a slot of some drive."""
    asps, link = lanes.asps[i], lanes.links[i]
    left = 1 + walk.any_of(i, lanes.streams, walk.of_window(trace, window, demand.SLOTS))
    for n in range(asps.shape[1]):
        asps[at.WINDOW, n], asps[at.SLOTS_LEFT, n] = window, left
    for k in range(link.shape[1]):
        link[at.DRIVE_SLOT, k] = walk.any_drive_slot(i, lanes.streams, trace)


@compiled
def _go_on(i: int, lanes: Lanes, trace: FloatArray, window: int) -> None:
    """Go one slot further in a window of demand and in all drives."""
    asps, link = lanes.asps[i], lanes.links[i]
    left = asps[at.SLOTS_LEFT, 0] - 1.0
    if left < 1.0:
        window = int(walk.of_window(trace, window, demand.NEXT))
        left = walk.of_window(trace, window, demand.SLOTS)
    for n in range(asps.shape[1]):
        asps[at.WINDOW, n], asps[at.SLOTS_LEFT, n] = window, left
    for k in range(link.shape[1]):
        link[at.DRIVE_SLOT, k] = walk.of_drive_slot(trace, int(link[at.DRIVE_SLOT, k]), drives.NEXT)


@compiled
def _take_slot(i: int, lanes: Lanes, trace: FloatArray) -> None:
    """Write what the market is in the slot: capacities, who asks and for how much, links."""
    mus, asps, link = lanes.mus[i], lanes.asps[i], lanes.links[i]
    window = int(asps[at.WINDOW, 0])
    load = walk.of_window(trace, window, demand.LOAD)
    for n in range(asps.shape[1]):
        asps[at.COMPUTE_CAPACITY, n] = in_range(asps[at.BASE_COMPUTE_CAPACITY, n] / load)
        asps[at.BANDWIDTH_CAPACITY, n] = in_range(asps[at.BASE_BANDWIDTH_CAPACITY, n] / load)
    for k in range(link.shape[1]):
        slot = int(link[at.DRIVE_SLOT, k])
        link[at.EFFICIENCY, k] = walk.of_drive_slot(trace, slot, drives.EFFICIENCY)
        link[at.LATENCY, k] = link[at.BASE_LATENCY, k] + walk.of_drive_slot(trace, slot, drives.ROUND_TRIP)
    somebody = walk.of_window(trace, window, demand.COUNT_TOKENS) > 0.0
    for m in range(mus.shape[1]):
        if somebody and mus[at.ASKING, m] > 0.0:
            mus[at.TOKENS, m] = walk.any_tokens(i, lanes.streams, trace, window)
            mus[at.LOG_WORTH, m], mus[at.OMEGA, m] = 0.0, mus[at.BASE_OMEGA, m]
        else:
            mus[at.LOG_WORTH, m] = _LOG_NOT_ASKING
            mus[at.OMEGA, m] = in_range(mus[at.BASE_OMEGA, m] * walk.NOT_ASKING)
        describe_mu(i, m, lanes)
