"""Packages that a folder or library of the same name hides: the message says which, and what to do (private)."""

import sys
from importlib.util import find_spec
from pathlib import Path


def check_packages(*names: str, beside: str) -> None:
    """Check that the top-level packages beside a file or package are those that Python finds.

    Args:
        names: packages, ``"experiments"``; they are not imported for it. Where there is none beside, none is hidden.
        beside: a script beside them, or the ``__init__.py`` of a package beside them.

    Raises:
        ImportError: another one of that name comes first on ``sys.path``, or none is found.
    """
    file = Path(beside).resolve()
    needs = file.parent.name if file.name == "__init__.py" else file.name
    folder = file.parent.parent if file.name == "__init__.py" else file.parent
    for name in names:
        spec = find_spec(name)
        origin = None if spec is None else spec.origin
        own = folder / name / "__init__.py"
        if own.exists() and (origin is None or Path(origin).resolve() != own):
            places = None if spec is None else spec.submodule_search_locations
            found = next(iter(places), None) if places else origin
            raise ImportError(
                f"{needs} needs the package {name} of {folder}, but Python finds {found or 'none'}: "
                f"run it from {folder}, rename the other {name}, or unset PYTHONPATH"
            )


def end_on_name_clash(*names: str, beside: str) -> None:
    """The same for a command, before it imports them: one line on stderr, and exit status 2."""
    try:
        check_packages(*names, beside=beside)
    except ImportError as problem:
        print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
