"""The compiled entry points of the environment, each over a slice of lanes (private).

They only decide what is computed when; a slot is in ``slot``, what changes between slots in ``drift``, observations in
``observations``. They take the arrays of ``Lanes`` and of two ``Views`` one by one: to unpack tuples at each call would
take Numba longer than a single market's slot takes. The first views are the picture kept here, the second what is
handed out.
"""

import numpy as np

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.drift import describe_mu, fade, measure_signals, take_request
from aigc_market_env._engine.lanes import Float32Array, Lanes, Streams, Views
from aigc_market_env._engine.observations import see, show_asps, show_channels, show_mu, show_results, show_rewards
from aigc_market_env._engine.slot import NOISE, Shares, account, new_scratch, respond, split, spread, take_rewards
from aigc_market_env._numerics.compile import compiled, compiled_inner
from aigc_market_env.model.links import LINK_ROWS
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.dynamics import draw_request


@compiled
def begin(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_picture: Float32Array,
    asp_picture: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shadowing_db: float,
) -> None:
    """Start episodes: stationary shadows, each MU with its own request, prices at cost, nothing served yet."""
    lanes, picture, views = Lanes(mus, asps, links, streams), Views(mu_picture, asp_picture), Views(mus_see, asps_see)
    scratch = new_scratch(lanes)
    for i in range(start, stop):
        mus[i, at.UTILITY :] = 0.0
        asps[i, at.PROFIT :] = 0.0
        asps[i, at.COMPUTE_PRICE] = asps[i, at.COMPUTE_COST]
        asps[i, at.BANDWIDTH_PRICE] = asps[i, at.BANDWIDTH_COST]
        links[i, at.POSTED : at.SIGNAL] = 0.0
        for m in range(mus.shape[2]):
            mus[i, at.REQUEST, m] = m
            take_request(i, m, lanes)
        measure_signals(i, lanes)
        if shadowing_db > 0.0:
            fade(i, lanes, shadowing_db, 0.0, scratch)
        else:
            links[i, at.EFFICIENCY] = links[i, at.BASE_EFFICIENCY]
        _show_all(i, lanes, picture, scratch)
        see(i, lanes, picture, views, True)


@compiled_inner
def _show_all(i: int, lanes: Lanes, picture: Views, scratch: FloatArray) -> None:
    show_asps(i, lanes, picture)
    for m in range(lanes.mus.shape[2]):
        show_mu(i, m, lanes, picture)
    show_channels(i, lanes, picture, scratch[NOISE])
    show_results(i, lanes, picture)
    show_rewards(i, lanes, picture)


@compiled
def observe(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_picture: Float32Array,
    asp_picture: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    mus_turn: bool,
) -> None:
    """Copy what agents see now."""
    lanes, picture, views = Lanes(mus, asps, links, streams), Views(mu_picture, asp_picture), Views(mus_see, asps_see)
    for i in range(start, stop):
        see(i, lanes, picture, views, mus_turn)


@compiled
def resume(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_picture: Float32Array,
    asp_picture: Float32Array,
) -> None:
    """Write anew all that follows from the lanes' quantities."""
    lanes, picture = Lanes(mus, asps, links, streams), Views(mu_picture, asp_picture)
    scratch = new_scratch(lanes)
    for i in range(start, stop):
        for m in range(mus.shape[2]):
            describe_mu(i, m, lanes)
        measure_signals(i, lanes)
        _show_all(i, lanes, picture, scratch)


@compiled
def post(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_picture: Float32Array,
    asp_picture: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shares: Shares,
) -> None:
    """MUs post rewards, ``shares`` (B, M, N) of the bound ω/q; then it is the ASPs' turn, and they see the rewards."""
    lanes, picture, views = Lanes(mus, asps, links, streams), Views(mu_picture, asp_picture), Views(mus_see, asps_see)
    for i in range(start, stop):
        take_rewards(i, lanes, shares)
        show_rewards(i, lanes, picture)
        see(i, lanes, picture, views, False)


@compiled
def serve(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_picture: Float32Array,
    asp_picture: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shadowing_db: float,
    correlation: float,
    request_probability: float,
    shares: Shares,
) -> None:
    """ASPs allocate ``shares`` (B, N, 2, M) of their capacities; the slot closes, the next begins."""
    lanes, picture, views = Lanes(mus, asps, links, streams), Views(mu_picture, asp_picture), Views(mus_see, asps_see)
    scratch = new_scratch(lanes)
    for i in range(start, stop):
        spread(i, lanes, scratch)
        split(i, lanes, shares, scratch)
        _close(i, lanes, picture, shadowing_db, correlation, request_probability, scratch)
        see(i, lanes, picture, views, True)


@compiled
def trade(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_picture: Float32Array,
    asp_picture: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shadowing_db: float,
    correlation: float,
    request_probability: float,
    tolerance: float,
    shares: Shares,
) -> None:
    """MUs post ``shares`` (B, M, N) of the bound ω/q, ASPs respond at their best; the slot closes, the next begins."""
    lanes, picture, views = Lanes(mus, asps, links, streams), Views(mu_picture, asp_picture), Views(mus_see, asps_see)
    scratch = new_scratch(lanes)
    table, trial = np.empty((LINK_ROWS + 4, mus.shape[2])), np.empty(mus.shape[2])
    for i in range(start, stop):
        take_rewards(i, lanes, shares)
        for n in range(asps.shape[2]):
            respond(i, n, lanes, tolerance, table, trial)
        spread(i, lanes, scratch)
        show_rewards(i, lanes, picture)
        _close(i, lanes, picture, shadowing_db, correlation, request_probability, scratch)
        see(i, lanes, picture, views, True)


@compiled_inner
def _close(
    i: int,
    lanes: Lanes,
    picture: Views,
    shadowing_db: float,
    correlation: float,
    request_probability: float,
    scratch: FloatArray,
) -> None:
    """Pay out the slot, and move on to the next one."""
    account(i, lanes, scratch)
    show_results(i, lanes, picture)
    if request_probability > 0.0:
        for m in range(lanes.mus.shape[2]):
            source = draw_request(i, lanes.streams, request_probability, lanes.mus.shape[2])
            if source >= 0:
                lanes.mus[i, at.REQUEST, m] = source
                take_request(i, m, lanes)
                show_mu(i, m, lanes, picture)
    if shadowing_db > 0.0:
        fade(i, lanes, shadowing_db, correlation, scratch)
        show_channels(i, lanes, picture, scratch[NOISE])
