"""Observations, as compiled loops over one lane (private).

The current observations of all agents are kept up to date entry by entry, as quantities change; ``spaces`` names the
entries. They stay here: what is handed out is a copy of them, because that is the users' to write into. Both are flat:
the observations of a lane's MUs lie one after the other, those of its ASPs likewise.
"""

import math

import numpy as np

from aigc_market_env import spaces
from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Float32Array, Lanes, Observations
from aigc_market_env._engine.process import HORIZON, URGENT_LOG_FACTOR, num_places
from aigc_market_env._numerics.compile import compiled_in_place, compiled_inner
from aigc_market_env._numerics.elementary import cos_sin, log, log1p
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.spaces import (
    ASP_LINK,
    ASP_LINK_MU,
    ASP_LINK_SIZE,
    ASP_LINKS,
    ASP_TYPE,
    MU_LINK,
    MU_LINK_SIZE,
    MU_LINKS,
    MU_PLAN,
    MU_TYPE,
)

_OMEGA, _Q = spaces.REFERENCE["satisfaction_scale"], spaces.REFERENCE["qoe_requirement"]
_TOKENS, _PATIENCE = spaces.REFERENCE["desired_tokens"], spaces.REFERENCE["patience"]
_BITS, _EFFICIENCY = spaces.REFERENCE["bits_per_token"], spaces.REFERENCE["spectral_efficiency"]
_COMPUTE, _BANDWIDTH = spaces.REFERENCE["compute_capacity"], spaces.REFERENCE["bandwidth_capacity"]
_COMPUTE_COST, _BANDWIDTH_COST = spaces.REFERENCE["compute_cost"], spaces.REFERENCE["bandwidth_cost"]
_FLOPS, _REASONING = spaces.REFERENCE["flops_per_token"], spaces.REFERENCE["reasoning_tokens"]
#: Has a logarithm, unlike 0, and one below the bound.
_NOTHING = 1e-300
#: Where an MU's type begins in what it sees of itself, and in an ASP's block of it.
_OWN_TYPE, _TYPE_SEEN = MU_TYPE[0], ASP_LINK_MU[0]


@compiled_inner
def hand_out(i: int, lanes: Lanes, current: Observations, out: Observations, mus_turn: bool) -> None:
    """Copy the current observations; groups that are not asked for have no columns in ``out``."""
    _copy(current.mus[i], out.mus[i], lanes.mus.shape[2], 1.0 if mus_turn else 0.0)
    _copy(current.asps[i], out.asps[i], lanes.asps.shape[2], 0.0 if mus_turn else 1.0)


@compiled_inner
def _copy(source: Float32Array, target: Float32Array, agents: int, turn: float) -> None:
    for k in range(target.shape[0]):
        target[k] = source[k]
    for first in range(0, target.shape[0], source.shape[0] // agents):
        target[first + spaces.TURN] = turn


@compiled_inner
def _entry(place: int) -> int:
    """The index of an entry. Unsigned, for of any other Numba asks at each write whether it counts from the end."""
    return np.uint64(place)  # type: ignore[return-value]


@compiled_inner
def write_rewards(i: int, lanes: Lanes, current: Observations) -> None:
    """The rewards posted last, as shares of the bounds of this slot, which may have fallen since."""
    link, bounds, row = lanes.links[i], lanes.mus[i, at.BOUND], current.asps[i]
    num_mus = bounds.shape[0]
    entry = ASP_LINK.reward
    for n in range(lanes.asps.shape[2]):
        entry += ASP_LINKS
        for m in range(num_mus):
            row[_entry(entry)] = spaces.clipped(link[at.POSTED, n * num_mus + m] / bounds[m])
            entry += ASP_LINK_SIZE


@compiled_inner
def write_results(i: int, lanes: Lanes, current: Observations) -> None:
    """The slot served last: the price board, and the QoE delivered."""
    asps, link, row = lanes.asps[i], lanes.links[i], current.mus[i]
    num_mus, num_asps = lanes.mus.shape[2], asps.shape[1]
    size = row.shape[0] // num_mus
    for n in range(num_asps):
        compute_price = spaces.clipped(log(asps[at.COMPUTE_PRICE, n] / _COMPUTE_COST))
        bandwidth_price = spaces.clipped(log(asps[at.BANDWIDTH_PRICE, n] / _BANDWIDTH_COST))
        block = MU_LINKS + n * MU_LINK_SIZE
        for m in range(num_mus):
            row[_entry(block + MU_LINK.log_compute_price)] = compute_price
            row[_entry(block + MU_LINK.log_bandwidth_price)] = bandwidth_price
            row[_entry(block + MU_LINK.last_qoe)] = link[at.QOE, n * num_mus + m]
            block += size


@compiled_inner
def measure_channels(i: int, lanes: Lanes, logs: FloatArray) -> None:
    """The entries of the channels of this slot, for all links."""
    link = lanes.links[i]
    for k in range(link.shape[1]):
        logs[k] = spaces.clipped(log(link[at.EFFICIENCY, k] / _EFFICIENCY))


@compiled_inner
def write_channels(i: int, lanes: Lanes, current: Observations, logs: FloatArray) -> None:
    """The channels of this slot, which both sides see; ``logs`` is scratch."""
    mu_row, asp_row = current.mus[i], current.asps[i]
    num_mus, num_asps = lanes.mus.shape[2], lanes.asps.shape[2]
    measure_channels(i, lanes, logs)
    size, of_mu = mu_row.shape[0] // num_mus, ASP_LINK.log_spectral_efficiency
    for n in range(num_asps):
        of_asp = MU_LINKS + n * MU_LINK_SIZE + MU_LINK.log_spectral_efficiency
        of_mu += ASP_LINKS
        for m in range(num_mus):
            mu_row[_entry(of_asp)] = asp_row[_entry(of_mu)] = logs[n * num_mus + m]
            of_asp += size
            of_mu += ASP_LINK_SIZE


@compiled_inner
def write_capacities(i: int, lanes: Lanes, current: Observations) -> None:
    """The capacities of this slot, in the ASPs' own observations."""
    asps, size = lanes.asps[i], ASP_LINKS + lanes.mus.shape[2] * ASP_LINK_SIZE
    for n in range(asps.shape[1]):
        row = current.asps[i, n * size : (n + 1) * size]
        row[ASP_TYPE.log_compute_capacity] = spaces.log_entry(asps[at.COMPUTE_CAPACITY, n], _COMPUTE)
        row[ASP_TYPE.log_bandwidth_capacity] = spaces.log_entry(asps[at.BANDWIDTH_CAPACITY, n], _BANDWIDTH)


@compiled_inner
def write_asps(i: int, lanes: Lanes, current: Observations) -> None:
    """What ASPs are, in their own observations."""
    write_capacities(i, lanes, current)
    asps, size = lanes.asps[i], ASP_LINKS + lanes.mus.shape[2] * ASP_LINK_SIZE
    for n in range(asps.shape[1]):
        row = current.asps[i, n * size : (n + 1) * size]
        row[ASP_TYPE.log_compute_cost] = spaces.log_entry(asps[at.COMPUTE_COST, n], _COMPUTE_COST)
        row[ASP_TYPE.log_bandwidth_cost] = spaces.log_entry(asps[at.BANDWIDTH_COST, n], _BANDWIDTH_COST)
        row[ASP_TYPE.log_flops_per_token] = spaces.log_entry(asps[at.KAPPA, n], _FLOPS)
        row[ASP_TYPE.log_reasoning_tokens] = spaces.log_entry(asps[at.REASONING, n], _REASONING)


@compiled_inner
def write_mu(i: int, m: int, lanes: Lanes, current: Observations) -> None:
    """An MU's type and links, where it sees them itself and where the ASPs do, and what it sees of the ASPs."""
    mus, link = lanes.mus[i], lanes.links[i]
    num_mus, num_asps = mus.shape[1], lanes.asps.shape[2]
    size, asp_size = current.mus.shape[1] // num_mus, ASP_LINKS + num_mus * ASP_LINK_SIZE
    row = current.mus[i, m * size : (m + 1) * size]
    row[MU_TYPE.log_satisfaction_scale] = spaces.log_entry(mus[at.OMEGA, m], _OMEGA)
    row[MU_TYPE.log_qoe_requirement] = spaces.log_entry(mus[at.REQUIREMENT, m], _Q)
    row[MU_TYPE.weight_accuracy] = mus[at.WEIGHT_ACCURACY, m]
    row[MU_TYPE.weight_token_count] = mus[at.WEIGHT_TOKENS, m]
    row[MU_TYPE.weight_timeliness] = mus[at.WEIGHT_TIMELINESS, m]
    row[MU_TYPE.log_desired_tokens] = spaces.log_entry(mus[at.TOKENS, m], _TOKENS)
    row[MU_TYPE.log_patience] = spaces.log_entry(mus[at.PATIENCE, m], _PATIENCE)
    row[MU_TYPE.log_bits_per_token] = spaces.log_entry(mus[at.BITS, m], _BITS)
    end = MU_LINKS + num_asps * MU_LINK_SIZE
    if (size - end) % len(MU_PLAN) == 1:
        row[end] = math.log1p(mus[at.SATIATION, m])
    for n in range(num_asps):
        k = n * num_mus + m
        asp = current.asps[i, n * asp_size : (n + 1) * asp_size]
        of_asp, of_mu = MU_LINKS + n * MU_LINK_SIZE, ASP_LINKS + m * ASP_LINK_SIZE
        row[of_asp + MU_LINK.accuracy] = asp[of_mu + ASP_LINK.accuracy] = link[at.ACCURACY, k]
        latency = spaces.clipped(log1p(link[at.LATENCY, k]))
        row[of_asp + MU_LINK.log_base_latency] = asp[of_mu + ASP_LINK.log_base_latency] = latency
        row[of_asp + MU_LINK.log_flops_per_token] = asp[ASP_TYPE.log_flops_per_token]
        row[of_asp + MU_LINK.log_reasoning_tokens] = asp[ASP_TYPE.log_reasoning_tokens]
        for j in range(len(MU_TYPE)):
            asp[of_mu + _TYPE_SEEN + j] = row[_OWN_TYPE + j]


@compiled_inner
def _write_types(i: int, lanes: Lanes, current: Observations, own: int, seen: int, entries: FloatArray) -> None:
    """An entry of every MU's type, at ``own`` of what it sees of itself and at ``seen`` of what each ASP sees of it."""
    mu_row, asp_row = current.mus[i], current.asps[i]
    num_mus, num_asps = lanes.mus.shape[2], lanes.asps.shape[2]
    size, of_asp = mu_row.shape[0] // num_mus, own
    for m in range(num_mus):
        mu_row[_entry(of_asp)] = entries[m]
        of_asp += size
    of_mu = seen
    for _ in range(num_asps):
        of_mu += ASP_LINKS
        for m in range(num_mus):
            asp_row[_entry(of_mu)] = entries[m]
            of_mu += ASP_LINK_SIZE


@compiled_inner
def write_worth(i: int, lanes: Lanes, current: Observations, logs: FloatArray) -> None:
    """What requests are worth in this slot, where MUs see it themselves and where the ASPs do; ``logs`` is scratch."""
    for m in range(lanes.mus.shape[2]):
        logs[m] = spaces.log_entry(lanes.mus[i, at.OMEGA, m], _OMEGA)
    _write_types(i, lanes, current, MU_TYPE.log_satisfaction_scale, ASP_LINK_MU.log_satisfaction_scale, logs)


@compiled_inner
def write_requests(i: int, lanes: Lanes, current: Observations, logs: FloatArray) -> None:
    """For how many tokens MUs ask, likewise."""
    for m in range(lanes.mus.shape[2]):
        logs[m] = spaces.log_entry(lanes.mus[i, at.TOKENS, m], _TOKENS)
    _write_types(i, lanes, current, MU_TYPE.log_desired_tokens, ASP_LINK_MU.log_desired_tokens, logs)


@compiled_inner
def write_links(i: int, lanes: Lanes, current: Observations, efficiencies: FloatArray, latencies: FloatArray) -> None:
    """The channels of this slot, whose entries are given, and its base latencies; ``latencies`` is scratch."""
    link, mu_row, asp_row = lanes.links[i], current.mus[i], current.asps[i]
    num_mus, num_asps = lanes.mus.shape[2], lanes.asps.shape[2]
    for k in range(link.shape[1]):
        latencies[k] = spaces.clipped(log1p(link[at.LATENCY, k]))
    size, of_mu = mu_row.shape[0] // num_mus, 0
    for n in range(num_asps):
        of_asp = MU_LINKS + n * MU_LINK_SIZE
        of_mu += ASP_LINKS
        for m in range(num_mus):
            efficiency, latency = efficiencies[n * num_mus + m], latencies[n * num_mus + m]
            mu_row[_entry(of_asp + MU_LINK.log_spectral_efficiency)] = efficiency
            mu_row[_entry(of_asp + MU_LINK.log_base_latency)] = latency
            asp_row[_entry(of_mu + ASP_LINK.log_spectral_efficiency)] = efficiency
            asp_row[_entry(of_mu + ASP_LINK.log_base_latency)] = latency
            of_asp += size
            of_mu += ASP_LINK_SIZE


@compiled_in_place
def write_wallets(i: int, lanes: Lanes, current: Observations) -> None:
    """What stays of every MU's wallet throughout an episode."""
    mus, num_mus = lanes.mus[i], lanes.mus.shape[2]
    size = current.mus.shape[1] // num_mus
    for m in range(num_mus):
        plan = (m + 1) * size - len(MU_PLAN)
        current.mus[i, plan + MU_PLAN.log_income] = _amount_entry(mus[at.INCOME, m], mus[at.BASE_OMEGA, m])
        current.mus[i, plan + MU_PLAN.log_cap] = _amount_entry(mus[at.CAP, m], mus[at.BASE_OMEGA, m])


@compiled_in_place
def write_demand(i: int, lanes: Lanes, current: Observations, process: FloatArray) -> None:
    """What requests of MUs with wallets are worth in this slot, and the place in the load profile."""
    mus, num_mus, places = lanes.mus[i], lanes.mus.shape[2], num_places(process)
    size = current.mus.shape[1] // num_mus
    cosine = sine = 0.0
    if places > 0:
        cosine, sine = cos_sin(lanes.asps[i, at.PROFILE_SLOT, 0] / places)
    for m in range(num_mus):
        plan = (m + 1) * size - len(MU_PLAN)
        worth = mus[at.LOG_WORTH, m] + mus[at.URGENT, m] * process[URGENT_LOG_FACTOR]
        current.mus[i, plan + MU_PLAN.log_worth] = spaces.clipped(worth)
        current.mus[i, plan + MU_PLAN.load_cosine] = cosine
        current.mus[i, plan + MU_PLAN.load_sine] = sine


@compiled_inner
def write_money(i: int, lanes: Lanes, current: Observations, process: FloatArray, logs: FloatArray) -> None:
    """What MUs have to plan with in this slot, money and time; ``logs`` is scratch."""
    mus, row, num_mus = lanes.mus[i], current.mus[i], lanes.mus.shape[2]
    size, left = row.shape[0] // num_mus, _share_left(mus[at.ELAPSED, 0], process[HORIZON])
    for m in range(num_mus):
        logs[m] = _amount_entry(mus[at.MONEY, m], mus[at.BASE_OMEGA, m])
    plan = size - len(MU_PLAN)
    for m in range(num_mus):
        row[_entry(plan + MU_PLAN.log_money)], row[_entry(plan + MU_PLAN.slots_left)] = logs[m], left
        plan += size


@compiled_inner
def _share_left(elapsed: float, horizon: float) -> float:
    """What is left of an episode of so many slots; all of it where it has no end, for which the horizon is 0."""
    return max(1.0 - elapsed / horizon, 0.0) if horizon > 0.0 else 1.0


@compiled_inner
def _amount_entry(amount: float, omega: float) -> float:
    """The observation entry of money, which may be none, or without limit."""
    return spaces.clipped(log(max(amount / omega, _NOTHING)))
