"""Says on standard error when something is compiled, which only a first use on a machine waits for (private)."""

import sys
from typing import Any

from numba.core import event

_PACKAGE = __name__.partition(".")[0]
#: In lines of at most 40 characters, for a terminal breaks longer ones within words.
_FIRST_USE = "First use on this machine compiles,\nwhich takes one to two minutes in all.\n"
#: What functions are for, by the beginning of their module; the first that fits counts.
_PURPOSES = {
    "_engine": "slots of the market",
    "equilibrium": "equilibria",
    "wallets": "episodes with wallets",
    "game.followers": "best responses of providers",
    "game": "best responses of users",
    "": "formulas of the market",
}


class Announcer(event.Listener):
    """Tells, once for each purpose, what the package's functions that are being compiled are for.

    All is told in whole lines, which progress bars leave as they are. What a function calls is compiled along with it
    and not told of by itself.
    """

    def __init__(self) -> None:
        self._outermost: Any = None
        self._told: set[str] = set()

    def on_start(self, event: Any) -> None:
        """A compilation begins: Numba found nothing on disk."""
        function = event.data["dispatcher"].py_func
        if self._outermost is None and function.__module__.startswith(_PACKAGE):
            self._outermost = event.data["dispatcher"]
            self._tell(function.__module__.removeprefix(f"{_PACKAGE}."))

    def on_end(self, event: Any) -> None:
        """A compilation has ended."""
        if self._outermost is event.data["dispatcher"]:
            self._outermost = None

    def _tell(self, module: str) -> None:
        purpose = next(purpose for beginning, purpose in _PURPOSES.items() if module.startswith(beginning))
        if purpose in self._told:
            return
        if not self._told:
            sys.stderr.write(_FIRST_USE)
        self._told.add(purpose)
        sys.stderr.write(f"Compiling {purpose}\n")
        sys.stderr.flush()


def announce_compilations() -> None:
    """Have compilations announced from now on."""
    event.register("numba:compile", Announcer())  # type: ignore[no-untyped-call]
