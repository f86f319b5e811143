"""Says on standard error when something is compiled, which only a first use on a machine waits for (private)."""

import sys
import time
from typing import Any

from numba.core import event

_PACKAGE = __name__.partition(".")[0]


class Announcer(event.Listener):
    """Tells which of the package's functions is being compiled, and how long it took.

    What a function calls is compiled along with it and not told of by itself.
    """

    def __init__(self) -> None:
        self._outermost: Any = None
        self._began = 0.0

    def on_start(self, event: Any) -> None:
        """A compilation begins: Numba found nothing on disk."""
        function = event.data["dispatcher"].py_func
        if self._outermost is None and function.__module__.startswith(_PACKAGE):
            self._outermost, self._began = event.data["dispatcher"], time.monotonic()
            name = f"{function.__module__}.{function.__name__}".replace("._", ".")
            sys.stderr.write(f"compiling {name}, once for this machine … ")
            sys.stderr.flush()

    def on_end(self, event: Any) -> None:
        """A compilation has ended."""
        if self._outermost is event.data["dispatcher"]:
            self._outermost = None
            sys.stderr.write(f"{time.monotonic() - self._began:.1f} s\n")


def announce_compilations() -> None:
    """Have compilations announced from now on."""
    event.register("numba:compile", Announcer())  # type: ignore[no-untyped-call]
