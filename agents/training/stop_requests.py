"""SIGINT and SIGTERM while there is something to save."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class StopRequests:
    """Takes note of SIGINT and SIGTERM between ``listen`` and ``restore``, instead of dying of them.

    Signals reach the main thread alone, so in another one nothing is listened to.

    Args:
        when_told: shows that the first one has been heard, on a thread of its own, since what the signal came upon may
            be half-way through a line of output.
        interrupt: whether a signal raises KeyboardInterrupt as well, where nobody looks at ``told``.
    """

    def __init__(self, when_told: Callable[[], None], *, interrupt: bool = False) -> None:
        self.told = False
        self._when_told, self._interrupt = when_told, interrupt
        self._previous: dict[int, Any] = {}

    def listen(self) -> None:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._stop)

    def restore(self) -> None:
        """Give them back to whom they belonged."""
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self.told:
            self.told = True
            threading.Thread(target=self._when_told).start()
        if self._interrupt:
            raise KeyboardInterrupt
