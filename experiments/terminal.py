"""What the commands show: in characters that the output has, for as long as somebody reads it.

Whoever pipes a command into ``head`` wants its first lines, not its end; and a terminal without a dash is no reason to
lose a measurement. So characters that the output lacks are written by others, and what nobody reads is dropped.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

#: Name of the way of :mod:`codecs` to encode characters that an output lacks.
PLAIN = "aigc-market-plain"
#: What stands for such characters; any other is a question mark.
_PLAIN_FORMS = {
    **dict.fromkeys("–—−‐‑─━╌┄═╴╶╸╺", "-"),
    **dict.fromkeys("│┃║╎┆", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛┣┫┳┻╋┡┩╇╈╞╡╪╔╗╚╝╠╣╦╩╬", "+"),
    **dict.fromkeys("·•∙", "."),
    **dict.fromkeys("‘’′", "'"),
    **dict.fromkeys("“”″", '"'),
    **dict.fromkeys("\u00a0\u2009\u202f", " "),
    "×": "x",
    "…": "...",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "±": "+/-",
    "µ": "u",
    "μ": "u",
    "Δ": "D",
    "ω": "w",
    "²": "2",
    "³": "3",
}


def _plain_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write what cannot be encoded plainly; bytes of a path that are no text, as they came."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return _PLAIN_FORMS.get(character, "?"), error.start + 1


codecs.register_error(PLAIN, _plain_bytes)


def plain(text: str, encoding: str) -> str:
    """Text of characters that an encoding has alone, others by plain ones; bytes that are no text stay as they are."""
    return text.encode(encoding, PLAIN).decode(encoding, "surrogateescape")


class PlainConsole(Console):
    """A console whose tables keep their columns in line where characters are written by others."""

    def render_str(self, text: str, **options: Any) -> Text:
        """As of any console, in characters that its output has."""
        return super().render_str(plain(text, self.encoding), **options)


class _Read(io.FileIO):
    """An output that drops what is written once nobody reads it any more: a closed pipe, a terminal that has gone."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Have standard output and standard error take any character, and whatever comes after their reader has gone.

    One that was closed before the command began (``>&-``) takes everything, too.
    """
    before = sys.stdout, sys.stderr
    outputs = [_lasting(stream) for stream in before]
    sys.stdout, sys.stderr = outputs
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in outputs:
            stream.flush()


def _lasting(stream: TextIO | None) -> TextIO:
    if stream is None:  # the first number that is free is its own, which no file is to get
        return open(os.devnull, "w", encoding="utf-8", errors=PLAIN)
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # a notebook's, or one in memory
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Read(number, "w", closefd=False)),
        encoding=stream.encoding,
        errors=PLAIN,
        line_buffering=bool(stream.line_buffering),
        write_through=getattr(stream, "write_through", False),
    )
