"""Configurations as flat documents: every field by its name, whichever part of the configuration has it.

A configuration may have parts, such as its algorithm's options: fields declared as another dataclass. Their fields
stand beside its own, in ``config.json``, in TensorBoard, in ``--sweep`` and as options of ``train.py``.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from agents.algorithms import ALGORITHMS, SET_ALGORITHMS, Algorithm
from agents.algorithms.set_config import SetConfig
from agents.config import SIDES, Config, TrainingConfig
from agents.wallet_documents import wallet_document, wallet_of
from aigc_market_env.scenarios import Dynamics, Trace

_Any = TypeVar("_Any")
#: What does not have to be the same when a run goes on.
FREE = "checkpoint_seconds"


def flat(config: Any) -> dict[str, Any]:
    """All fields of a configuration and of its parts, by name."""
    found, nested = dict[str, Any](), parts(config)
    for name, value in _own(config).items():
        found |= flat(value) if name in nested else {name: value}
    return found


def flat_types(config: Any) -> dict[str, Any]:
    """The types of these fields."""
    hints, found, nested = get_type_hints(type(config)), dict[str, Any](), parts(config)
    for name, value in _own(config).items():
        found |= flat_types(value) if name in nested else {name: hints[name]}
    return found


def with_fields(config: _Any, changes: Mapping[str, Any]) -> _Any:
    """The configuration with other values of fields, its own or of its parts.

    Raises:
        KeyError: it has no such field.
        ValueError: a value is out of range.
    """
    own: dict[str, Any] = {name: changes[name] for name in _own(config) if name in changes}
    for name in parts(config):
        part = getattr(config, name)
        of_part = {field: value for field, value in changes.items() if field in flat(part)}
        own |= {name: with_fields(part, of_part)} if of_part else {}
    unknown = changes.keys() - flat(config).keys()
    if unknown:
        raise KeyError(min(unknown))
    return replace(config, **own)  # type: ignore[type-var]


def parts(config: Any) -> list[str]:
    """The fields that are parts: declared as a dataclass."""
    kind = config if isinstance(config, type) else type(config)
    hints = get_type_hints(kind)
    return [field.name for field in fields(kind) if is_dataclass(hints[field.name])]


def _own(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(config)}


def as_document(config: TrainingConfig | SetConfig) -> dict[str, Any]:
    """A configuration as plain numbers and text, flat."""
    if config.any_size:
        return {"policy": "set", "algorithm": config.algorithm} | flat(config)
    what = {"side": config.side, "algorithm": config.algorithm.name}
    plain = {"scenario": config.scenario_name, "dynamics": config.dynamics and asdict(config.dynamics)}
    return what | flat(config) | plain | {"wallet": wallet_document(config.wallet)}


def config_of(document: Mapping[str, Any]) -> Config:
    """The configuration that a document describes; fields that it does not name have their defaults.

    Raises:
        KeyError, TypeError, ValueError: it does not describe one.
    """
    entries = {name: _as_tuple(value) for name, value in document.items()}
    if entries.pop("policy", "mlp") == "set":
        found: Config = _built(SET_ALGORITHMS[entries.pop("algorithm")], entries)
    else:
        kind, algorithm = SIDES[entries.pop("side")], ALGORITHMS[entries.pop("algorithm", "ppo")]
        if entries.get("dynamics") is not None:
            entries["dynamics"] = _dynamics_of(entries["dynamics"])
        entries["wallet"] = wallet_of(entries.get("wallet"))
        found = _built(kind, entries, {Algorithm: algorithm})
    if entries:
        raise ValueError(f"{min(entries)} is no field of it")
    return found


def _dynamics_of(document: Mapping[str, Any]) -> Dynamics:
    own = {name: _as_tuple(value) for name, value in document.items()}
    if own.get("trace") is not None:
        own["trace"] = Trace(**own["trace"])
    return Dynamics(**own)


def _built(kind: type[_Any], entries: dict[str, Any], chosen: Mapping[type, type] | None = None) -> _Any:
    """One of a kind, of entries that are taken out.

    Args:
        kind: a dataclass.
        entries: values, by field.
        chosen: what a part is that is declared as something more general.
    """
    hints, own, nested = get_type_hints(kind), dict[str, Any](), parts(kind)
    for name in (field.name for field in fields(kind)):  # type: ignore[arg-type]
        if name in nested:
            own[name] = _built((chosen or {}).get(hints[name], hints[name]), entries)
        elif name in entries:
            own[name] = entries.pop(name)
    return kind(**own)


def learning_fields(config: TrainingConfig | SetConfig) -> dict[str, Any]:
    """What has to be the same when a run goes on, as plain numbers; a market file is, wherever the run folder is."""
    same = {name: value for name, value in as_document(config).items() if name != FREE}
    return same | {"scenario": Path(str(same["scenario"])).name}


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
