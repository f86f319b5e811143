"""The market: every parameter with its shape, unit and constraint; validation; JSON (docs/market.md#who-plays)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from aigc_market_env._compile import compiled
from aigc_market_env.files import read_json, write_whole

if TYPE_CHECKING:
    from aigc_market_env.outcome import Outcome

FloatArray = npt.NDArray[np.float64]

SCHEMA = "aigc-market/1"
#: What a sum of weights may be off by: up to the first it is taken as 1, up to the second, float32 rounding, made 1.
_WEIGHT_SUM_TOLERANCE, _WEIGHT_SUM_ROUNDING = 1e-9, 1e-6
#: What a parameter other than 0 lies between, so that no product of several, squared at that, leaves the floats.
_SMALLEST, _LARGEST = 1e-30, 1e30


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
class Market:
    """One market, or a batch of markets of one size, as read-only float64 arrays.

    M mobile users (MUs) lead by posting rewards, N AIGC service providers (ASPs) follow by allocating compute and
    bandwidth. Every array may carry leading batch axes ``(...,)``; they are broadcast against one another.

    Attributes:
        slot_duration: Δ, length of a slot, s. (...)
        satisfaction_scale: ω, worth of satisfaction, credits per slot. (..., M)
        qoe_requirement: q, QoE at which satisfaction reaches ω·log 2. (..., M)
        qoe_weights: w, weights of accuracy, token count and timeliness; every row sums to 1. A sum that is off by
            more than 1e-9 and up to 1e-6, as float32 weights' may be, is made 1. (..., M, 3)
        desired_tokens: L̂, tokens that the MU would like in a slot. (..., M)
        patience: τ, response time at which timeliness is one half, s. (..., M)
        bits_per_token: s, size of a delivered token on the air, bit. (..., M)
        compute_capacity: F, TFLOP/s. (..., N)
        bandwidth_capacity: B, MHz. (..., N)
        compute_cost: c_f, credits per slot per TFLOP/s. (..., N)
        bandwidth_cost: c_b, credits per slot per MHz. (..., N)
        flops_per_token: κ, TFLOP/token. (..., N)
        reasoning_tokens: ℓ, tokens at which accuracy reaches half of its limit. (..., N)
        accuracy: a, limit accuracy of the ASP's model on the MU's task, in (0, 1]. (..., M, N)
        spectral_efficiency: η, bit/s/Hz. (..., M, N)
        base_latency: t0, delay before the first token, s. (..., M, N)

    Raises:
        ValueError: a field has a wrong shape, is not a finite number, violates its constraint, is above 1e30 or,
            where 0 is not allowed, below 1e-30, or a row of ``qoe_weights`` does not sum to 1. The message names the
            field, the index and the constraint.

    Source: docs/market.md#who-plays. The players are the paper's, the parameters this project's choice.
    """

    slot_duration: FloatArray
    satisfaction_scale: FloatArray
    qoe_requirement: FloatArray
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
        arrays = {name: _as_floats(name, getattr(self, name)) for name in FIELDS}
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
        return self.satisfaction_scale / self.qoe_requirement

    def outcome(self, rewards: npt.ArrayLike, compute: npt.ArrayLike, bandwidth: npt.ArrayLike) -> "Outcome":
        """What a slot produces under posted rewards and an allocation.

        Args:
            rewards: r, credits per QoE. (..., M, N)
            compute: f, TFLOP/s. (..., M, N)
            bandwidth: b, MHz. (..., M, N)

        Raises:
            ValueError: a shape does not fit the market, an entry is negative or not finite, or an allocation exceeds a
                capacity.
        """
        from aigc_market_env.outcome import outcome

        return outcome(self, rewards, compute, bandwidth)

    # Batches ---------------------------------------------------------------------------------------------------------

    @cached_property
    def flat(self) -> MarketArrays:
        """The parameters with all batch axes flattened into one."""
        skip = len(self.batch_shape)
        return MarketArrays(*(getattr(self, name).reshape(-1, *getattr(self, name).shape[skip:]) for name in FIELDS))

    def __getitem__(self, index: Any) -> "Market":
        """The market or markets at ``index`` of the batch axes."""
        if not self.batch_shape:
            raise IndexError("this Market is a single one and has no batch axis to index")
        index = index if isinstance(index, tuple) else (index,)
        try:
            chosen = np.arange(self.slot_duration.size).reshape(self.batch_shape)[index]
        except IndexError as error:
            raise IndexError(f"index {index} does not fit the batch shape {self.batch_shape}: {error}") from None
        return Market(**{name: array[chosen] for name, array in zip(FIELDS, self.flat, strict=True)})

    def replace(self, **changes: npt.ArrayLike) -> Self:
        """A copy with some fields changed, validated like a new one.

        Raises:
            ValueError: a field is unknown or its new value is invalid.
        """
        unknown = sorted(set(changes) - set(FIELDS))
        if unknown:
            raise ValueError(f"unknown market field {unknown[0]!r}; the fields are {', '.join(FIELDS)}")
        return type(self)(**({name: getattr(self, name) for name in FIELDS} | changes))

    @classmethod
    def stack(cls, markets: "list[Market]") -> Self:
        """Markets of one size as a batch with a new leading axis.

        Raises:
            ValueError: the list is empty or the markets differ in size or batch shape.
        """
        shapes = {(m.batch_shape, m.num_mus, m.num_asps) for m in markets}
        if len(shapes) != 1:
            raise ValueError(f"stack needs markets of one size, got (batch, M, N) = {sorted(shapes)}")
        return cls(**{name: np.stack([getattr(m, name) for m in markets]) for name in FIELDS})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Market):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in FIELDS)

    __hash__ = None  # type: ignore[assignment]

    # Copies and pickles are built anew: arrays restored as they are would be writable.
    def __getstate__(self) -> dict[str, FloatArray]:
        return {name: getattr(self, name) for name in FIELDS}

    def __setstate__(self, state: Mapping[str, FloatArray]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __repr__(self) -> str:
        batch = f", batch_shape={self.batch_shape}" if self.batch_shape else ""
        return f"Market(num_mus={self.num_mus}, num_asps={self.num_asps}{batch})"

    # JSON ------------------------------------------------------------------------------------------------------------

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write this market as JSON; numbers survive the round trip bit for bit.

        Raises:
            ValueError: this is a batch; a file holds one market.
        """
        if self.batch_shape:
            raise ValueError(
                f"a market file holds one market, this is a batch of shape {self.batch_shape}; index it first"
            )
        document = {"schema": SCHEMA} | {name: getattr(self, name).tolist() for name in FIELDS}
        write_whole(path, (json.dumps(document, indent=1) + "\n").encode())

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> Self:
        """Read a market written by :meth:`to_json`.

        Raises:
            ValueError: the file is not JSON, has another schema, lacks a field or has one too many, or a value is
                invalid; the message names the file and the field.
            FileNotFoundError: there is no such file.
        """
        document = read_json(path)
        try:
            return cls(**_fields_of(document))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


# Validation ----------------------------------------------------------------------------------------------------------


def _fields_of(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object with the fields of a market, got {type(document).__name__}")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"field 'schema' must be {SCHEMA!r}, got {document.get('schema')!r}")
    missing = [name for name in FIELDS if name not in document]
    if missing:
        raise ValueError(f"missing field {missing[0]!r}" + (f" (and {len(missing) - 1} more)" if missing[1:] else ""))
    unknown = sorted(set(document) - set(FIELDS) - {"schema"})
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    values = {name: document[name] for name in FIELDS}
    for name, value in values.items():
        if np.ndim(_as_floats(name, value)) != len(FIELDS[name].dims):
            raise ValueError(f"field {name!r} must have {len(FIELDS[name].dims)} axes ({_axes(name)}) in a market file")
    return values


def _axes(name: str) -> str:
    return "(" + ", ".join(("...", *FIELDS[name].dims)) + ")"


def _as_floats(name: str, value: Any) -> FloatArray:
    try:
        array = np.asarray(value)
    except ValueError:  # ragged nested lists
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"field {name!r} must be a rectangular array of numbers of shape {_axes(name)}")
    return array.astype(np.float64)


def _sizes(arrays: Mapping[str, FloatArray]) -> dict[str, int]:
    """Lengths of the axes M, N and 3, after checking that all fields agree on them."""
    sizes = {"3": 3}
    for name in ("accuracy", *arrays):  # accuracy, which has both, decides what M and N are
        dims = FIELDS[name].dims
        array = arrays[name]
        if array.ndim < len(dims):
            raise ValueError(f"field {name!r} has shape {array.shape}, expected {_axes(name)}")
        for dim, length in zip(dims, array.shape[array.ndim - len(dims) :], strict=True):
            if sizes.setdefault(dim, length) != length:
                raise ValueError(
                    f"field {name!r} has shape {array.shape}, expected {_axes(name)} with {dim} = {sizes[dim]}"
                )
            if length == 0:
                raise ValueError(f"field {name!r} has shape {array.shape}; a market needs at least one MU and one ASP")
    return sizes


def _check_values(name: str, array: FloatArray) -> None:
    field = FIELDS[name]
    lower, upper = float(field.lower) if field.lower_allowed else _SMALLEST, min(field.upper, _LARGEST)
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
