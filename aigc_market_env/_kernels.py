"""The compiled loops of the environment: post rewards, serve a slot, observe (private).

A step is one call over a slice of lanes. The formulas are those of ``qoe``, ``followers`` and ``dynamics``; this file
only decides what is computed when, and where it is written. Observations are kept from step to step, and of them only
what has changed is written: what never changes within an episode by :func:`begin`, an MU's request when it changes,
channels, prices and deliveries when a slot closes, posted rewards when they are posted.
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
# They take the arrays of ``Lanes``, of ``Views`` and of a second ``Views`` to hand out one by one: to unpack tuples at
# each call would take Numba longer than a single market's slot takes.


@compiled
def begin(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_views: Float32Array,
    asp_views: Float32Array,
    mu_out: Float32Array,
    asp_out: Float32Array,
    shadowing_db: float,
) -> None:
    """Start episodes: stationary shadows, each MU with its own request, prices at cost, nothing served yet."""
    lanes, views, out = Lanes(mus, asps, links, streams), Views(mu_views, asp_views), Views(mu_out, asp_out)
    for i in range(start, stop):
        mus[i, at.UTILITY :] = 0.0
        asps[i, at.PROFIT :] = 0.0
        asps[i, at.COMPUTE_PRICE] = asps[i, at.COMPUTE_COST]
        asps[i, at.BANDWIDTH_PRICE] = asps[i, at.BANDWIDTH_COST]
        links[i, :, at.POSTED : at.SIGNAL] = 0.0
        for m in range(mus.shape[2]):
            mus[i, at.REQUEST, m] = m
            _take_request(i, m, lanes)
        _write_static(i, lanes, views)
        _fade(i, lanes, views, shadowing_db, 0.0)
        _write_slot(i, lanes, views)
        _hand_out(i, views, out)


@compiled
def resume(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_views: Float32Array,
    asp_views: Float32Array,
    mus_turn: bool,
) -> None:
    """Write anew all that follows from the lanes' quantities: link tables and observations."""
    lanes, views = Lanes(mus, asps, links, streams), Views(mu_views, asp_views)
    for i in range(start, stop):
        _write_static(i, lanes, views)
        for n in range(links.shape[1]):
            for m in range(mus.shape[2]):
                _describe(i, m, n, lanes)
            _connect(i, n, lanes, views)
        _write_slot(i, lanes, views)
        _write_rewards(i, lanes, views)
        _write_turn(i, views, mus_turn)


@compiled
def post(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_views: Float32Array,
    asp_views: Float32Array,
    mu_out: Float32Array,
    asp_out: Float32Array,
    shares: FloatArray,
) -> None:
    """MUs post rewards, ``shares`` (B, M, N) of the bound ω/q; then it is the ASPs' turn, and they see the rewards."""
    lanes, views, out = Lanes(mus, asps, links, streams), Views(mu_views, asp_views), Views(mu_out, asp_out)
    for i in range(start, stop):
        _post(i, lanes, shares)
        _write_rewards(i, lanes, views)
        _write_turn(i, views, False)
        _hand_out(i, views, out)


@compiled
def serve(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_views: Float32Array,
    asp_views: Float32Array,
    mu_out: Float32Array,
    asp_out: Float32Array,
    shadowing_db: float,
    correlation: float,
    request_probability: float,
    shares: FloatArray,
) -> None:
    """ASPs allocate ``shares`` (B, N, 2, M) of their capacities; the slot closes, the next begins."""
    lanes, views, out = Lanes(mus, asps, links, streams), Views(mu_views, asp_views), Views(mu_out, asp_out)
    for i in range(start, stop):
        for n in range(links.shape[1]):
            _split(i, n, lanes, shares[i, n])
        _close(i, lanes, views, shadowing_db, correlation, request_probability)
        _write_turn(i, views, True)
        _hand_out(i, views, out)


@compiled
def trade(
    start: int,
    stop: int,
    mus: FloatArray,
    asps: FloatArray,
    links: FloatArray,
    streams: Streams,
    mu_views: Float32Array,
    asp_views: Float32Array,
    mu_out: Float32Array,
    asp_out: Float32Array,
    shadowing_db: float,
    correlation: float,
    request_probability: float,
    tolerance: float,
    shares: FloatArray,
) -> None:
    """MUs post ``shares`` (B, M, N) of the bound ω/q, ASPs respond at their best; the slot closes, the next begins."""
    lanes, views, out = Lanes(mus, asps, links, streams), Views(mu_views, asp_views), Views(mu_out, asp_out)
    trial, prices = np.empty(shares.shape[1]), np.empty(2)
    for i in range(start, stop):
        _post(i, lanes, shares)
        _write_rewards(i, lanes, views)
        for n in range(links.shape[1]):
            link, asp = links[i, n], _asp_of(i, n, lanes)
            rates = link[at.RATE]
            prices[0], prices[1] = asps[i, at.SHADOW_PRICE, n], asps[i, at.SHADOW_PRICE + 1, n]
            _, steps = shadow_prices(link, asp, link[at.POSTED], tolerance, prices, rates, trial)
            allocate(link, asp, prices, rates, link[at.COMPUTE], link[at.BANDWIDTH])
            asps[i, at.SHADOW_PRICE, n], asps[i, at.SHADOW_PRICE + 1, n] = prices[0], prices[1]
            asps[i, at.NEWTON_STEPS, n] = steps
        _close(i, lanes, views, shadowing_db, correlation, request_probability)
        _hand_out(i, views, out)


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
        bound = lanes.mus[i, at.OMEGA, m] / lanes.mus[i, at.REQUIREMENT, m]
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
    i: int, lanes: Lanes, views: Views, shadowing_db: float, correlation: float, request_probability: float
) -> None:
    """Pay out the slot, move on to the next one, and observe it."""
    _account(i, lanes)
    if request_probability > 0.0:
        for m in range(lanes.mus.shape[2]):
            source = draw_request(i, lanes.streams, request_probability, lanes.mus.shape[2])
            if source >= 0:
                lanes.mus[i, at.REQUEST, m] = source
                _take_request(i, m, lanes)
                _write_request(i, m, lanes, views)
    _fade(i, lanes, views, shadowing_db, correlation)
    _write_slot(i, lanes, views)


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


# The dynamics --------------------------------------------------------------------------------------------------------


@compiled
def _take_request(i: int, m: int, lanes: Lanes) -> None:
    """Give MU ``m`` the content that its request names."""
    source = int(lanes.mus[i, at.REQUEST, m])
    lanes.mus[i, at.TOKENS, m] = lanes.mus[i, at.BASE_TOKENS, source]
    lanes.mus[i, at.BITS, m] = lanes.mus[i, at.BASE_BITS, source]
    for n in range(lanes.links.shape[1]):
        lanes.links[i, n, at.ACCURACY, m] = lanes.links[i, n, at.BASE_ACCURACY, source]
        _describe(i, m, n, lanes)


@compiled
def _describe(i: int, m: int, n: int, lanes: Lanes) -> None:
    mus, link = lanes.mus[i], lanes.links[i, n]
    describe(
        link,
        m,
        mus[at.WEIGHT_ACCURACY, m],
        mus[at.WEIGHT_TOKENS, m],
        mus[at.WEIGHT_TIMELINESS, m],
        link[at.ACCURACY, m],
        lanes.asps[i, at.REASONING, n],
        mus[at.TOKENS, m],
        mus[at.PATIENCE, m],
        link[at.LATENCY, m],
        lanes.asps[i, at.SLOT, n],
    )
    link[at.SIGNAL, m] = signal_of(link[at.BASE_EFFICIENCY, m])


@compiled
def _fade(i: int, lanes: Lanes, views: Views, shadowing_db: float, correlation: float) -> None:
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
        _connect(i, n, lanes, views)


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
def _connect(i: int, n: int, lanes: Lanes, views: Views) -> None:
    """Write an ASP's channels where they are needed: into its link table and the observations of both ends."""
    link, kappa = lanes.links[i, n], lanes.asps[i, at.KAPPA, n]
    for m in range(link.shape[1]):
        connect(link, m, kappa, lanes.mus[i, at.BITS, m], link[at.EFFICIENCY, m])
        link[at.CHANNEL, m] = spaces.clipped(log(link[at.EFFICIENCY, m] / _EFFICIENCY))
    at_mu = _MU_LINK + n * _MU_LINK_SIZE + 1
    for m in range(link.shape[1]):
        views.mus[i, m, at_mu] = link[at.CHANNEL, m]
        views.asps[i, n, _ASP_LINK + m * _ASP_LINK_SIZE + 2] = link[at.CHANNEL, m]


# Observations --------------------------------------------------------------------------------------------------------


@compiled
def _write_static(i: int, lanes: Lanes, views: Views) -> None:
    """Everything that a slot does not change."""
    asps = lanes.asps[i]
    for n in range(asps.shape[1]):
        row = views.asps[i, n]
        row[1] = spaces.log_entry(asps[at.COMPUTE_CAPACITY, n], _COMPUTE)
        row[2] = spaces.log_entry(asps[at.BANDWIDTH_CAPACITY, n], _BANDWIDTH)
        row[3] = spaces.log_entry(asps[at.COMPUTE_COST, n], _COMPUTE_COST)
        row[4] = spaces.log_entry(asps[at.BANDWIDTH_COST, n], _BANDWIDTH_COST)
        row[5] = spaces.log_entry(asps[at.KAPPA, n], _FLOPS)
        row[6] = spaces.log_entry(asps[at.REASONING, n], _REASONING)
        for m in range(lanes.mus.shape[2]):
            mu, link = _MU_LINK + n * _MU_LINK_SIZE, _ASP_LINK + m * _ASP_LINK_SIZE
            latency = spaces.clipped(math.log1p(lanes.links[i, n, at.LATENCY, m]))
            views.mus[i, m, mu + 2] = row[link + 3] = latency
            views.mus[i, m, mu + 3] = row[5]
            views.mus[i, m, mu + 4] = row[6]
            row[link] = 0.0
    for m in range(lanes.mus.shape[2]):
        _write_request(i, m, lanes, views)
    _write_turn(i, views, True)


@compiled
def _write_request(i: int, m: int, lanes: Lanes, views: Views) -> None:
    """An MU's type, where it sees it itself and where the ASPs do, and the accuracy that awaits it."""
    mus, row = lanes.mus[i], views.mus[i, m]
    row[1] = spaces.log_entry(mus[at.OMEGA, m], _OMEGA)
    row[2] = spaces.log_entry(mus[at.REQUIREMENT, m], _Q)
    for j in range(3):
        row[3 + j] = mus[at.WEIGHT_ACCURACY + j, m]
    row[6] = spaces.log_entry(mus[at.TOKENS, m], _TOKENS)
    row[7] = spaces.log_entry(mus[at.PATIENCE, m], _PATIENCE)
    row[8] = spaces.log_entry(mus[at.BITS, m], _BITS)
    for n in range(lanes.links.shape[1]):
        link = _ASP_LINK + m * _ASP_LINK_SIZE
        accuracy = lanes.links[i, n, at.ACCURACY, m]
        row[_MU_LINK + n * _MU_LINK_SIZE] = views.asps[i, n, link + 1] = accuracy
        for j in range(spaces.MU_TYPE_SIZE):
            views.asps[i, n, link + 4 + j] = row[1 + j]


@compiled
def _write_slot(i: int, lanes: Lanes, views: Views) -> None:
    """What MUs learn from the slot just served: the price board, and what they got."""
    for n in range(lanes.links.shape[1]):
        at_link = _MU_LINK + n * _MU_LINK_SIZE
        compute_price = spaces.log_entry(lanes.asps[i, at.COMPUTE_PRICE, n], _COMPUTE_COST)
        bandwidth_price = spaces.log_entry(lanes.asps[i, at.BANDWIDTH_PRICE, n], _BANDWIDTH_COST)
        for m in range(lanes.mus.shape[2]):
            row = views.mus[i, m]
            row[at_link + 5] = compute_price
            row[at_link + 6] = bandwidth_price
            row[at_link + 7] = lanes.links[i, n, at.QOE, m]


@compiled
def _write_rewards(i: int, lanes: Lanes, views: Views) -> None:
    """Show every ASP the rewards posted last."""
    for m in range(lanes.mus.shape[2]):
        share = lanes.mus[i, at.REQUIREMENT, m] / lanes.mus[i, at.OMEGA, m]
        for n in range(lanes.links.shape[1]):
            views.asps[i, n, _ASP_LINK + m * _ASP_LINK_SIZE] = lanes.links[i, n, at.POSTED, m] * share


@compiled
def _write_turn(i: int, views: Views, mus_turn: bool) -> None:
    for m in range(views.mus.shape[1]):
        views.mus[i, m, 0] = 1.0 if mus_turn else 0.0
    for n in range(views.asps.shape[1]):
        views.asps[i, n, 0] = 0.0 if mus_turn else 1.0


@compiled
def _hand_out(i: int, views: Views, out: Views) -> None:
    """Copy what agents see to where a user will keep it, while it is in the cache; groups not asked for are empty."""
    for m in range(out.mus.shape[1]):
        for k in range(out.mus.shape[2]):
            out.mus[i, m, k] = views.mus[i, m, k]
    for n in range(out.asps.shape[1]):
        for k in range(out.asps.shape[2]):
            out.asps[i, n, k] = views.asps[i, n, k]
