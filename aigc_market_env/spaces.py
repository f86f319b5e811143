"""Observations and actions: what every entry means, and the spaces.

Every entry is a float32 of order one, clipped to ±10. Quantities with a unit enter as the natural logarithm of their
ratio to a reference (:data:`REFERENCE`), so that no network has to learn the scale of a TFLOP.

The names returned by :func:`mu_observation_names` and :func:`asp_observation_names` are the documentation: entry ``i``
of an observation is what name ``i`` says. ``log_…`` names follow the fields of :class:`~aigc_market_env.Market`. The
same names are attributes of :data:`MU_TYPE`, :data:`MU_LINK`, :data:`MU_PLAN`, :data:`ASP_TYPE`, :data:`ASP_LINK` and
:data:`ASP_LINK_MU`, whose values are offsets: that of an MU's ``last_qoe`` at ASP n is
``MU_LINKS + n * MU_LINK_SIZE + MU_LINK.last_qoe``.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env._numerics.elementary import log

#: What a logarithmic entry is relative to, in the unit of its field.
REFERENCE = {
    "satisfaction_scale": 1.0,
    "qoe_requirement": 1.0,
    "desired_tokens": 150.0,
    "patience": 10.0,
    "bits_per_token": 8000.0,
    "compute_capacity": 1.0,
    "bandwidth_capacity": 0.1,
    "compute_cost": 0.1,
    "bandwidth_cost": 1.0,
    "flops_per_token": 0.01,
    "reasoning_tokens": 200.0,
    "spectral_efficiency": 1.0,
}
OBSERVATION_BOUND = 10.0
#: Keeps shares that use a capacity to the last bit below 1, in whatever order they are summed.
HEADROOM = 1.0 - 1e-12
#: Types of actions that compiled loops take as they are.
PLAIN = (np.dtype(np.float32), np.dtype(np.float64))


class MuType(NamedTuple):
    """Entries of an MU's type, as it and the ASPs observe it."""

    log_satisfaction_scale: int
    log_qoe_requirement: int
    weight_accuracy: int
    weight_token_count: int
    weight_timeliness: int
    log_desired_tokens: int
    log_patience: int
    log_bits_per_token: int


class MuLink(NamedTuple):
    """Entries of what an MU observes of an ASP: link, public descriptors, last slot's price board and QoE."""

    accuracy: int
    log_spectral_efficiency: int
    log_base_latency: int
    log_flops_per_token: int
    log_reasoning_tokens: int
    log_compute_price: int
    log_bandwidth_price: int
    last_qoe: int


class MuPlan(NamedTuple):
    """Entries of what an MU with a wallet plans by: money, income and cap over its usual ω, and what else is known."""

    log_money: int
    log_income: int
    log_cap: int
    slots_left: int
    log_worth: int
    load_cosine: int
    load_sine: int


class AspType(NamedTuple):
    """Entries of what an ASP observes of itself."""

    log_compute_capacity: int
    log_bandwidth_capacity: int
    log_compute_cost: int
    log_bandwidth_cost: int
    log_flops_per_token: int
    log_reasoning_tokens: int


class AspLink(NamedTuple):
    """Entries of what an ASP observes of an MU: the reward posted, as a share of ω/q, and the link."""

    reward: int
    accuracy: int
    log_spectral_efficiency: int
    log_base_latency: int


# Offsets of entries. After ``turn`` comes an agent's own type, then one block for each agent of the other side.
TURN = 0
MU_TYPE = MuType(*range(1, 1 + len(MuType._fields)))
ASP_TYPE = AspType(*range(1, 1 + len(AspType._fields)))
#: Where the first block begins, and offsets within a block.
MU_LINKS, MU_LINK = 1 + len(MU_TYPE), MuLink(*range(len(MuLink._fields)))
ASP_LINKS, ASP_LINK = 1 + len(ASP_TYPE), AspLink(*range(len(AspLink._fields)))
#: After the blocks, where the scenario has satiation, comes the MU's own.
SATIATION = "log_satiation"
#: At the end, where the scenario has wallets; offsets from there.
MU_PLAN = MuPlan(*range(len(MuPlan._fields)))
#: An MU's type within its block of an ASP's observation, where it comes after the link.
ASP_LINK_MU = MuType(*range(len(ASP_LINK), len(ASP_LINK) + len(MU_TYPE)))
MU_LINK_SIZE, ASP_LINK_SIZE = len(MU_LINK), len(ASP_LINK) + len(ASP_LINK_MU)


def mu_observation_names(num_asps: int, *, satiation: bool = False, wallet: bool = False) -> list[str]:
    """Names of the entries of an MU's observation, in order.

    ``turn`` is 1 when the MU's action counts in this step. Then come the MU's own type and, for each ASP, ``asp_n/…``:
    its link, the ASP's public descriptors, last slot's price board (compute and bandwidth, cost plus shadow price) and
    the QoE that the MU received last. ``log_base_latency`` is log(1 + t0 / 1 s). In an episode's first slot the board
    shows the bare costs and the last QoE is 0.

    In scenarios with ``satiation``, ``log_satiation``, log(1 + k), comes after these: what else there is stays where it
    is without, for policies to go on with. ASPs do not see it; nothing that is best for them depends on it.

    In scenarios with a ``wallet``, what an MU plans by comes last: ``log_money``, ``log_income`` and ``log_cap``, the
    logarithms of what the wallet holds, receives in a slot and can hold, over the MU's ω of the base market (-10 for
    nothing, 10 for a cap without limit); ``slots_left``, the share of the episode's slots that is still to be served,
    this one included, 1 all along where episodes have no end; ``log_worth``, that of ω now over ω of the base market;
    ``load_cosine`` and ``load_sine`` of the place in the load profile as an angle, 0 both without a profile. ASPs see
    none of it.
    """
    links = [f"asp_{n}/{name}" for n in range(num_asps) for name in MuLink._fields]
    return ["turn", *MuType._fields, *links, *([SATIATION] if satiation else []), *(MuPlan._fields if wallet else [])]


def asp_observation_names(num_mus: int) -> list[str]:
    """Names of the entries of an ASP's observation, in order.

    ``turn`` is 1 when the ASP's action counts in this step. Then come its own capacities, costs and model and, for each
    MU, ``mu_m/…``: the reward posted to it as a share of the bound ω/q, the link, and the MU's type. Before the MUs
    have posted, the rewards shown are those of the slot served last, 0 in an episode's first.
    """
    block = (*AspLink._fields, *MuType._fields)
    return ["turn", *AspType._fields, *(f"mu_{m}/{name}" for m in range(num_mus) for name in block)]


def state_names(num_mus: int, num_asps: int, *, satiation: bool = False, wallet: bool = False) -> list[str]:
    """Names of the entries of ``env.state()``: every MU's observation, then every ASP's, each without its ``turn``.

    The first entry is 1 while the MUs act and 0 while the ASPs do.
    """
    own = mu_observation_names(num_asps, satiation=satiation, wallet=wallet)[1:]
    return [
        "mus_turn",
        *(f"mu_{m}/{name}" for m in range(num_mus) for name in own),
        *(f"asp_{n}/{name}" for n in range(num_asps) for name in asp_observation_names(num_mus)[1:]),
    ]


def _observation_space(size: int) -> Box:
    return Box(-OBSERVATION_BOUND, OBSERVATION_BOUND, (size,), np.float32)


def mu_observation_space(num_asps: int, *, satiation: bool = False, wallet: bool = False) -> Box:
    """Space of an MU's observation; see :func:`mu_observation_names`."""
    return _observation_space(MU_LINKS + num_asps * MU_LINK_SIZE + int(satiation) + wallet * len(MU_PLAN))


def asp_observation_space(num_mus: int) -> Box:
    """Space of an ASP's observation; see :func:`asp_observation_names`."""
    return _observation_space(ASP_LINKS + num_mus * ASP_LINK_SIZE)


def state_space(num_mus: int, num_asps: int, *, satiation: bool = False, wallet: bool = False) -> Box:
    """Space of the whole market's state; see :func:`state_names`."""
    mu = mu_observation_space(num_asps, satiation=satiation, wallet=wallet).shape[0]
    asp = asp_observation_space(num_mus).shape[0]
    return _observation_space(1 + num_mus * (mu - 1) + num_asps * (asp - 1))


def mu_action_space(num_asps: int) -> Box:
    """An MU's action: its reward to each ASP as a share of the bound ω/q. (N,)."""
    return Box(0.0, 1.0, (num_asps,), np.float32)


def asp_action_space(num_mus: int) -> Box:
    """An ASP's action: shares of its compute (row 0) and of its bandwidth (row 1) for each MU. (2, M).

    A row that sums to more than 1 is scaled down to 1, so that capacity always holds.
    """
    return Box(0.0, 1.0, (2, num_mus), np.float32)


def as_action(action: Any, shape: tuple[int, ...], whose: str, *, strict: bool) -> npt.NDArray[np.float64]:
    """An agent's action as float64, unclipped.

    Raises:
        ValueError: it is not an array of finite numbers of the given shape or, with ``strict``, leaves [0, 1].
    """
    try:
        array = np.asarray(action)
    except ValueError:  # ragged nested lists
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"action of {whose} must be an array of numbers of shape {shape}, got {action!r}")
    array = array.astype(np.float64)
    if array.shape != shape:
        raise ValueError(f"action of {whose} has shape {array.shape}, expected {shape}")
    allowed = np.isfinite(array) & (~np.bool_(strict) | ((array >= 0.0) & (array <= 1.0)))
    if not allowed.all():
        index = tuple(int(i) for i in np.argwhere(~allowed)[0])
        constraint = "finite and in [0, 1]" if strict else "finite"
        raise ValueError(f"action of {whose}: entry {list(index)} = {array[index]} must be {constraint}")
    return array


@compiled_in_place
def any_outside(shares: npt.NDArray[np.float64]) -> bool:
    """Whether an entry of a flat array is not a number in [0, 1]."""
    inside = True
    for i in range(shares.shape[0]):
        inside &= 0.0 <= shares[i] <= 1.0
    return not inside


@compiled_in_place
def keep(shares: npt.NDArray[np.floating], kept: npt.NDArray[np.float64]) -> bool:
    """Copy a flat array; whether an entry of it is not a number in [0, 1]."""
    inside = True
    for i in range(kept.shape[0]):
        kept[i] = shares[i]
        inside &= 0.0 <= shares[i] <= 1.0
    return not inside


@compiled_in_place
def keep_finite(shares: npt.NDArray[np.floating], kept: npt.NDArray[np.float64]) -> bool:
    """Copy a flat array; whether all entries of it are finite."""
    finite = True
    for i in range(kept.shape[0]):
        kept[i] = shares[i]
        finite &= shares[i] - shares[i] == 0.0
    return finite


@compiled
def clipped(value: float) -> float:
    """An observation entry kept within its space."""
    return min(max(value, -OBSERVATION_BOUND), OBSERVATION_BOUND)


@compiled
def log_entry(value: float, reference: float) -> float:
    """The observation entry of a positive quantity."""
    return clipped(log(value / reference))
