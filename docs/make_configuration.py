"""Makes docs/configuration.md, the page of every field of a configuration, from the dataclasses and their docstrings.

python docs/make_configuration.py

The docstrings are those of ``train.py --help``; tests/test_configuration_page.py tells when they have changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import docstring_parser

from agents.algorithms import ALGORITHMS
from agents.algorithms.algorithm import Algorithm
from agents.algorithms.set_config import SET_ALGORITHMS, SetConfig
from agents.config import FollowerConfig, JointConfig, LeaderConfig, TrainingConfig
from agents.market_draws import MarketDistribution
from aigc_market_env.files import write_whole

PAGE = Path(__file__).parent / "configuration.md"
#: Who learns in one market, as ``--train`` calls it.
TRAINED = {"both": JointConfig, "leaders": LeaderConfig, "followers": FollowerConfig}
#: Fields that are parts, with tables of their own, and those that files have and the command line has not.
PARTS, OF_FILES = {(TrainingConfig, "algorithm"), (SetConfig, "markets")}, {"dynamics", "wallet", "side"}
_INTRODUCTION = """# Every field of a configuration

<!-- made by docs/make_configuration.py; change the docstrings of agents/config.py and agents/algorithms/ instead -->

A field `learning_rate` is the option `--learning-rate` of `train.py`, the entry `learning_rate` of a run's
`config.json`, and what `--sweep learning_rate=1e-3,3e-4` varies. `python train.py --help` lists those of the training
chosen. A preset (`--preset quick|default|long`) changes some of them; `—` is none, and the text says what stands in its
place.
"""


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    parts += _section("In one market", TrainingConfig, TRAINED)
    parts += _section("Providers alone: `--train followers`", FollowerConfig, {"followers": FollowerConfig})
    parts += _section("Both sides: `--train both`", JointConfig, {"both": JointConfig})
    parts += _section("Whichever algorithm", Algorithm, ALGORITHMS)
    for name, algorithm in ALGORITHMS.items():
        parts += _section(f"`--algorithm {name}`", algorithm, {name: algorithm})
    parts += _section("One network for every market: `--policy set`", SetConfig, SET_ALGORITHMS)
    for name, config in SET_ALGORITHMS.items():
        parts += _section(f"`--policy set --algorithm {name}`", config, {name: config})
    parts += _section("Markets that it learns from", MarketDistribution, {"": MarketDistribution})
    return "\n".join([*parts, "## Presets\n", *_presets(), ""])


def _section(title: str, kind: type, kinds: Mapping[str, type]) -> Iterator[str]:
    """A table of the fields that a class documents, with their defaults in classes that have them."""
    described = {param.arg_name: param.description for param in docstring_parser.parse(kind.__doc__ or "").params}
    rows = []
    for name, text in described.items():
        if name not in OF_FILES and (kind, name) not in PARTS:
            rows.append(f"| `{name}` | {_defaults(name, kinds)} | {' '.join((text or '').split())} |")
    if rows:
        yield "\n".join([f"## {title}\n", "| field | default | what it is |", "|---|---|---|", *rows, ""])


def _defaults(name: str, kinds: Mapping[str, type]) -> str:
    found = {label: _shown(_default(kind, name)) for label, kind in kinds.items()}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{label}: {value}" for label, value in found.items())


def _default(kind: type, name: str) -> Any:
    (field,) = (field for field in fields(kind) if field.name == name)
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "—"
    if isinstance(value, tuple):
        return f"`{' '.join(_plain(one) for one in value)}`"
    return f"`{value}`" if value != "" else "—"


def _plain(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _presets() -> Iterator[str]:
    yield "| training | preset | changes |\n|---|---|---|"
    of_sets = {f"--policy set --algorithm {name}": kind for name, kind in SET_ALGORITHMS.items()}
    for option, kind in ({f"--train {name}": kind for name, kind in TRAINED.items()} | of_sets).items():
        for preset, changes in kind.presets.items():
            if changes:
                shown = ", ".join(f"`{name}` {_shown(value)}" for name, value in changes.items())
                yield f"| `{option}` | `{preset}` | {shown} |"


if __name__ == "__main__":
    write_whole(PAGE, page().encode())
