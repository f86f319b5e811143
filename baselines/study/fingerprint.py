"""Which code decides a result: that of the market, of the mechanism, and of what the mechanism imports from here."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import aigc_market_env

_ROOT = Path(__file__).parents[2]
_LIBRARIES = ("numba", "numpy", "scipy")
#: What decides the figures of every job.
_MEASURING = "baselines.study.jobs"


@cache
def fingerprint(module: str) -> str:
    """Hash of the sources that decide what a job of this module gives, and of the numerical libraries."""
    sources = dict.fromkeys([*_market_sources(), *sources_of(_MEASURING), *sources_of(module)])
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in _LIBRARIES).encode())
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _market_sources() -> tuple[Path, ...]:
    return tuple(sorted(Path(aigc_market_env.__file__).parent.rglob("*.py")))


def sources_of(module: str, root: Path = _ROOT) -> list[Path]:
    """The file of a module and, over and over, those of the modules in ``root/baselines`` that it imports; sorted."""
    found: set[Path] = set()
    wanted = [_file_of(module, root)]
    while wanted:
        path = wanted.pop()
        if path is not None and path not in found:
            found.add(path)
            wanted += [_file_of(name, root) for name in _imports(path) if name.startswith("baselines.")]
    return sorted(found)


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    if path.is_file():
        return path
    known = getattr(sys.modules.get(module), "__file__", None)  # a mechanism from elsewhere
    return Path(known) if known else None


def _imports(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, and of what it takes from them, which may be modules, too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
