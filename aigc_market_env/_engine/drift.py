"""What changes between slots, as compiled loops over one lane: requests, worth, load, channels (private).

The formulas are those of ``scenarios.dynamics``.
"""

import math

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._engine.process import (
    PROFILE,
    URGENT_BEGIN,
    URGENT_END,
    URGENT_LOG_FACTOR,
    WORTH_CORRELATION,
    WORTH_DEVIATION,
)
from aigc_market_env._engine.slot import ACCURACY, NOISE, TIMELINESS, TOKENS
from aigc_market_env._numerics.compile import compiled_in_place, compiled_inner
from aigc_market_env._numerics.elementary import exp
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import ENTRY, coefficients_of, describe
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.dynamics import faded, in_range, signal_of, urgency, usual_worth
from aigc_market_env.scenarios.streams import fill_normals, next_uniform

# Rows of scratch that are free between slots.
_WEIGHT, _PATIENCE = TIMELINESS, ACCURACY


@compiled_inner
def take_request(i: int, m: int, lanes: Lanes) -> None:
    """Give MU ``m`` the content that its request names; what follows from it, :func:`describe_mu` writes."""
    mus, link = lanes.mus[i], lanes.links[i]
    num_mus, source = mus.shape[1], int(mus[at.REQUEST, m])
    mus[at.TOKENS, m] = mus[at.BASE_TOKENS, source]
    mus[at.BITS, m] = mus[at.BASE_BITS, source]
    for first in range(0, link.shape[1], num_mus):
        link[at.ACCURACY, first + m] = link[at.BASE_ACCURACY, first + source]


@compiled_inner
def describe_mu(i: int, m: int, lanes: Lanes) -> None:
    """Write all that follows from what MU ``m`` is and asks for."""
    mus, asps, link = lanes.mus[i], lanes.asps[i], lanes.links[i]
    bound_rewards(mus, m)
    for n in range(asps.shape[1]):
        k = n * mus.shape[1] + m
        c = qoe.coefficients(
            mus[at.WEIGHT_ACCURACY, m],
            mus[at.WEIGHT_TOKENS, m],
            mus[at.WEIGHT_TIMELINESS, m],
            link[at.ACCURACY, k],
            asps[at.REASONING, n],
            mus[at.TOKENS, m],
            mus[at.PATIENCE, m],
            link[at.LATENCY, k],
            asps[at.SLOT, n],
        )
        describe(link, k, c)


@compiled_inner
def describe_links(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """Write what of the links follows from the tokens that MUs ask for and from latencies, in loops over links.

    They give what :func:`describe_mu` gives, as vector code; what else that writes stays, entry slopes included.
    """
    mus, link, slot = lanes.mus[i], lanes.links[i], lanes.asps[i, at.SLOT, 0]
    num_mus = mus.shape[1]
    for first in range(0, link.shape[1], num_mus):
        for m in range(num_mus):
            scratch[_WEIGHT, first + m] = mus[at.WEIGHT_TIMELINESS, m]
            scratch[_PATIENCE, first + m] = mus[at.PATIENCE, m]
            scratch[TOKENS, first + m] = mus[at.TOKENS, m]
    for k in range(link.shape[1]):
        weight, patience, tokens = scratch[_WEIGHT, k], scratch[_PATIENCE, k], scratch[TOKENS, k]
        c = qoe.coefficients(0.0, 0.0, weight, 0.0, 0.0, tokens, patience, link[at.LATENCY, k], slot)
        link[2, k], link[4, k], link[5, k] = c[2], c[4], c[5]


@compiled_inner
def measure_entries(i: int, lanes: Lanes) -> None:
    """Write the entry slopes of all links as :func:`describe_mu` does; best responses alone have a use for them."""
    link = lanes.links[i]
    for k in range(link.shape[1]):
        link[ENTRY, k] = qoe.slope(0.0, coefficients_of(link, k))


@compiled_inner
def bound_rewards(mus: FloatArray, m: int) -> None:
    """Write up to which reward MU ``m`` is worth serving."""
    mus[at.BOUND, m] = satisfaction.bound(mus[at.OMEGA, m], mus[at.REQUIREMENT, m])


@compiled_in_place
def begin_worth(i: int, lanes: Lanes, process: FloatArray, scratch: FloatArray) -> None:
    """Draw what every MU's requests are worth as an episode begins, from the stationary distribution."""
    mus = lanes.mus[i]
    begin, end = process[URGENT_BEGIN], process[URGENT_END]
    usual = end / (begin + end)
    for m in range(mus.shape[1]):
        mus[at.LOG_WORTH, m] = 0.0
        mus[at.URGENT, m] = 0.0
        if begin > 0.0 and next_uniform(lanes.streams, i) >= usual:
            mus[at.URGENT, m] = 1.0
    _change_worth(i, lanes, process, 0.0, scratch)


@compiled_in_place
def change_worth(i: int, lanes: Lanes, process: FloatArray, scratch: FloatArray) -> None:
    """Draw what every MU's requests are worth in the next slot."""
    mus, begin = lanes.mus[i], process[URGENT_BEGIN]
    for m in range(mus.shape[1]):
        mus[at.SERVED_BOUND, m] = mus[at.BOUND, m]
    if begin > 0.0:
        for m in range(mus.shape[1]):
            uniform = next_uniform(lanes.streams, i)
            mus[at.URGENT, m] = urgency(mus[at.URGENT, m], begin, process[URGENT_END], uniform)
    _change_worth(i, lanes, process, process[WORTH_CORRELATION], scratch)


@compiled_inner
def _change_worth(i: int, lanes: Lanes, process: FloatArray, correlation: float, scratch: FloatArray) -> None:
    """Draw the usual worth, and write ω and the bounds of rewards."""
    mus, deviation = lanes.mus[i], process[WORTH_DEVIATION]
    num_mus = mus.shape[1]
    if deviation > 0.0:
        noise = scratch[NOISE, : num_mus + num_mus % 2]
        fill_normals(lanes.streams, i, noise)
        for m in range(num_mus):
            mus[at.LOG_WORTH, m] = usual_worth(mus[at.LOG_WORTH, m], correlation, deviation, noise[m])
    for m in range(num_mus):
        worth = exp(mus[at.LOG_WORTH, m] + mus[at.URGENT, m] * process[URGENT_LOG_FACTOR])
        mus[at.OMEGA, m] = in_range(mus[at.BASE_OMEGA, m] * worth)
        bound_rewards(mus, m)


@compiled_in_place
def begin_load(i: int, lanes: Lanes, process: FloatArray) -> None:
    """Draw the place in the load profile at which an episode begins."""
    _set_load(i, lanes, process, int(next_uniform(lanes.streams, i) * (process.shape[0] - PROFILE)))


@compiled_in_place
def change_load(i: int, lanes: Lanes, process: FloatArray) -> None:
    """Go to the next place in the load profile, which begins anew after its end."""
    asps = lanes.asps[i]
    for n in range(asps.shape[1]):
        asps[at.SERVED_COMPUTE_CAPACITY, n] = asps[at.COMPUTE_CAPACITY, n]
        asps[at.SERVED_BANDWIDTH_CAPACITY, n] = asps[at.BANDWIDTH_CAPACITY, n]
    _set_load(i, lanes, process, (int(asps[at.PROFILE_SLOT, 0]) + 1) % (process.shape[0] - PROFILE))


@compiled_inner
def _set_load(i: int, lanes: Lanes, process: FloatArray, place: int) -> None:
    asps = lanes.asps[i]
    for n in range(asps.shape[1]):
        asps[at.PROFILE_SLOT, n] = place
        asps[at.COMPUTE_CAPACITY, n] = in_range(asps[at.BASE_COMPUTE_CAPACITY, n] / process[PROFILE + place])
        asps[at.BANDWIDTH_CAPACITY, n] = in_range(asps[at.BASE_BANDWIDTH_CAPACITY, n] / process[PROFILE + place])


@compiled_inner
def measure_signals(i: int, lanes: Lanes) -> None:
    """Write the signals that the base market's channels stand for."""
    link = lanes.links[i]
    for k in range(link.shape[1]):
        link[at.SIGNAL, k] = signal_of(link[at.BASE_EFFICIENCY, k])


@compiled_inner
def fade(i: int, lanes: Lanes, shadowing_db: float, correlation: float, scratch: FloatArray) -> None:
    """Draw every link's shadow; with ``correlation`` = 0 from its stationary distribution, as an episode begins."""
    link, noise = lanes.links[i], scratch[NOISE]
    innovation = shadowing_db * math.sqrt(1.0 - correlation * correlation)
    fill_normals(lanes.streams, i, noise)
    for k in range(link.shape[1]):
        shadow = correlation * link[at.SHADOW, k] + innovation * noise[k]
        link[at.SHADOW, k] = shadow
        link[at.EFFICIENCY, k] = faded(link[at.BASE_EFFICIENCY, k], link[at.SIGNAL, k], shadow)
