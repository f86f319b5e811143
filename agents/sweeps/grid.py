"""Sweeps over values of a configuration's fields: what ``--sweep`` names, every combination of it, and their table."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from types import NoneType
from typing import Any, TypeVar, get_args
from urllib.parse import quote

import numpy as np
from rich.markup import escape

from agents.config import Config
from agents.documents import flat_types
from agents.documents import with_fields as replaced
from agents.reports.figures import REGRETS
from agents.reports.tables import shown, shown_interval
from agents.sweeps.sweep import Figures, SweepRun, Values, failures, worst_line
from experiments.jobs import Done
from experiments.tables import NumberTable

#: Fields that say what a whole sweep is about, with the options that do.
_OPTIONS = {"seed": "--seeds", "scenario": "--scenario", "algorithm": "--algorithm", "side": "--train"}
_Config = TypeVar("_Config", bound=Config)


def _widths(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


#: What can be swept, by type: how a value is read, and what it is called.
_READ: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    str: (str, "text"),
    tuple[int, ...]: (_widths, "widths such as 128x128"),
}


def combinations(texts: Sequence[str], config: Config) -> list[Values]:
    """Every combination of values, those of the last field changing fastest; a single empty one of no fields.

    Args:
        texts: fields with their values, such as ``"learning_rate=1e-3,3e-4"``.
        config: of a run; its fields may be named.

    Raises:
        ValueError: there is no such field, it cannot be swept or is named twice, or a value is none of it.
    """
    types = {name: _present(kind) for name, kind in flat_types(config).items()}
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, listed = text.partition("=")
        if not equals:
            raise ValueError(f"--sweep {text} must be like learning_rate=1e-3,3e-4: a field and its values")
        if name in _OPTIONS:
            raise ValueError(f"--sweep {name}: give {_OPTIONS[name]} instead, which is of the whole sweep")
        if types.get(name) not in _READ:
            known = ", ".join(known for known in types if types[known] in _READ and known not in _OPTIONS)
            raise ValueError(f"--sweep {name}: no field of this run that can be swept; choose from {known}")
        if name in found:
            raise ValueError(f"--sweep {name} is given twice; list all values once, as in {name}=1,2")
        found[name] = _values(name, listed, *_READ[types[name]])
    return [dict(zip(found, values, strict=True)) for values in product(*found.values())]


def _present(kind: Any) -> Any:
    """A type without its None: who sweeps a field names values."""
    kinds = [other for other in get_args(kind) if other is not NoneType]
    return kinds[0] if NoneType in get_args(kind) and len(kinds) == 1 else kind


def _values(name: str, listed: str, read: Callable[[str], Any], kind: str) -> list[Any]:
    values = []
    for text in listed.split(","):
        try:
            value = read(text)
        except ValueError:
            value = ""
        if value == "":
            raise ValueError(f"--sweep {name}: {text!r} must be {kind}; values are separated by single commas")
        if value in values:
            raise ValueError(f"--sweep {name}: {_written(value)} is given twice")
        values.append(value)
    return values


def with_values(config: _Config, values: Values) -> _Config:
    """The configuration of a combination.

    Raises:
        ValueError: it is out of range.
    """
    try:
        return replaced(config, values)
    except ValueError as error:
        raise ValueError(f"--sweep {combination_name(values)}: {error}" if values else str(error)) from None


def combination_name(values: Values) -> str:
    """A combination as a folder is called: ``"learning_rate=0.001,hidden=64x64"``."""
    return ",".join(f"{name}={quote(_written(value), safe='+')}" for name, value in values.items())


def _written(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def grid_table(runs: Sequence[SweepRun], done: Sequence[Done[Figures]], title: str) -> NumberTable:
    """Regrets of every combination: their mean and range over seeds, and the least mean of what is learned marked.

    A combination of which a run failed has the mean of the others, and no mark.

    Args:
        runs: the runs.
        done: what became of each.
        title: of the table; rich markup.
    """
    rows: dict[str, tuple[Values, list[Done[Figures]]]] = {}
    for run, one in zip(runs, done, strict=True):
        rows.setdefault(combination_name(run.values), (run.values, []))[1].append(one)
    names = [name for name in REGRETS if any(name in (one.result or {}) for one in done)]
    learned = [name for name in names if runs[0].config.side in ("both", f"{name.split('_')[0]}s")]
    least = {name: _least([_mean(name, ended) for _, ended in rows.values()]) for name in learned}
    caption = [
        "Regret: what one agent could gain alone; mean over seeds, and range. *: the least mean. Worst: of the "
        "agent that forgoes most of its own."
    ]
    swept = [name.replace("_", "_\n") for name in runs[0].values]  # narrow, that the regrets have room
    table = NumberTable(title, "\n".join([*caption, *failures(runs, done)]), labels=len(swept), lines=True)
    for heading in (*swept, *(f"regret of {REGRETS[name][0]}" for name in names), "time"):
        table.add_column(heading)
    for values, ended in rows.values():
        cells = [_cell(name, ended, least.get(name, math.nan)) for name in names]
        table.add_row(*(escape(_written(value)) for value in values.values()), *cells, _time(ended))
    return table


def _mean(name: str, ended: Sequence[Done[Figures]]) -> float:
    """Of a regret over all seeds; NaN where a run failed."""
    return float(np.mean([(one.result or {}).get(name, math.nan) for one in ended]))


def _least(means: Sequence[float]) -> float:
    return min((mean for mean in means if math.isfinite(mean)), default=math.nan)


def _cell(name: str, ended: Sequence[Done[Figures]], least: float) -> str:
    runs = [one.result for one in ended if one.result is not None]
    if not runs:
        return ""
    values = [run[name] for run in runs]
    mean = shown(name, float(np.mean(values)))
    lines = [f"[bold]* {mean}[/]" if _mean(name, ended) == least else mean]
    lines += [shown_interval(name, (min(values), max(values)))] if len(values) > 1 else []
    return "\n".join([*lines, worst_line(name, runs)]).strip()


def _time(ended: Sequence[Done[Figures]]) -> str:
    times = [one.result["wall_seconds"] for one in ended if one.result is not None]
    lines = [f"{np.mean(times):.0f} s"] if times else []
    failed = len(ended) - len(times)
    return "\n".join([*lines, f"[red]{failed} of {len(ended)} failed"] if failed else lines)
