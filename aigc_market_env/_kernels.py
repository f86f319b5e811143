"""The compiled loops of the environment: post rewards, serve a slot, observe (private).

A step is one call over a slice of lanes. The formulas are those of ``qoe``, ``followers`` and ``dynamics``; this file
only decides what is computed when, and where it is written.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env import qoe, spaces
from aigc_market_env._compile import compiled
from aigc_market_env.followers import (
    LINK_COLUMNS,
    SIGMA,
    allocate,
    asp_of,
    coefficients_of,
    fill_links,
    shadow_prices,
    throughput,
)
from aigc_market_env.market import FloatArray, MarketArrays
from aigc_market_env.scenarios.dynamics import advance_lane

Float32Array = npt.NDArray[np.float32]

_OMEGA, _Q = spaces.REFERENCE["satisfaction_scale"], spaces.REFERENCE["qoe_requirement"]
_TOKENS, _PATIENCE = spaces.REFERENCE["desired_tokens"], spaces.REFERENCE["patience"]
_BITS, _EFFICIENCY = spaces.REFERENCE["bits_per_token"], spaces.REFERENCE["spectral_efficiency"]
_COMPUTE, _BANDWIDTH = spaces.REFERENCE["compute_capacity"], spaces.REFERENCE["bandwidth_capacity"]
_COMPUTE_COST, _BANDWIDTH_COST = spaces.REFERENCE["compute_cost"], spaces.REFERENCE["bandwidth_cost"]
_FLOPS, _REASONING = spaces.REFERENCE["flops_per_token"], spaces.REFERENCE["reasoning_tokens"]
_MU_LINK_START, _ASP_LINK_START = 1 + spaces.MU_TYPE_SIZE, 1 + spaces.ASP_TYPE_SIZE


class Lanes(NamedTuple):
    """Everything that B running markets consist of."""

    base: MarketArrays  # the markets of this episode
    now: MarketArrays  # the markets of the current slot
    shadow: FloatArray  # (B, M, N) shadow fading, dB
    request: npt.NDArray[np.int64]  # (B, M) whose content of the base market each MU asks for
    streams: npt.NDArray[np.uint64]  # (B,) random streams
    posted: FloatArray  # (B, M, N) rewards posted last, credits per QoE
    rewards: FloatArray  # (B, M, N) rewards of the slot served last, like all that follow
    compute: FloatArray  # (B, M, N) TFLOP/s
    bandwidth: FloatArray  # (B, M, N) MHz
    rates: FloatArray  # (B, M, N) tokens/s
    qoe: FloatArray  # (B, M, N)
    qoe_terms: FloatArray  # (B, M, 3) accuracy, token count and timeliness, summed over ASPs
    shadow_prices: FloatArray  # (B, N, 2) λ and μ, the warm start of best responses
    board: FloatArray  # (B, N, 2) effective prices of compute and bandwidth, shown to MUs
    utility: FloatArray  # (B, M) credits per slot
    profit: FloatArray  # (B, N) credits per slot


class Views(NamedTuple):
    """What a step hands out, float32."""

    mus: Float32Array  # (B, M, size of an MU's observation)
    asps: Float32Array  # (B, N, size of an ASP's observation)


class Process(NamedTuple):
    """The dynamics and the accuracy of best responses, as numbers."""

    shadowing_db: float
    correlation: float
    request_probability: float
    tolerance: float


@compiled
def begin(start: int, stop: int, lanes: Lanes, views: Views, process: Process) -> None:
    """Start episodes: stationary shadows, each MU with its own request, prices at cost, nothing served yet."""
    num_mus, num_asps = lanes.rewards.shape[1], lanes.rewards.shape[2]
    for i in range(start, stop):
        for m in range(num_mus):
            lanes.request[i, m] = m
            lanes.utility[i, m] = 0.0
        lanes.posted[i], lanes.rewards[i], lanes.compute[i], lanes.bandwidth[i] = 0.0, 0.0, 0.0, 0.0
        lanes.rates[i], lanes.qoe[i], lanes.qoe_terms[i] = 0.0, 0.0, 0.0
        lanes.shadow_prices[i], lanes.profit[i] = 0.0, 0.0
        for n in range(num_asps):
            lanes.board[i, n, 0] = lanes.base.compute_cost[i, n]
            lanes.board[i, n, 1] = lanes.base.bandwidth_cost[i, n]
        _advance(i, lanes, process.shadowing_db, 0.0, 0.0)
        _observe(i, lanes, views, 1.0)


@compiled
def observe(start: int, stop: int, lanes: Lanes, views: Views, mus_turn: float) -> None:
    """Write all observations anew; ``mus_turn`` is 1 while the MUs act and 0 while the ASPs do."""
    for i in range(start, stop):
        _observe(i, lanes, views, mus_turn)


@compiled
def post(start: int, stop: int, lanes: Lanes, views: Views, shares: FloatArray) -> None:
    """MUs post rewards, ``shares`` (B, M, N) of the bound ω/q; then it is the ASPs' turn, and they see the rewards."""
    for i in range(start, stop):
        _post(i, lanes, shares)
        _observe_rewards(i, lanes, views, 0.0)


@compiled
def serve(start: int, stop: int, lanes: Lanes, views: Views, process: Process, shares: FloatArray) -> None:
    """ASPs allocate ``shares`` (B, N, 2, M) of their capacities; the slot closes, the next begins."""
    for i in range(start, stop):
        for n in range(lanes.board.shape[1]):
            _split(i, n, lanes, shares[i, n])
        _close(i, lanes, views, process)


@compiled
def trade(start: int, stop: int, lanes: Lanes, views: Views, process: Process, shares: FloatArray) -> None:
    """MUs post ``shares`` (B, M, N) of the bound ω/q, ASPs respond at their best; the slot closes, the next begins."""
    num_mus, num_asps = shares.shape[1], shares.shape[2]
    link = np.empty((num_mus, LINK_COLUMNS))
    r, x, trial, f, b = np.empty((5, num_mus))
    for i in range(start, stop):
        _post(i, lanes, shares)
        for n in range(num_asps):
            fill_links(lanes.now, i, n, link)
            r[:], x[:] = lanes.posted[i, :, n], lanes.rates[i, :, n]
            asp, prices = asp_of(lanes.now, i, n), lanes.shadow_prices[i, n]
            shadow_prices(link, asp, r, process.tolerance, prices, x, trial)
            allocate(link, asp, prices, x, f, b)
            lanes.compute[i, :, n], lanes.bandwidth[i, :, n], lanes.rates[i, :, n] = f, b, x
        _close(i, lanes, views, process)


@compiled
def _post(i: int, lanes: Lanes, shares: FloatArray) -> None:
    for m in range(shares.shape[1]):
        bound = lanes.now.satisfaction_scale[i, m] / lanes.now.qoe_requirement[i, m]
        for n in range(shares.shape[2]):
            lanes.posted[i, m, n] = min(max(shares[i, m, n], 0.0), 1.0) * bound


@compiled
def _split(i: int, n: int, lanes: Lanes, shares: FloatArray) -> None:
    """Decode an ASP's action (2, M): shares of its capacities, scaled down where they sum to more than 1."""
    num_mus = shares.shape[1]
    compute_sum = bandwidth_sum = 0.0
    for m in range(num_mus):
        compute_sum += min(max(shares[0, m], 0.0), 1.0)
        bandwidth_sum += min(max(shares[1, m], 0.0), 1.0)
    compute = lanes.now.compute_capacity[i, n] / max(compute_sum, 1.0)
    bandwidth = lanes.now.bandwidth_capacity[i, n] / max(bandwidth_sum, 1.0)
    for m in range(num_mus):
        f, b = min(max(shares[0, m], 0.0), 1.0) * compute, min(max(shares[1, m], 0.0), 1.0) * bandwidth
        sigma = lanes.now.bits_per_token[i, m] / (lanes.now.spectral_efficiency[i, m, n] * 1e6)
        lanes.compute[i, m, n], lanes.bandwidth[i, m, n] = f, b
        lanes.rates[i, m, n] = throughput(f, b, lanes.now.flops_per_token[i, n], sigma)


@compiled
def _close(i: int, lanes: Lanes, views: Views, process: Process) -> None:
    """Pay out the slot, move on to the next one, and observe it."""
    _account(i, lanes)
    _advance(i, lanes, process.shadowing_db, process.correlation, process.request_probability)
    _observe(i, lanes, views, 1.0)


@compiled
def _advance(i: int, lanes: Lanes, shadowing_db: float, correlation: float, request_probability: float) -> None:
    base, now, shadow, request, streams = lanes.base, lanes.now, lanes.shadow, lanes.request, lanes.streams
    advance_lane(i, base, now, shadow, request, streams, shadowing_db, correlation, request_probability)


@compiled
def _account(i: int, lanes: Lanes) -> None:
    """QoE, utilities, profits, and the price board of the slot just served.

    An ASP's effective price of a resource is the revenue that its last unit earns, averaged over the units used. At a
    best response every unit earns the same, the cost plus the shadow price; the formula needs no best response, though.
    """
    num_mus, num_asps = lanes.rewards.shape[1], lanes.rewards.shape[2]
    link = np.empty((num_mus, LINK_COLUMNS))
    delivered, paid = np.zeros(num_mus), np.zeros(num_mus)
    lanes.rewards[i], lanes.qoe_terms[i] = lanes.posted[i], 0.0
    for n in range(num_asps):
        fill_links(lanes.now, i, n, link)
        kappa = lanes.now.flops_per_token[i, n]
        compute = bandwidth = revenue = compute_worth = bandwidth_worth = 0.0
        for m in range(num_mus):
            x, f, b, r = lanes.rates[i, m, n], lanes.compute[i, m, n], lanes.bandwidth[i, m, n], lanes.rewards[i, m, n]
            compute += f
            bandwidth += b
            lanes.qoe[i, m, n] = 0.0
            if x > 0.0:
                c = coefficients_of(link, m)
                terms = qoe.terms(x, c)
                for j in range(3):
                    lanes.qoe_terms[i, m, j] += terms[j]
                lanes.qoe[i, m, n] = terms[0] + terms[1] + terms[2]
                marginal = r * qoe.slope(x, c) * x * x
                compute_worth += marginal * kappa / f  # f ∂(rQ)/∂f, for x = 1/(κ/f + σ/b)
                bandwidth_worth += marginal * link[m, SIGMA] / b
            payment = r * lanes.qoe[i, m, n]
            revenue += payment
            delivered[m] += lanes.qoe[i, m, n]
            paid[m] += payment
        cost_f, cost_b = lanes.now.compute_cost[i, n], lanes.now.bandwidth_cost[i, n]
        lanes.profit[i, n] = revenue - cost_f * compute - cost_b * bandwidth
        lanes.board[i, n, 0] = max(compute_worth / compute, cost_f) if compute > 0.0 else cost_f
        lanes.board[i, n, 1] = max(bandwidth_worth / bandwidth, cost_b) if bandwidth > 0.0 else cost_b
    for m in range(num_mus):
        satisfied = math.log1p(delivered[m] / lanes.now.qoe_requirement[i, m])
        lanes.utility[i, m] = lanes.now.satisfaction_scale[i, m] * satisfied - paid[m]


@compiled
def _write_type(i: int, m: int, now: MarketArrays, row: Float32Array, at: int) -> None:
    row[at] = spaces.log_entry(now.satisfaction_scale[i, m], _OMEGA)
    row[at + 1] = spaces.log_entry(now.qoe_requirement[i, m], _Q)
    for j in range(3):
        row[at + 2 + j] = now.qoe_weights[i, m, j]
    row[at + 5] = spaces.log_entry(now.desired_tokens[i, m], _TOKENS)
    row[at + 6] = spaces.log_entry(now.patience[i, m], _PATIENCE)
    row[at + 7] = spaces.log_entry(now.bits_per_token[i, m], _BITS)


@compiled
def _write_link(i: int, m: int, n: int, now: MarketArrays, row: Float32Array, at: int) -> None:
    row[at] = now.accuracy[i, m, n]
    row[at + 1] = spaces.log_entry(now.spectral_efficiency[i, m, n], _EFFICIENCY)
    row[at + 2] = spaces.clipped(math.log1p(now.base_latency[i, m, n]))


@compiled
def _observe(i: int, lanes: Lanes, views: Views, mus_turn: float) -> None:
    _observe_mus(i, lanes, views.mus)
    _observe_asps(i, lanes, views.asps)
    _observe_rewards(i, lanes, views, mus_turn)


@compiled
def _observe_mus(i: int, lanes: Lanes, views: Float32Array) -> None:
    now = lanes.now
    for m in range(lanes.rewards.shape[1]):
        row = views[i, m]
        _write_type(i, m, now, row, 1)
        for n in range(lanes.rewards.shape[2]):
            at = _MU_LINK_START + n * spaces.MU_LINK_SIZE
            _write_link(i, m, n, now, row, at)
            row[at + 3] = spaces.log_entry(now.flops_per_token[i, n], _FLOPS)
            row[at + 4] = spaces.log_entry(now.reasoning_tokens[i, n], _REASONING)
            row[at + 5] = spaces.log_entry(lanes.board[i, n, 0], _COMPUTE_COST)
            row[at + 6] = spaces.log_entry(lanes.board[i, n, 1], _BANDWIDTH_COST)
            row[at + 7] = lanes.qoe[i, m, n]


@compiled
def _observe_asps(i: int, lanes: Lanes, views: Float32Array) -> None:
    now = lanes.now
    for n in range(lanes.rewards.shape[2]):
        row = views[i, n]
        row[1] = spaces.log_entry(now.compute_capacity[i, n], _COMPUTE)
        row[2] = spaces.log_entry(now.bandwidth_capacity[i, n], _BANDWIDTH)
        row[3] = spaces.log_entry(now.compute_cost[i, n], _COMPUTE_COST)
        row[4] = spaces.log_entry(now.bandwidth_cost[i, n], _BANDWIDTH_COST)
        row[5] = spaces.log_entry(now.flops_per_token[i, n], _FLOPS)
        row[6] = spaces.log_entry(now.reasoning_tokens[i, n], _REASONING)
        for m in range(lanes.rewards.shape[1]):
            at = _ASP_LINK_START + m * spaces.ASP_LINK_SIZE
            _write_link(i, m, n, now, row, at + 1)
            _write_type(i, m, now, row, at + 4)


@compiled
def _observe_rewards(i: int, lanes: Lanes, views: Views, mus_turn: float) -> None:
    """Show every ASP the rewards posted last, and everyone whose turn it is."""
    for m in range(lanes.rewards.shape[1]):
        views.mus[i, m, 0] = mus_turn
        share = lanes.now.qoe_requirement[i, m] / lanes.now.satisfaction_scale[i, m]
        for n in range(lanes.rewards.shape[2]):
            views.asps[i, n, _ASP_LINK_START + m * spaces.ASP_LINK_SIZE] = lanes.posted[i, m, n] * share
    for n in range(lanes.rewards.shape[2]):
        views.asps[i, n, 0] = 1.0 - mus_turn
