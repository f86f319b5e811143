"""Compiled functions on disk, kept by the sources that they were compiled from (private).

Numba's own cache notices a change in a function's file only, and not in the functions that it calls or the constants
that it imports. Here the folder of a function is named after all sources that its module stands on. An entry is one
file, written whole, with a checksum and what it was compiled for; whatever is wrong with one, the function is compiled
again. The first of several places that can be written to is used, and none has to be.
"""

import getpass
import hashlib
import os
import pickle
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import config as numba_config
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from aigc_market_env._numerics.import_closure import import_closure, sources_digest
from aigc_market_env.files import replacing

#: Numba defines its settings at run time, out of sight of type checkers.
_SETTINGS: Any = numba_config
_VERSIONS = (sys.version, numba.__version__, llvmlite.__version__, np.__version__)
_CHECKSUM_SIZE = hashlib.sha256().digest_size
#: When the first compiled function of each package was declared: a later change of a source is not in this process.
_imported_at: dict[str, int] = {}


class MachineCode(FunctionCache):
    """What Numba asks for the compiled versions of a function, and gives new ones to."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._py_func: Any = function
        _imported_at.setdefault(_package(function.__module__), time.time_ns())
        self.enable()  # type: ignore[no-untyped-call]

    @property
    def cache_path(self) -> str | None:
        """Where a version compiled now would be sought first; None without a cache."""
        return next((str(folder) for folder in self._folders()), None)

    def flush(self) -> None:
        """Forget what is on disk."""
        for folder in self._folders():
            for path in folder.glob(f"{self._entry()}-*"):
                with suppress(OSError):
                    path.unlink()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The version compiled for a signature; None if there is none, or it is damaged."""
        target_context.refresh()
        key = self._index_key(sig, target_context.codegen())  # type: ignore[no-untyped-call]
        for path in self._paths(key):
            if (data := _read(path, key)) is not None:
                with suppress(Exception):  # whatever it is, compiling gives what should have been there
                    return CompileResult._rebuild(target_context, *data)  # type: ignore[no-untyped-call]
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a version, where that is possible."""
        if data.library.has_dynamic_globals or any(not lifted.can_cache for lifted in data.lifted):
            return
        key = self._index_key(sig, data.codegen)  # type: ignore[no-untyped-call]
        content: bytes = dumps((key, data._reduce()))  # type: ignore[no-untyped-call]
        for path in self._paths(key, writing=True):
            with suppress(OSError):  # a full disk, or one that is only read
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as new:
                    new.write_bytes(hashlib.sha256(content).digest() + content)
                return

    def _entry(self) -> str:
        return f"{self._py_func.__module__}.{self._py_func.__qualname__}".replace("<", "").replace(">", "")

    def _paths(self, key: Any, *, writing: bool = False) -> Iterator[Path]:
        """Where the version with a key may be, the best place first."""
        short = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return (folder / f"{self._entry()}-{short}.nbc" for folder in self._folders(writing=writing))

    def _folders(self, *, writing: bool = False) -> Iterator[Path]:
        digest = _digest(self._py_func.__module__) if self._enabled else None
        if digest is not None:
            source = Path(self._py_func.__code__.co_filename)
            yield from (place / f"numba-{digest}" for place in _places(source, writing=writing))


def _read(path: Path, key: Any) -> Any:
    """What was kept for a key; None if there is nothing, or it is not what was written."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_CHECKSUM_SIZE:]).digest() != content[:_CHECKSUM_SIZE]:
            return None
        kept_for, data = pickle.loads(content[_CHECKSUM_SIZE:])
    except Exception:  # the file of another version of Numba, say
        return None
    return data if kept_for == key else None


def _package(module: str) -> str:
    return module.partition(".")[0]


@cache
def _digest(module: str) -> str | None:
    """What the cache folder of a module is named after; None where its sources are not known, or no longer the same."""
    try:
        sources = import_closure(module)
        declared = _imported_at[_package(module)]
        for name, path in sources.items():
            status = path.stat()
            if max(status.st_mtime_ns, status.st_ctime_ns) > _imported_at.get(_package(name), declared):
                return None  # edited since it was imported: what runs here is not what the file says
        return sources_digest([module], _VERSIONS)
    except (OSError, ValueError):
        return None


def _places(source: Path, *, writing: bool) -> Iterator[Path]:
    """Where compiled functions of a source file may be kept: where the user says, or beside it; else in private."""
    if _SETTINGS.CACHE_DIR:
        yield Path(_SETTINGS.CACHE_DIR)
    else:
        yield source.parent / "__pycache__"
        yield from _user_folder()
    yield from _private_folder(make=writing)


def _user_folder() -> tuple[Path, ...]:
    """The user's folder for caches, if the user has one."""
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return (Path(base, "aigc-market-env"),) if os.path.isabs(base) else ()


def _private_folder(*, make: bool) -> tuple[Path, ...]:
    """A folder for temporary files that nobody else can write to, for what is in it is run; none if it is not ours."""
    with suppress(OSError):
        folder = Path(tempfile.gettempdir(), f"aigc-market-env-{_user()}")
        if make:
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
        status = folder.lstat()
        others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISDIR(status.st_mode) and (os.name == "nt" or (status.st_uid == os.getuid() and not others)):
            return (folder,)
    return ()


def _user() -> str:
    """Something that tells users apart."""
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
