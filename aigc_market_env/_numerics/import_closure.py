"""Which source files decide what a module does: its own, and those of all that it imports, over and over (private).

Imports are read from the sources, wherever in a file they stand. A name taken from a package is followed to the module
that defines it: ``from aigc_market_env import Market`` leads to ``market.py``, and not to all that the package offers.
Libraries, which are told apart by their versions, are left out.
"""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

_PACKAGE = __name__.partition(".")[0]
#: Folders of libraries, wherever they are: of the interpreter, of a user, of another environment on the path.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def import_closure(module: str) -> dict[str, Path]:
    """The source files that a module stands on, its own among them, by the names of their modules.

    Args:
        module: one that has been imported, or can be; ``"baselines.buying"``.

    Raises:
        OSError: a source file cannot be read.
        ValueError: the module has no source file, or one is not Python.
    """
    own = module.partition(".")[0], _PACKAGE
    if _file_of(module) is None:
        raise ValueError(f"the module {module} has no source file")
    found: dict[str, Path] = {}
    wanted = [module]
    while wanted:
        name = wanted.pop()
        if name not in found and (path := _file_of(name)) is not None and _is_ours(name, path, own):
            found[name] = path
            wanted += _imports(name, path, path.stat().st_mtime_ns)
    return found


def sources_digest(modules: Sequence[str], versions: Sequence[str] = ()) -> str:
    """A hash of the source files that modules stand on, and of the versions of what else decides.

    Raises:
        OSError: see :func:`import_closure`.
        ValueError: see :func:`import_closure`.
    """
    sources = {name: path for module in modules for name, path in import_closure(module).items()}
    digest = hashlib.sha256("\n".join(versions).encode())
    for name in sorted(sources):
        content = sources[name].read_bytes()
        digest.update(f"\0{name} {len(content)}\0".encode() + content)
    return digest.hexdigest()[:20]


def _is_ours(name: str, path: Path, own: Sequence[str]) -> bool:
    """Whether a module is source that may change under the same version: of those packages, or of no library."""
    if name.partition(".")[0] in own:
        return True
    return _INSTALLED.isdisjoint(path.parts) and not any(path.is_relative_to(folder) for folder in _standard_library())


@cache
def _standard_library() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


def _file_of(module: str) -> Path | None:
    """The source file of a module; None if it has none or there is no such module."""
    known = getattr(sys.modules.get(module), "__file__", None)
    if known is None:
        top, *inner = module.split(".")
        known = _search(top, inner)
    path = None if known is None else Path(known).resolve()
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _search(top: str, inner: Sequence[str]) -> str | None:
    """Where a module would be imported from; nothing is imported for it."""
    loaded = sys.modules.get(top)
    spec = PathFinder.find_spec(top)
    folders = getattr(loaded, "__path__", None) or (spec.submodule_search_locations if spec else None)
    for depth in range(1, len(inner) + 1):
        spec = PathFinder.find_spec(".".join((top, *inner[:depth])), folders) if folders else None
        folders = spec.submodule_search_locations if spec else None
    return spec.origin if spec else None


@cache
def _imports(module: str, path: Path, changed: int) -> tuple[str, ...]:
    """The modules that a file imports; ``changed`` is when it last was, so that it is read anew."""
    return tuple(dict.fromkeys(_imported(_parsed(path, changed), module, path)))


@cache
def _parsed(path: Path, changed: int) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ValueError(f"{path}: {error}") from None


def _imported(tree: ast.Module, module: str, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(node, module, path)
            yield from (_origin(origin, alias.name) for alias in node.names)


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    """The full name of what ``from … import`` takes from."""
    if not node.level:
        return node.module or ""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return importlib.util.resolve_name("." * node.level + (node.module or ""), package)


def _origin(package: str, name: str) -> str:
    """The module that ``from package import name`` comes from: a sub-module, where a package has it from, or itself."""
    if _file_of(f"{package}.{name}") is not None:
        return f"{package}.{name}"
    path = _file_of(package)
    if path is None or path.name != "__init__.py" or not _is_ours(package, path, (_PACKAGE,)):
        return package
    for node in _parsed(path, path.stat().st_mtime_ns).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _origin(_absolute(node, package, path), alias.name)
    return package
