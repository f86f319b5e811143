"""What agents see, as compiled loops over one lane (private).

A picture of what agents see now is kept up to date entry by entry, as quantities change. It stays here; what is handed
out is a copy of it, because that is the users' to write into. Both are flat: the observations of a lane's MUs lie one
after the other, those of its ASPs likewise.
"""

import math

from aigc_market_env import spaces
from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Float32Array, Lanes, Views
from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env._numerics.elementary import log
from aigc_market_env.model.parameters import FloatArray

_OMEGA, _Q = spaces.REFERENCE["satisfaction_scale"], spaces.REFERENCE["qoe_requirement"]
_TOKENS, _PATIENCE = spaces.REFERENCE["desired_tokens"], spaces.REFERENCE["patience"]
_BITS, _EFFICIENCY = spaces.REFERENCE["bits_per_token"], spaces.REFERENCE["spectral_efficiency"]
_COMPUTE, _BANDWIDTH = spaces.REFERENCE["compute_capacity"], spaces.REFERENCE["bandwidth_capacity"]
_COMPUTE_COST, _BANDWIDTH_COST = spaces.REFERENCE["compute_cost"], spaces.REFERENCE["bandwidth_cost"]
_FLOPS, _REASONING = spaces.REFERENCE["flops_per_token"], spaces.REFERENCE["reasoning_tokens"]
_MU_LINK, _MU_LINK_SIZE = 1 + spaces.MU_TYPE_SIZE, spaces.MU_LINK_SIZE
_ASP_LINK, _ASP_LINK_SIZE = 1 + spaces.ASP_TYPE_SIZE, spaces.ASP_LINK_SIZE


@compiled_inner
def see(i: int, lanes: Lanes, picture: Views, views: Views, mus_turn: bool) -> None:
    """Copy what agents see; groups that are not asked for have no columns."""
    _copy(picture.mus[i], views.mus[i], lanes.mus.shape[2], 1.0 if mus_turn else 0.0)
    _copy(picture.asps[i], views.asps[i], lanes.asps.shape[2], 0.0 if mus_turn else 1.0)


@compiled_inner
def _copy(source: Float32Array, target: Float32Array, agents: int, turn: float) -> None:
    for k in range(target.shape[0]):
        target[k] = source[k]
    for first in range(0, target.shape[0], source.shape[0] // agents):
        target[first] = turn


@compiled_inner
def show_rewards(i: int, lanes: Lanes, picture: Views) -> None:
    """The rewards posted last, as shares of the bounds."""
    link, bounds, row = lanes.links[i], lanes.mus[i, at.BOUND], picture.asps[i]
    num_mus = bounds.shape[0]
    entry = 0
    for n in range(lanes.asps.shape[2]):
        entry += _ASP_LINK
        for m in range(num_mus):
            row[entry] = link[at.POSTED, n * num_mus + m] / bounds[m]
            entry += _ASP_LINK_SIZE


@compiled_inner
def show_results(i: int, lanes: Lanes, picture: Views) -> None:
    """The slot served last: the price board, and the QoE delivered."""
    asps, link, row = lanes.asps[i], lanes.links[i], picture.mus[i]
    num_mus, num_asps = lanes.mus.shape[2], asps.shape[1]
    size = _MU_LINK + num_asps * _MU_LINK_SIZE
    for n in range(num_asps):
        compute_price = spaces.clipped(log(asps[at.COMPUTE_PRICE, n] / _COMPUTE_COST))
        bandwidth_price = spaces.clipped(log(asps[at.BANDWIDTH_PRICE, n] / _BANDWIDTH_COST))
        entry = _MU_LINK + n * _MU_LINK_SIZE
        for m in range(num_mus):
            row[entry + 5], row[entry + 6], row[entry + 7] = (
                compute_price,
                bandwidth_price,
                link[at.QOE, n * num_mus + m],
            )
            entry += size


@compiled_inner
def show_channels(i: int, lanes: Lanes, picture: Views, logs: FloatArray) -> None:
    """The channels of this slot; ``logs`` is scratch."""
    link, mu_row, asp_row = lanes.links[i], picture.mus[i], picture.asps[i]
    num_mus, num_asps = lanes.mus.shape[2], lanes.asps.shape[2]
    for k in range(link.shape[1]):
        logs[k] = spaces.clipped(log(link[at.EFFICIENCY, k] / _EFFICIENCY))
    other = 2
    for n in range(num_asps):
        entry = _MU_LINK + n * _MU_LINK_SIZE + 1
        other += _ASP_LINK
        for m in range(num_mus):
            mu_row[entry] = asp_row[other] = logs[n * num_mus + m]
            entry += _MU_LINK + num_asps * _MU_LINK_SIZE
            other += _ASP_LINK_SIZE


@compiled_inner
def show_asps(i: int, lanes: Lanes, picture: Views) -> None:
    """What ASPs are, in their own eyes."""
    asps, size = lanes.asps[i], _ASP_LINK + lanes.mus.shape[2] * _ASP_LINK_SIZE
    for n in range(asps.shape[1]):
        row = picture.asps[i, n * size : (n + 1) * size]
        row[1] = spaces.log_entry(asps[at.COMPUTE_CAPACITY, n], _COMPUTE)
        row[2] = spaces.log_entry(asps[at.BANDWIDTH_CAPACITY, n], _BANDWIDTH)
        row[3] = spaces.log_entry(asps[at.COMPUTE_COST, n], _COMPUTE_COST)
        row[4] = spaces.log_entry(asps[at.BANDWIDTH_COST, n], _BANDWIDTH_COST)
        row[5] = spaces.log_entry(asps[at.KAPPA, n], _FLOPS)
        row[6] = spaces.log_entry(asps[at.REASONING, n], _REASONING)


@compiled_inner
def show_mu(i: int, m: int, lanes: Lanes, picture: Views) -> None:
    """An MU's type and links, where it sees them itself and where the ASPs do, and what it sees of the ASPs."""
    mus, link = lanes.mus[i], lanes.links[i]
    num_mus, num_asps = mus.shape[1], lanes.asps.shape[2]
    size, asp_size = _MU_LINK + num_asps * _MU_LINK_SIZE, _ASP_LINK + num_mus * _ASP_LINK_SIZE
    row = picture.mus[i, m * size : (m + 1) * size]
    row[1] = spaces.log_entry(mus[at.OMEGA, m], _OMEGA)
    row[2] = spaces.log_entry(mus[at.REQUIREMENT, m], _Q)
    for j in range(3):
        row[3 + j] = mus[at.WEIGHT_ACCURACY + j, m]
    row[6] = spaces.log_entry(mus[at.TOKENS, m], _TOKENS)
    row[7] = spaces.log_entry(mus[at.PATIENCE, m], _PATIENCE)
    row[8] = spaces.log_entry(mus[at.BITS, m], _BITS)
    for n in range(num_asps):
        asp = picture.asps[i, n * asp_size : (n + 1) * asp_size]
        k, entry, other = n * num_mus + m, _MU_LINK + n * _MU_LINK_SIZE, _ASP_LINK + m * _ASP_LINK_SIZE
        row[entry] = asp[other + 1] = link[at.ACCURACY, k]
        row[entry + 2] = asp[other + 3] = spaces.clipped(math.log1p(link[at.LATENCY, k]))
        row[entry + 3], row[entry + 4] = asp[5], asp[6]
        for j in range(spaces.MU_TYPE_SIZE):
            asp[other + 4 + j] = row[1 + j]
