"""The market as users hold it: parameters, batches, what a slot produces, JSON (docs/market.md#who-plays)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from aigc_market_env.files import read_json, write_whole
from aigc_market_env.model.outcome import Outcome, outcome
from aigc_market_env.model.parameters import FIELDS, FloatArray, Parameters, as_floats, axes_of

SCHEMA = "aigc-market/1"
#: What a market file need not have; it is then 0.
_OPTIONAL = ("satiation",)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Market(Parameters):
    """One market, or a batch of markets of one size, as read-only float64 arrays.

    M mobile users (MUs) lead by posting rewards, N AIGC service providers (ASPs) follow by allocating compute and
    bandwidth. Every array may carry leading batch axes ``(...,)``; they are broadcast against one another.

    Attributes:
        slot_duration: Δ, length of a slot, s. (...)
        satisfaction_scale: ω, worth of satisfaction, credits per slot. (..., M)
        qoe_requirement: q, QoE at which satisfaction reaches ω·log 2, or ω (1 - 2^-k)/k with satiation. (..., M)
        satiation: k, how soon wants end: with QoE q, a share 1 - 2^-k of all satisfaction there is; at 0, the default,
            satisfaction grows without end. From 0 to 100; a number is that of every MU. (..., M)
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

    def outcome(self, rewards: npt.ArrayLike, compute: npt.ArrayLike, bandwidth: npt.ArrayLike) -> Outcome:
        """What a slot produces under posted rewards and an allocation.

        Args:
            rewards: r, credits per QoE. (..., M, N)
            compute: f, TFLOP/s. (..., M, N)
            bandwidth: b, MHz. (..., M, N)

        Raises:
            ValueError: a shape does not fit the market, an entry is negative or not finite, or an allocation exceeds a
                capacity.
        """
        return outcome(self, rewards, compute, bandwidth)

    # Batches ---------------------------------------------------------------------------------------------------------

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
        written = [name for name in FIELDS if name not in _OPTIONAL or getattr(self, name).any()]
        document = {"schema": SCHEMA} | {name: getattr(self, name).tolist() for name in written}
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


def _fields_of(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object with the fields of a market, got {type(document).__name__}")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"field 'schema' must be {SCHEMA!r}, got {document.get('schema')!r}")
    missing = [name for name in FIELDS if name not in document and name not in _OPTIONAL]
    if missing:
        raise ValueError(f"missing field {missing[0]!r}" + (f" (and {len(missing) - 1} more)" if missing[1:] else ""))
    unknown = sorted(set(document) - set(FIELDS) - {"schema"})
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    values = {name: document[name] for name in FIELDS if name in document}
    for name, value in values.items():
        if np.ndim(as_floats(name, value)) != len(FIELDS[name].dims):
            raise ValueError(
                f"field {name!r} must have {len(FIELDS[name].dims)} axes ({axes_of(name)}) in a market file"
            )
    return values
