"""The market's parameters: shape, unit and constraint of each; validation (docs/market.md#who-plays)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, compiled_in_place
from aigc_market_env.model import satisfaction

FloatArray = npt.NDArray[np.float64]

#: What a sum of weights may be off by: up to the first it is taken as 1, up to the second, float32 rounding, made 1.
_WEIGHT_SUM_TOLERANCE, _WEIGHT_SUM_ROUNDING = 1e-9, 1e-6
#: What a parameter other than 0 lies between, so that no product of several, squared at that, leaves the floats.
SMALLEST, LARGEST = 1e-30, 1e30
#: Where the QoE required gives all satisfaction but a share 2^-100, more satiation would be no other market.
MOST_SATIATION = 100.0


class Field(NamedTuple):
    """What a parameter of the market looks like."""

    dims: str  # axes after the batch axes: M mobile users, N providers, 3 QoE dimensions
    unit: str
    lower: float
    lower_allowed: bool
    upper: float = np.inf

    @property
    def constraint(self) -> str:
        """The constraint in words, for error messages."""
        lower = f"{'>=' if self.lower_allowed else '>'} {self.lower:g}"
        return f"finite and {lower}" + (f" and <= {self.upper:g}" if self.upper < np.inf else "")


FIELDS: dict[str, Field] = {
    "slot_duration": Field("", "s", 0, False),
    "satisfaction_scale": Field("M", "credits per slot", 0, False),
    "qoe_requirement": Field("M", "QoE", 0, False),
    "satiation": Field("M", "1", 0, True, MOST_SATIATION),
    "qoe_weights": Field("M3", "1", 0, True),
    "desired_tokens": Field("M", "tokens", 0, False),
    "patience": Field("M", "s", 0, False),
    "bits_per_token": Field("M", "bit/token", 0, False),
    "compute_capacity": Field("N", "TFLOP/s", 0, False),
    "bandwidth_capacity": Field("N", "MHz", 0, False),
    "compute_cost": Field("N", "credits per slot per TFLOP/s", 0, False),
    "bandwidth_cost": Field("N", "credits per slot per MHz", 0, False),
    "flops_per_token": Field("N", "TFLOP/token", 0, False),
    "reasoning_tokens": Field("N", "tokens", 0, False),
    "accuracy": Field("MN", "1", 0, False, 1),
    "spectral_efficiency": Field("MN", "bit/s/Hz", 0, False),
    "base_latency": Field("MN", "s", 0, True),
}


class MarketArrays(NamedTuple):
    """The parameters of a flat batch of B markets, contiguous, as compiled kernels take them."""

    slot_duration: FloatArray  # (B,)
    satisfaction_scale: FloatArray  # (B, M)
    qoe_requirement: FloatArray  # (B, M)
    satiation: FloatArray  # (B, M)
    qoe_weights: FloatArray  # (B, M, 3)
    desired_tokens: FloatArray  # (B, M)
    patience: FloatArray  # (B, M)
    bits_per_token: FloatArray  # (B, M)
    compute_capacity: FloatArray  # (B, N)
    bandwidth_capacity: FloatArray  # (B, N)
    compute_cost: FloatArray  # (B, N)
    bandwidth_cost: FloatArray  # (B, N)
    flops_per_token: FloatArray  # (B, N)
    reasoning_tokens: FloatArray  # (B, N)
    accuracy: FloatArray  # (B, M, N)
    spectral_efficiency: FloatArray  # (B, M, N)
    base_latency: FloatArray  # (B, M, N)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Parameters:
    """The parameters of one market or a batch of markets; :class:`aigc_market_env.Market` says what each of them is.

    Raises:
        ValueError: as of :class:`aigc_market_env.Market`.
    """

    slot_duration: FloatArray
    satisfaction_scale: FloatArray
    qoe_requirement: FloatArray
    satiation: FloatArray = field(default_factory=lambda: np.zeros(()))
    qoe_weights: FloatArray
    desired_tokens: FloatArray
    patience: FloatArray
    bits_per_token: FloatArray
    compute_capacity: FloatArray
    bandwidth_capacity: FloatArray
    compute_cost: FloatArray
    bandwidth_cost: FloatArray
    flops_per_token: FloatArray
    reasoning_tokens: FloatArray
    accuracy: FloatArray
    spectral_efficiency: FloatArray
    base_latency: FloatArray

    def __post_init__(self) -> None:
        arrays = {name: as_floats(name, getattr(self, name)) for name in FIELDS}
        if arrays["satiation"].ndim == 0:  # a number is that of every MU
            arrays["satiation"] = np.full(arrays["accuracy"].shape[-2:-1], arrays["satiation"])
        sizes = _sizes(arrays)
        for name, array in arrays.items():
            _check_values(name, array)
        arrays["qoe_weights"] = _summing_to_one(arrays["qoe_weights"])
        batch = _batch_shape(arrays)
        for name, array in arrays.items():
            shape = batch + tuple(sizes[dim] for dim in FIELDS[name].dims)
            # _as_floats has made a copy already, which may lie in another order or lack axes.
            frozen = array
            if array.shape != shape or not array.flags.c_contiguous:
                frozen = np.empty(shape)
                frozen[...] = array
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)

    # Sizes -----------------------------------------------------------------------------------------------------------

    @property
    def num_mus(self) -> int:
        """M, the number of mobile users."""
        return int(self.accuracy.shape[-2])

    @property
    def num_asps(self) -> int:
        """N, the number of AIGC service providers."""
        return int(self.accuracy.shape[-1])

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes; () for a single market."""
        return self.slot_duration.shape

    # Derived quantities ----------------------------------------------------------------------------------------------

    @property
    def bandwidth_per_rate(self) -> FloatArray:
        """σ = s/η, bandwidth that one token/s occupies, MHz·s/token; shape (..., M, N)."""
        return self.bits_per_token[..., None] / (self.spectral_efficiency * 1e6)

    @property
    def reward_bound(self) -> FloatArray:
        """ω/q, the marginal satisfaction at zero QoE, credits per QoE; a higher reward is dominated; shape (..., M)."""
        return satisfaction.marginals(0.0, self.satisfaction_scale, self.qoe_requirement, self.satiation)

    @cached_property
    def flat(self) -> MarketArrays:
        """The parameters with all batch axes flattened into one."""
        skip = len(self.batch_shape)
        return MarketArrays(*(getattr(self, name).reshape(-1, *getattr(self, name).shape[skip:]) for name in FIELDS))


@compiled_in_place
def wants_of(market: MarketArrays, k: int, m: int) -> satisfaction.Wants:
    """What MU ``m`` of market ``k`` makes of QoE."""
    return satisfaction.Wants(market.satisfaction_scale[k, m], market.qoe_requirement[k, m], market.satiation[k, m])


# Validation ----------------------------------------------------------------------------------------------------------


def axes_of(name: str) -> str:
    """The axes of a field in words, ``"(..., M, N)"``."""
    return "(" + ", ".join(("...", *FIELDS[name].dims)) + ")"


def as_floats(name: str, value: Any) -> FloatArray:
    """A copy of a field's value as floats.

    Raises:
        ValueError: it is not a rectangular array of numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # ragged nested lists
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"field {name!r} must be a rectangular array of numbers of shape {axes_of(name)}")
    return array.astype(np.float64)


def _sizes(arrays: Mapping[str, FloatArray]) -> dict[str, int]:
    """Lengths of the axes M, N and 3, after checking that all fields agree on them."""
    sizes = {"3": 3}
    for name in ("accuracy", *arrays):  # accuracy, which has both, decides what M and N are
        dims = FIELDS[name].dims
        array = arrays[name]
        if array.ndim < len(dims):
            raise ValueError(f"field {name!r} has shape {array.shape}, expected {axes_of(name)}")
        for dim, length in zip(dims, array.shape[array.ndim - len(dims) :], strict=True):
            if sizes.setdefault(dim, length) != length:
                raise ValueError(
                    f"field {name!r} has shape {array.shape}, expected {axes_of(name)} with {dim} = {sizes[dim]}"
                )
            if length == 0:
                raise ValueError(f"field {name!r} has shape {array.shape}; a market needs at least one MU and one ASP")
    return sizes


def _check_values(name: str, array: FloatArray) -> None:
    field = FIELDS[name]
    lower, upper = float(field.lower) if field.lower_allowed else SMALLEST, min(field.upper, LARGEST)
    if _all_within(array.reshape(-1), lower, upper):
        return
    above = array >= field.lower if field.lower_allowed else array > field.lower
    valid = above & (array <= field.upper) & np.isfinite(array)
    constraint, remedy = field.constraint, ""
    if valid.all():
        valid = (array >= lower) & (array <= upper)
        constraint = f"from {lower:g} to {upper:g}"
        remedy = "; what is computed from it would overflow, so use another unit, in all fields that have it"
    index = tuple(int(i) for i in np.argwhere(~valid)[0])
    where = f"{name}{list(index)}" if index else name
    raise ValueError(f"field {name!r}: {where} = {array[index]:g} must be {constraint} ({field.unit}){remedy}")


@compiled
def _all_within(values: FloatArray, lower: float, upper: float) -> bool:
    """Whether all entries are numbers within the bounds; environments build markets all the time."""
    within = True
    for value in values:
        within &= lower <= value <= upper
    return within


def _summing_to_one(weights: FloatArray) -> FloatArray:
    """The weights (..., 3), rows that miss a sum of 1 by rounding scaled; the others keep their bits."""
    sums = weights.sum(axis=-1)
    off = np.abs(sums - 1.0)
    wrong = np.argwhere(off > _WEIGHT_SUM_ROUNDING)
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        raise ValueError(f"field 'qoe_weights': row {list(index)} sums to {sums[index]:.12g}, must sum to 1")
    rounded = off > _WEIGHT_SUM_TOLERANCE
    return weights / np.where(rounded, sums, 1.0)[..., None] if rounded.any() else weights


def _batch_shape(arrays: Mapping[str, FloatArray]) -> tuple[int, ...]:
    shapes = {name: array.shape[: array.ndim - len(FIELDS[name].dims)] for name, array in arrays.items()}
    try:
        return np.broadcast_shapes(*set(shapes.values()))
    except ValueError:
        raise ValueError(f"the batch axes of the fields do not broadcast: {shapes}") from None
