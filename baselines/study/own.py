"""Mechanisms of a user's own: a class in a file anywhere, or in a module that can be imported.

What travels to workers is where the class is, and not the object: a worker that has never seen the file imports it
itself. Importing executes the file.
"""

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from aigc_market_env import Market
from baselines.mechanism import Mechanism, MechanismResult
from baselines.study.fingerprint import fingerprint

#: A name goes into files, keys and messages.
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class OwnMechanism:
    """A user's mechanism, as it stands in a plan and travels to workers.

    Attributes:
        name: its own.
        label: its own.
        file: where its class is.
        module: its name where it was named as a module; empty where it was named as a file.
        attribute: name of the class.
    """

    name: str
    label: str
    file: Path
    module: str
    attribute: str

    @property
    def code(self) -> str:
        """Hash of what decides its results: its file, and what that imports from beside it and from the project."""
        return fingerprint(_imported(self.file, self.module).__name__)

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Run it.

        Raises:
            TypeError: it gave something else than a MechanismResult.
        """
        mechanism = getattr(_imported(self.file, self.module), self.attribute)()
        result = mechanism.run(market, rng)
        if not isinstance(result, MechanismResult):
            raise TypeError(f"{self.attribute}.run gave {type(result).__name__}, not a MechanismResult")
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
    place, colon, attribute = text.rpartition(":")
    if not colon or not place or not attribute.isidentifier():
        raise ValueError(f"--mechanism {text} must be like FILE.py:Class or module:Class")
    is_file = place.endswith(".py") or "/" in place or "\\" in place
    if is_file and not Path(place).is_file():
        raise ValueError(f"--mechanism {text}: no such file: {place}")
    file = Path(place).resolve() if is_file else _file_of_module(text, place)
    module = "" if is_file else place
    try:
        loaded = _imported(file, module)
    except Exception as error:  # whatever the user's code raises
        raise ValueError(f"--mechanism {text}: importing {file} failed: {type(error).__name__}: {error}") from error
    kind = getattr(loaded, attribute, None)
    if kind is None:
        classes = [name for name, value in vars(loaded).items() if inspect.isclass(value) and hasattr(value, "run")]
        there = f"; there are {', '.join(classes)}" if classes else "; it has no class with a run method"
        raise ValueError(f"--mechanism {text}: {file} has no class {attribute}{there}")
    mechanism = _made(text, kind)
    return OwnMechanism(*_name_and_label(text, mechanism), file, module, attribute)


def _file_of_module(text: str, module: str) -> Path:
    _find_beside(Path.cwd())
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a package above it is not there, or the name is none
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ValueError(f"--mechanism {text}: no module {module} can be imported; name a file, such as mine.py:Class")
    return Path(spec.origin).resolve()


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


@cache
def _imported(file: Path, module: str) -> ModuleType:
    """The module in a file, executed once in a process; modules beside it can be imported by it."""
    _find_beside(_import_root(file))
    if module:
        return importlib.import_module(module)
    name = f"own_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    return loaded


def _find_beside(folder: Path) -> None:
    """Have modules of a folder be found, after all others."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _import_root(file: Path) -> Path:
    """The folder from which a file's own imports are found: that of its outermost package."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder
