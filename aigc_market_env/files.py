"""Files that are written whole or not at all, and JSON read from them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any


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


def read_json(path: str | PathLike[str]) -> Any:
    """Read a JSON file in UTF-8, -16 or -32, with a byte-order mark or without: Windows programs write both.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON; the message names the file.
    """
    content = Path(path).read_bytes()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:  # bytes of no encoding, or a number of too many digits, too
        raise ValueError(f"{path}: not a JSON document: {error}") from None
