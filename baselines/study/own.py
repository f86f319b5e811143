"""Mechanisms of a user's own: a class in a file anywhere, or in a module that can be imported.

What travels to workers is where the class is, and not the object: a worker that has never seen the file imports it
itself. Importing executes the file.
"""

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market_env import Market
from baselines.mechanism import Mechanism, MechanismResult
from baselines.study.fingerprint import fingerprint
from experiments.own_code import NamedCode, named_code

#: A name goes into files, keys and messages.
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class OwnMechanism:
    """A user's mechanism, as it stands in a plan and travels to workers.

    Attributes:
        name: its own.
        label: its own.
        place: where its class is.
    """

    name: str
    label: str
    place: NamedCode

    @property
    def code(self) -> str:
        """Hash of what decides its results: its file, and what that imports from beside it and from the project."""
        return fingerprint(self.place.imported().__name__)

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Run it.

        Raises:
            TypeError: it gave something else than a MechanismResult.
        """
        mechanism = getattr(self.place.imported(), self.place.attribute)()
        result = mechanism.run(market, rng)
        if not isinstance(result, MechanismResult):
            raise TypeError(f"{self.place.attribute}.run gave {type(result).__name__}, not a MechanismResult")
        return result


def code_of(mechanism: Mechanism) -> str:
    """Hash of the code that decides a mechanism's results."""
    return mechanism.code if isinstance(mechanism, OwnMechanism) else fingerprint(type(mechanism).__module__)


def own_mechanisms(texts: Iterable[str], taken: Iterable[str]) -> list[OwnMechanism]:
    """The mechanisms that ``--mechanism`` names, such as ``"mine.py:ByAccuracy"``; their files are executed.

    Args:
        texts: what is named.
        taken: names that other mechanisms have.

    Raises:
        ValueError: there is no such file, module or class, it fails on import, it is no mechanism, its constructor
            needs arguments, or its name is another's; the message says which.
    """
    names, found = set(taken), []
    for text in texts:
        own = _found(text)
        if own.name in names:
            raise ValueError(f"--mechanism {text}: there is a mechanism called {own.name!r} already; rename it")
        names.add(own.name)
        found.append(own)
    return found


def _found(text: str) -> OwnMechanism:
    named = named_code(text, "--mechanism", "Class")
    kind = getattr(named.load(), named.attribute, None)
    if kind is None:
        classes = [
            name for name, value in vars(named.load()).items() if inspect.isclass(value) and hasattr(value, "run")
        ]
        there = f"; there are {', '.join(classes)}" if classes else "; it has no class with a run method"
        raise ValueError(f"--mechanism {text}: {named.file} has no class {named.attribute}{there}")
    mechanism = _made(text, kind)
    return OwnMechanism(*_name_and_label(text, mechanism), named)


def _made(text: str, kind: Any) -> Any:
    """An object of the class, with whatever its constructor does."""
    if not inspect.isclass(kind):
        raise ValueError(f"--mechanism {text}: that is no class; name the class of a mechanism")
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        raise ValueError(f"--mechanism {text}: it is made without arguments, so give them defaults: {error}") from None
    except ValueError:  # a constructor that tells no signature is just tried
        pass
    try:
        return kind()
    except Exception as error:  # whatever the user's code raises
        raise ValueError(f"--mechanism {text}: making it failed: {type(error).__name__}: {error}") from error


def _name_and_label(text: str, mechanism: Any) -> tuple[str, str]:
    """What the mechanism is called.

    Raises:
        ValueError: it is none.
    """
    missing = [field for field in ("name", "label", "run") if not hasattr(mechanism, field)]
    if missing:
        raise ValueError(
            f"--mechanism {text}: that is no mechanism, it lacks {', '.join(missing)}; "
            "see docs/how-to/mechanism.md for what one has"
        )
    try:
        inspect.signature(mechanism.run).bind(None, None)
    except TypeError:
        raise ValueError(f"--mechanism {text}: its run must take a market and a random generator") from None
    name, label = mechanism.name, mechanism.label
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"--mechanism {text}: its name {name!r} must be of letters, digits, _, . and -")
    if not isinstance(label, str) or not label.isprintable() or not label.strip():
        raise ValueError(f"--mechanism {text}: its label {label!r} must be a line of text")
    return name, label
