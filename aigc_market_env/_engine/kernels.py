"""The compiled entry points of the environment, each over a slice of lanes (private).

They only decide what is computed when; a slot is in ``slot``, what changes between slots in ``drift``, observations in
``observations``. They take the arrays of ``Lanes`` and of two ``Observations`` one by one: to unpack tuples at each
call would take Numba longer than a single market's slot takes. The first are the current observations, which the engine
keeps up to date, the second the buffer that is handed out. Scratch has a row for every slice that there may be.
"""

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.charge import charge
from aigc_market_env._engine.drift import (
    begin_load,
    begin_worth,
    change_load,
    change_worth,
    describe_mu,
    fade,
    measure_entries,
    measure_signals,
    take_request,
)
from aigc_market_env._engine.fetch import fetch_drives, fetch_posting, fetch_serving
from aigc_market_env._engine.lanes import Float32Array, Lanes, Observations, Streams
from aigc_market_env._engine.observations import (
    hand_out,
    write_asps,
    write_capacities,
    write_channels,
    write_demand,
    write_links,
    write_money,
    write_mu,
    write_requests,
    write_results,
    write_rewards,
    write_wallets,
    write_worth,
)
from aigc_market_env._engine.process import (
    PROFILE,
    REQUEST_PROBABILITY,
    SHADOWING_CORRELATION,
    SHADOWING_DB,
    TRACED,
    WALLETS,
    num_places,
    worth_varies,
)
from aigc_market_env._engine.replay import LOG_EFFICIENCY, begin_trace, follow_trace
from aigc_market_env._engine.slot import (
    NOISE,
    SLICE,
    Shares,
    ask_asps,
    deliver,
    new_scratch,
    pay,
    split,
    spread,
    take_responses,
    take_rewards,
)
from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env.game.demand import blocks_of, new_providers
from aigc_market_env.game.shadow_prices import find_responses
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.dynamics import draw_request

#: Blocks of MUs whose ASPs are asked for best responses together, those of several lanes where one has fewer: one waits
#: where others do not. More would leave the nearest cache.
_BLOCKS_TOGETHER = 24


@compiled
def begin(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mus_now: Float32Array,
    asps_now: Float32Array,
    mus_out: Float32Array,
    asps_out: Float32Array,
    process: FloatArray,
    scratches: FloatArray,
) -> None:
    """Start episodes: stationary shadows, each MU with its own request, prices at cost, nothing served yet."""
    lanes = Lanes(mus, asps, links, streams)
    current, out = Observations(mus_now, asps_now), Observations(mus_out, asps_out)
    scratch = scratches[start // SLICE]
    for i in range(start, stop):
        mus[i, at.UTILITY : at.SCORE_TIMELINESS + 1] = 0.0
        asps[i, at.PROFIT :] = 0.0
        asps[i, at.COMPUTE_PRICE] = asps[i, at.COMPUTE_COST]
        asps[i, at.BANDWIDTH_PRICE] = asps[i, at.BANDWIDTH_COST]
        links[i, at.POSTED : at.QOE + 1] = 0.0
        links[i, at.SHADOW] = 0.0
        mus[i, at.ELAPSED] = 0.0
        mus[i, at.MONEY] = mus[i, at.FIRST_MONEY]
        mus[i, at.TIME_SHARE] = 1.0
        if _load_varies(process):
            begin_load(i, lanes, process)
        if worth_varies(process):
            begin_worth(i, lanes, process, scratch)
        for m in range(mus.shape[2]):
            mus[i, at.REQUEST, m] = m
            take_request(i, m, lanes)
        if process[SHADOWING_DB] > 0.0:
            measure_signals(i, lanes)
            fade(i, lanes, process[SHADOWING_DB], 0.0, scratch)
        else:
            links[i, at.EFFICIENCY] = links[i, at.BASE_EFFICIENCY]
        if process[TRACED] > 0.0:
            begin_trace(i, lanes, process[PROFILE:], scratch)
        for m in range(mus.shape[2]):
            describe_mu(i, m, lanes)
        _write_all(i, lanes, current, process, scratch)
        hand_out(i, lanes, current, out, True)


@compiled_inner
def _demand_varies(process: FloatArray) -> bool:
    return worth_varies(process) or _load_varies(process) or process[TRACED] > 0.0


@compiled_inner
def _load_varies(process: FloatArray) -> bool:
    return num_places(process) > 0


@compiled_inner
def _write_all(i: int, lanes: Lanes, current: Observations, process: FloatArray, scratch: FloatArray) -> None:
    write_asps(i, lanes, current)
    for m in range(lanes.mus.shape[2]):
        write_mu(i, m, lanes, current)
    write_channels(i, lanes, current, scratch[NOISE])
    write_results(i, lanes, current)
    write_rewards(i, lanes, current)
    if process[WALLETS] > 0.0:
        write_wallets(i, lanes, current)
        write_demand(i, lanes, current, process)
        write_money(i, lanes, current, process, scratch[NOISE])


@compiled_in_place
def observe(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mus_now: Float32Array,
    asps_now: Float32Array,
    mus_out: Float32Array,
    asps_out: Float32Array,
    mus_turn: bool,
) -> None:
    """Copy the current observations."""
    lanes = Lanes(mus, asps, links, streams)
    current, out = Observations(mus_now, asps_now), Observations(mus_out, asps_out)
    for i in range(start, stop):
        hand_out(i, lanes, current, out, mus_turn)


@compiled_in_place
def resume(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mus_now: Float32Array,
    asps_now: Float32Array,
    process: FloatArray,
    scratches: FloatArray,
) -> None:
    """Write anew all that follows from the lanes' quantities."""
    lanes, current = Lanes(mus, asps, links, streams), Observations(mus_now, asps_now)
    scratch = scratches[start // SLICE]
    for i in range(start, stop):
        for m in range(mus.shape[2]):
            describe_mu(i, m, lanes)
        if process[SHADOWING_DB] > 0.0:
            measure_signals(i, lanes)
        _write_all(i, lanes, current, process, scratch)


@compiled_in_place
def post(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mus_now: Float32Array,
    asps_now: Float32Array,
    mus_out: Float32Array,
    asps_out: Float32Array,
    process: FloatArray,
    shares: Shares,
) -> None:
    """MUs post rewards, ``shares`` (B, M, N) of the bound ω/q; then it is the ASPs' turn, who observe them."""
    lanes = Lanes(mus, asps, links, streams)
    current, out = Observations(mus_now, asps_now), Observations(mus_out, asps_out)
    for i in range(start, stop):
        fetch_posting(i + 1, stop, lanes, process)
        take_rewards(i, lanes, shares, process[WALLETS] > 0.0)
        write_rewards(i, lanes, current)
        hand_out(i, lanes, current, out, False)


@compiled_in_place
def serve(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mus_now: Float32Array,
    asps_now: Float32Array,
    mus_out: Float32Array,
    asps_out: Float32Array,
    process: FloatArray,
    shares: Shares,
    scratches: FloatArray,
) -> None:
    """ASPs allocate ``shares`` (B, N, 2, M) of their capacities; the slot closes, the next begins."""
    lanes = Lanes(mus, asps, links, streams)
    current, out = Observations(mus_now, asps_now), Observations(mus_out, asps_out)
    scratch = scratches[start // SLICE]
    for i in range(start, stop):
        fetch_serving(i + 1, stop, lanes, process)
        spread(i, lanes, scratch)
        split(i, lanes, shares, scratch)
        _close(i, lanes, current, process, scratch)
        hand_out(i, lanes, current, out, True)
        if process[TRACED] > 0.0:
            fetch_drives(i + 1, stop, lanes, process)


@compiled
def trade(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mus_now: Float32Array,
    asps_now: Float32Array,
    mus_out: Float32Array,
    asps_out: Float32Array,
    process: FloatArray,
    shares: Shares,
    tolerance: float,
) -> None:
    """MUs post ``shares`` (B, M, N) of the bound ω/q, ASPs respond at their best; the slot closes, the next begins."""
    lanes = Lanes(mus, asps, links, streams)
    current, out = Observations(mus_now, asps_now), Observations(mus_out, asps_out)
    num_asps = asps.shape[2]
    together = max(_BLOCKS_TOGETHER // (num_asps * blocks_of(mus.shape[2])), 1)
    scratches, providers = new_scratch(lanes, together), new_providers(mus.shape[2], together * num_asps)
    for first in range(start, stop, together):
        last = min(first + together, stop)
        for i in range(first, last):
            scratch = scratches[i - first]
            fetch_serving(i + together, stop, lanes, process)
            take_rewards(i, lanes, shares, process[WALLETS] > 0.0)
            spread(i, lanes, scratch)
            if process[TRACED] > 0.0:
                measure_entries(i, lanes)
            ask_asps(i, (i - first) * num_asps, lanes, scratch, providers)
        find_responses(providers, tolerance)
        for i in range(first, last):
            take_responses(i, (i - first) * num_asps, lanes, providers)
            write_rewards(i, lanes, current)
            _close(i, lanes, current, process, scratches[i - first])
            hand_out(i, lanes, current, out, True)
            if process[TRACED] > 0.0:
                fetch_drives(i + together, stop, lanes, process)


@compiled_inner
def _close(
    i: int,
    lanes: Lanes,
    current: Observations,
    process: FloatArray,
    scratch: FloatArray,
) -> None:
    """Pay out the slot, and move on to the next one."""
    deliver(i, lanes, scratch)
    if process[WALLETS] > 0.0:
        charge(i, lanes, scratch)
    pay(i, lanes, scratch)
    write_results(i, lanes, current)
    if process[WALLETS] > 0.0:
        write_money(i, lanes, current, process, scratch[NOISE])
    _move_on(i, lanes, current, process, scratch)


@compiled_inner
def _move_on(i: int, lanes: Lanes, current: Observations, process: FloatArray, scratch: FloatArray) -> None:
    if process[REQUEST_PROBABILITY] > 0.0:
        for m in range(lanes.mus.shape[2]):
            source = draw_request(i, lanes.streams, process[REQUEST_PROBABILITY], lanes.mus.shape[2])
            if source >= 0:
                lanes.mus[i, at.REQUEST, m] = source
                take_request(i, m, lanes)
                describe_mu(i, m, lanes)
                write_mu(i, m, lanes, current)
    if worth_varies(process):
        change_worth(i, lanes, process, scratch)
        write_worth(i, lanes, current, scratch[NOISE])
        write_rewards(i, lanes, current)
    if _load_varies(process):
        change_load(i, lanes, process)
        write_capacities(i, lanes, current)
    if process[TRACED] > 0.0:
        if follow_trace(i, lanes, process[PROFILE:], scratch):
            write_capacities(i, lanes, current)
        write_worth(i, lanes, current, scratch[NOISE])
        write_requests(i, lanes, current, scratch[NOISE])
        write_rewards(i, lanes, current)
        write_links(i, lanes, current, scratch[LOG_EFFICIENCY], scratch[NOISE])
    if process[WALLETS] > 0.0 and _demand_varies(process):
        write_demand(i, lanes, current, process)
    if process[SHADOWING_DB] > 0.0:
        fade(i, lanes, process[SHADOWING_DB], process[SHADOWING_CORRELATION], scratch)
        write_channels(i, lanes, current, scratch[NOISE])
