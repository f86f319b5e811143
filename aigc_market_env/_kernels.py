"""The compiled loops of the environment: post rewards, serve a slot, observe (private).

A step is one call over a slice of lanes. The formulas are those of ``qoe``, ``followers`` and ``dynamics``; this file
only decides what is computed when, and where it is written. Of observations only what slots change is written, where
the rest is known to be there already.
"""

import math

import numpy as np

from aigc_market_env import _lanes as at
from aigc_market_env import qoe, spaces
from aigc_market_env._compile import compiled
from aigc_market_env._elementary import log
from aigc_market_env._lanes import Float32Array, Lanes, Streams, Views
from aigc_market_env.followers import (
    SIGMA,
    Asp,
    allocate,
    coefficients_of,
    connect,
    describe,
    shadow_prices,
    throughput,
)
from aigc_market_env.market import FloatArray
from aigc_market_env.scenarios.dynamics import draw_request, faded, signal_of
from aigc_market_env.scenarios.streams import next_normals

_OMEGA, _Q = spaces.REFERENCE["satisfaction_scale"], spaces.REFERENCE["qoe_requirement"]
_TOKENS, _PATIENCE = spaces.REFERENCE["desired_tokens"], spaces.REFERENCE["patience"]
_BITS, _EFFICIENCY = spaces.REFERENCE["bits_per_token"], spaces.REFERENCE["spectral_efficiency"]
_COMPUTE, _BANDWIDTH = spaces.REFERENCE["compute_capacity"], spaces.REFERENCE["bandwidth_capacity"]
_COMPUTE_COST, _BANDWIDTH_COST = spaces.REFERENCE["compute_cost"], spaces.REFERENCE["bandwidth_cost"]
_FLOPS, _REASONING = spaces.REFERENCE["flops_per_token"], spaces.REFERENCE["reasoning_tokens"]
_MU_LINK, _MU_LINK_SIZE = 1 + spaces.MU_TYPE_SIZE, spaces.MU_LINK_SIZE
_ASP_LINK, _ASP_LINK_SIZE = 1 + spaces.ASP_TYPE_SIZE, spaces.ASP_LINK_SIZE


# Entry points --------------------------------------------------------------------------------------------------------
#
# They take the arrays of ``Lanes`` and of two ``Views`` one by one: to unpack tuples at each call would take Numba
# longer than a single market's slot takes. The first views hold the entries that slots do not change, and stay here;
# what agents see is written into the second ones, all of it, because those are the users' to write into as well.


@compiled
def begin(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_lasting: Float32Array,
    asp_lasting: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shadowing_db: float,
) -> None:
    """Start episodes: stationary shadows, each MU with its own request, prices at cost, nothing served yet."""
    lanes, lasting, views = Lanes(mus, asps, links, streams), Views(mu_lasting, asp_lasting), Views(mus_see, asps_see)
    for i in range(start, stop):
        mus[i, at.UTILITY :] = 0.0
        asps[i, at.PROFIT :] = 0.0
        asps[i, at.COMPUTE_PRICE] = asps[i, at.COMPUTE_COST]
        asps[i, at.BANDWIDTH_PRICE] = asps[i, at.BANDWIDTH_COST]
        links[i, :, at.POSTED : at.SIGNAL] = 0.0
        for n in range(links.shape[1]):
            _write_board(asps[i], n)
        for m in range(mus.shape[2]):
            mus[i, at.REQUEST, m] = m
            _take_request(i, m, lanes)
        _write_lasting(i, lanes, lasting)
        _fade(i, lanes, shadowing_db, 0.0)
        _see(i, lanes, lasting, views, True)


@compiled
def observe(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_lasting: Float32Array,
    asp_lasting: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    mus_turn: bool,
) -> None:
    """Write what agents see now."""
    lanes, lasting, views = Lanes(mus, asps, links, streams), Views(mu_lasting, asp_lasting), Views(mus_see, asps_see)
    for i in range(start, stop):
        _see(i, lanes, lasting, views, mus_turn)


@compiled
def resume(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_lasting: Float32Array,
    asp_lasting: Float32Array,
) -> None:
    """Write anew all that follows from the lanes' quantities."""
    lanes, lasting = Lanes(mus, asps, links, streams), Views(mu_lasting, asp_lasting)
    for i in range(start, stop):
        for m in range(mus.shape[2]):
            _describe(i, m, lanes)
        for n in range(links.shape[1]):
            _connect(i, n, lanes)
            _write_board(asps[i], n)
        _write_lasting(i, lanes, lasting)


@compiled
def post(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_lasting: Float32Array,
    asp_lasting: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shares: FloatArray,
) -> None:
    """MUs post rewards, ``shares`` (B, M, N) of the bound ω/q; then it is the ASPs' turn, and they see the rewards."""
    lanes, lasting, views = Lanes(mus, asps, links, streams), Views(mu_lasting, asp_lasting), Views(mus_see, asps_see)
    for i in range(start, stop):
        _post(i, lanes, shares)
        _see(i, lanes, lasting, views, False)


@compiled
def serve(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_lasting: Float32Array,
    asp_lasting: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shadowing_db: float,
    correlation: float,
    request_probability: float,
    shares: FloatArray,
) -> None:
    """ASPs allocate ``shares`` (B, N, 2, M) of their capacities; the slot closes, the next begins."""
    lanes, lasting, views = Lanes(mus, asps, links, streams), Views(mu_lasting, asp_lasting), Views(mus_see, asps_see)
    for i in range(start, stop):
        for n in range(links.shape[1]):
            _split(i, n, lanes, shares[i, n])
        _close(i, lanes, lasting, shadowing_db, correlation, request_probability)
        _see(i, lanes, lasting, views, True)


@compiled
def trade(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_lasting: Float32Array,
    asp_lasting: Float32Array,
    mus_see: Float32Array,
    asps_see: Float32Array,
    shadowing_db: float,
    correlation: float,
    request_probability: float,
    tolerance: float,
    shares: FloatArray,
) -> None:
    """MUs post ``shares`` (B, M, N) of the bound ω/q, ASPs respond at their best; the slot closes, the next begins."""
    lanes, lasting, views = Lanes(mus, asps, links, streams), Views(mu_lasting, asp_lasting), Views(mus_see, asps_see)
    trial, prices = np.empty(shares.shape[1]), np.empty(2)
    for i in range(start, stop):
        _post(i, lanes, shares)
        for n in range(links.shape[1]):
            link, asp = links[i, n], _asp_of(i, n, lanes)
            rates = link[at.RATE]
            prices[0], prices[1] = asps[i, at.SHADOW_PRICE, n], asps[i, at.SHADOW_PRICE + 1, n]
            _, steps = shadow_prices(link, asp, link[at.POSTED], tolerance, prices, rates, trial)
            allocate(link, asp, prices, rates, link[at.COMPUTE], link[at.BANDWIDTH])
            asps[i, at.SHADOW_PRICE, n], asps[i, at.SHADOW_PRICE + 1, n] = prices[0], prices[1]
            asps[i, at.NEWTON_STEPS, n] = steps
        _close(i, lanes, lasting, shadowing_db, correlation, request_probability)
        _see(i, lanes, lasting, views, True)


# A slot --------------------------------------------------------------------------------------------------------------


@compiled
def _asp_of(i: int, n: int, lanes: Lanes) -> Asp:
    asps = lanes.asps[i]
    return Asp(
        asps[at.KAPPA, n],
        asps[at.COMPUTE_COST, n],
        asps[at.BANDWIDTH_COST, n],
        asps[at.COMPUTE_CAPACITY, n],
        asps[at.BANDWIDTH_CAPACITY, n],
    )


@compiled
def _unit(share: float) -> float:
    return min(max(share, 0.0), 1.0)


@compiled
def _post(i: int, lanes: Lanes, shares: FloatArray) -> None:
    for m in range(shares.shape[1]):
        bound = lanes.mus[i, at.BOUND, m]
        for n in range(shares.shape[2]):
            lanes.links[i, n, at.POSTED, m] = _unit(shares[i, m, n]) * bound


@compiled
def _split(i: int, n: int, lanes: Lanes, shares: FloatArray) -> None:
    """Decode an ASP's action (2, M): shares of its capacities, scaled down where they sum to more than 1."""
    link, asp = lanes.links[i, n], _asp_of(i, n, lanes)
    compute_sum = bandwidth_sum = 0.0
    for m in range(shares.shape[1]):
        compute_sum += _unit(shares[0, m])
        bandwidth_sum += _unit(shares[1, m])
    compute, bandwidth = asp.compute_capacity / max(compute_sum, 1.0), asp.bandwidth_capacity / max(bandwidth_sum, 1.0)
    for m in range(shares.shape[1]):
        f, b = _unit(shares[0, m]) * compute, _unit(shares[1, m]) * bandwidth
        link[at.COMPUTE, m], link[at.BANDWIDTH, m] = f, b
        link[at.RATE, m] = throughput(f, b, asp.flops_per_token, link[SIGMA, m])


@compiled
def _close(
    i: int, lanes: Lanes, lasting: Views, shadowing_db: float, correlation: float, request_probability: float
) -> None:
    """Pay out the slot, and move on to the next one."""
    _account(i, lanes)
    if request_probability > 0.0:
        for m in range(lanes.mus.shape[2]):
            source = draw_request(i, lanes.streams, request_probability, lanes.mus.shape[2])
            if source >= 0:
                lanes.mus[i, at.REQUEST, m] = source
                _take_request(i, m, lanes)
                _write_mu(i, m, lanes, lasting)
    _fade(i, lanes, shadowing_db, correlation)


@compiled
def _account(i: int, lanes: Lanes) -> None:
    """QoE, utilities, profits, and the price board of the slot just served."""
    mus = lanes.mus[i]
    mus[at.UTILITY :] = 0.0
    for n in range(lanes.links.shape[1]):
        _account_asp(i, n, lanes)
    for m in range(mus.shape[1]):
        delivered = mus[at.SCORE, m] + mus[at.SCORE + 1, m] + mus[at.SCORE + 2, m]
        satisfied = math.log1p(delivered / mus[at.REQUIREMENT, m])
        mus[at.UTILITY, m] += mus[at.OMEGA, m] * satisfied  # which was minus the payments


@compiled
def _account_asp(i: int, n: int, lanes: Lanes) -> None:
    """What one ASP delivers and earns, and its effective prices.

    The effective price of a resource is the revenue that its last unit earns, averaged over the units used. At a best
    response every unit earns the same, the cost plus the shadow price; the formula needs no best response, though.
    """
    mus, asps, link = lanes.mus[i], lanes.asps[i], lanes.links[i, n]
    kappa = asps[at.KAPPA, n]
    compute = bandwidth = revenue = compute_worth = bandwidth_worth = 0.0
    for m in range(mus.shape[1]):
        x, f, b, reward = link[at.RATE, m], link[at.COMPUTE, m], link[at.BANDWIDTH, m], link[at.POSTED, m]
        accuracy, token_count, timeliness, slope = qoe.terms_and_slope(x, coefficients_of(link, m))
        bought = accuracy + token_count + timeliness
        payment = reward * bought
        link[at.REWARD, m], link[at.QOE, m] = reward, bought
        mus[at.SCORE, m] += accuracy
        mus[at.SCORE + 1, m] += token_count
        mus[at.SCORE + 2, m] += timeliness
        mus[at.UTILITY, m] -= payment
        revenue += payment
        compute += f
        bandwidth += b
        computing = x * kappa / f if f > 0.0 else 0.0  # share of a token's time, for x = 1/(κ/f + σ/b)
        marginal = reward * slope * x
        compute_worth += marginal * computing  # f ∂(rQ)/∂f
        bandwidth_worth += marginal * (1.0 - computing)
    cost_f, cost_b = asps[at.COMPUTE_COST, n], asps[at.BANDWIDTH_COST, n]
    asps[at.PROFIT, n] = revenue - cost_f * compute - cost_b * bandwidth
    asps[at.COMPUTE_PRICE, n] = max(compute_worth / compute, cost_f) if compute > 0.0 else cost_f
    asps[at.BANDWIDTH_PRICE, n] = max(bandwidth_worth / bandwidth, cost_b) if bandwidth > 0.0 else cost_b
    _write_board(asps, n)


@compiled
def _write_board(asps: FloatArray, n: int) -> None:
    """Effective prices as agents see them."""
    asps[at.COMPUTE_ENTRY, n] = spaces.log_entry(asps[at.COMPUTE_PRICE, n], _COMPUTE_COST)
    asps[at.BANDWIDTH_ENTRY, n] = spaces.log_entry(asps[at.BANDWIDTH_PRICE, n], _BANDWIDTH_COST)


# The dynamics --------------------------------------------------------------------------------------------------------


@compiled
def _take_request(i: int, m: int, lanes: Lanes) -> None:
    """Give MU ``m`` the content that its request names."""
    mus, links = lanes.mus[i], lanes.links[i]
    source = int(mus[at.REQUEST, m])
    mus[at.TOKENS, m] = mus[at.BASE_TOKENS, source]
    mus[at.BITS, m] = mus[at.BASE_BITS, source]
    for n in range(links.shape[0]):
        links[n, at.ACCURACY, m] = links[n, at.BASE_ACCURACY, source]
    _describe(i, m, lanes)


@compiled
def _describe(i: int, m: int, lanes: Lanes) -> None:
    """Write all that follows from what MU ``m`` is and asks for."""
    mus, asps = lanes.mus[i], lanes.asps[i]
    mus[at.BOUND, m] = mus[at.OMEGA, m] / mus[at.REQUIREMENT, m]
    for n in range(asps.shape[1]):
        link = lanes.links[i, n]
        link[at.SIGNAL, m] = signal_of(link[at.BASE_EFFICIENCY, m])
        c = qoe.coefficients(
            mus[at.WEIGHT_ACCURACY, m],
            mus[at.WEIGHT_TOKENS, m],
            mus[at.WEIGHT_TIMELINESS, m],
            link[at.ACCURACY, m],
            asps[at.REASONING, n],
            mus[at.TOKENS, m],
            mus[at.PATIENCE, m],
            link[at.LATENCY, m],
            asps[at.SLOT, n],
        )
        describe(link, m, c)


@compiled
def _fade(i: int, lanes: Lanes, shadowing_db: float, correlation: float) -> None:
    """Draw every link's shadow; with ``correlation`` = 0 from its stationary distribution, as an episode begins."""
    innovation = shadowing_db * math.sqrt(1.0 - correlation * correlation)
    for n in range(lanes.links.shape[1]):
        link = lanes.links[i, n]
        if shadowing_db > 0.0:
            _cast_shadows(i, link[at.SHADOW], lanes.streams, correlation, innovation)
            for m in range(link.shape[1]):
                base, signal, shadow = link[at.BASE_EFFICIENCY, m], link[at.SIGNAL, m], link[at.SHADOW, m]
                link[at.EFFICIENCY, m] = faded(base, signal, shadow)
        else:
            link[at.EFFICIENCY] = link[at.BASE_EFFICIENCY]
        _connect(i, n, lanes)


@compiled
def _cast_shadows(i: int, shadow: FloatArray, streams: Streams, correlation: float, innovation: float) -> None:
    """Move the shadows (M,) of one ASP's links by a slot; normal numbers come in pairs."""
    for m in range(0, shadow.shape[0] - 1, 2):
        one, other = next_normals(streams, i)
        shadow[m] = correlation * shadow[m] + innovation * one
        shadow[m + 1] = correlation * shadow[m + 1] + innovation * other
    if shadow.shape[0] % 2 == 1:
        one, _ = next_normals(streams, i)
        shadow[-1] = correlation * shadow[-1] + innovation * one


@compiled
def _connect(i: int, n: int, lanes: Lanes) -> None:
    """Write all that follows from an ASP's channels."""
    link, kappa = lanes.links[i, n], lanes.asps[i, at.KAPPA, n]
    for m in range(link.shape[1]):
        connect(link, m, kappa, lanes.mus[i, at.BITS, m], link[at.EFFICIENCY, m])
        link[at.CHANNEL, m] = spaces.clipped(log(link[at.EFFICIENCY, m] / _EFFICIENCY))


# Observations --------------------------------------------------------------------------------------------------------


@compiled
def _see(i: int, lanes: Lanes, lasting: Views, views: Views, mus_turn: bool) -> None:
    """Write what agents see; groups that are not asked for have no rows."""
    for m in range(views.mus.shape[1]):
        row = views.mus[i, m]
        for k in range(row.shape[0]):
            row[k] = lasting.mus[i, m, k]
        row[0] = 1.0 if mus_turn else 0.0
        for n in range(lanes.links.shape[1]):
            entry = _MU_LINK + n * _MU_LINK_SIZE
            row[entry + 1] = lanes.links[i, n, at.CHANNEL, m]
            row[entry + 5] = lanes.asps[i, at.COMPUTE_ENTRY, n]
            row[entry + 6] = lanes.asps[i, at.BANDWIDTH_ENTRY, n]
            row[entry + 7] = lanes.links[i, n, at.QOE, m]
    for n in range(views.asps.shape[1]):
        row = views.asps[i, n]
        for k in range(row.shape[0]):
            row[k] = lasting.asps[i, n, k]
        row[0] = 0.0 if mus_turn else 1.0
        for m in range(lanes.mus.shape[2]):
            entry = _ASP_LINK + m * _ASP_LINK_SIZE
            row[entry] = lanes.links[i, n, at.POSTED, m] / lanes.mus[i, at.BOUND, m]
            row[entry + 2] = lanes.links[i, n, at.CHANNEL, m]


@compiled
def _write_lasting(i: int, lanes: Lanes, lasting: Views) -> None:
    """All entries that slots do not change."""
    asps = lanes.asps[i]
    for n in range(asps.shape[1]):
        row = lasting.asps[i, n]
        row[1] = spaces.log_entry(asps[at.COMPUTE_CAPACITY, n], _COMPUTE)
        row[2] = spaces.log_entry(asps[at.BANDWIDTH_CAPACITY, n], _BANDWIDTH)
        row[3] = spaces.log_entry(asps[at.COMPUTE_COST, n], _COMPUTE_COST)
        row[4] = spaces.log_entry(asps[at.BANDWIDTH_COST, n], _BANDWIDTH_COST)
        row[5] = spaces.log_entry(asps[at.KAPPA, n], _FLOPS)
        row[6] = spaces.log_entry(asps[at.REASONING, n], _REASONING)
    for m in range(lanes.mus.shape[2]):
        _write_mu(i, m, lanes, lasting)


@compiled
def _write_mu(i: int, m: int, lanes: Lanes, lasting: Views) -> None:
    """Those that depend on an MU: its type and links, where it sees them itself and where the ASPs do."""
    mus, row = lanes.mus[i], lasting.mus[i, m]
    row[1] = spaces.log_entry(mus[at.OMEGA, m], _OMEGA)
    row[2] = spaces.log_entry(mus[at.REQUIREMENT, m], _Q)
    for j in range(3):
        row[3 + j] = mus[at.WEIGHT_ACCURACY + j, m]
    row[6] = spaces.log_entry(mus[at.TOKENS, m], _TOKENS)
    row[7] = spaces.log_entry(mus[at.PATIENCE, m], _PATIENCE)
    row[8] = spaces.log_entry(mus[at.BITS, m], _BITS)
    for n in range(lanes.links.shape[1]):
        entry, other, asp = _MU_LINK + n * _MU_LINK_SIZE, _ASP_LINK + m * _ASP_LINK_SIZE, lasting.asps[i, n]
        row[entry] = asp[other + 1] = lanes.links[i, n, at.ACCURACY, m]
        row[entry + 2] = asp[other + 3] = spaces.clipped(math.log1p(lanes.links[i, n, at.LATENCY, m]))
        row[entry + 3], row[entry + 4] = asp[5], asp[6]
        for j in range(spaces.MU_TYPE_SIZE):
            asp[other + 4 + j] = row[1 + j]
