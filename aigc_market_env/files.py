"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """A path to write to in place of ``path``, whose file is replaced when the block ends without an error.

    Whoever reads sees the old file or the new one, and a failure leaves the old one.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.new")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
