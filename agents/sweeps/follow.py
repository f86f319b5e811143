"""Several runs followed from one process: how far each is, and all of them, in transitions and time left."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from agents.training.progress import PROGRESS_FILE, Standing, display_on, read_standing
from agents.training.stop_requests import StopRequests
from experiments.jobs import Done, Result

STOPPING = "Stopping; the checkpoints are being written"
#: The line of all runs together.
_ALL = "all runs"
#: How often the runs are looked at.
_SECONDS = 0.5


@dataclass(frozen=True)
class Followed:
    """A run to follow.

    Attributes:
        out: the run folder.
        total: transitions, or updates, in it.
        unit: what they are.
        ended: whether it had ended before.
    """

    out: Path
    total: int
    unit: str
    ended: bool


def follow(runs: Mapping[str, Followed], done: Iterable[Done[Result]], console: Console) -> dict[str, Done[Result]]:
    """Show how far runs are until the last has ended; what became of each, by key.

    Args:
        runs: by key.
        done: what becomes of them.
        console: where it is shown.

    Raises:
        KeyboardInterrupt: it was told to stop, by SIGINT or SIGTERM; that is shown at once.
    """
    for run in runs.values():
        (run.out / PROGRESS_FILE).unlink(missing_ok=True)  # of a process that was killed
    board, found = _Board(runs, console), {}
    requests = StopRequests(board.stopping, interrupt=True)
    requests.listen()
    try:
        with board.kept_up():
            for one in done:
                found[one.key] = one
                board.end(one.key, one.error)
    finally:
        requests.restore()
        for run in runs.values():
            (run.out / PROGRESS_FILE).unlink(missing_ok=True)
    return found


class _Board:
    """What is shown of runs, read anew from their folders every so often."""

    def __init__(self, runs: Mapping[str, Followed], console: Console) -> None:
        folder = os.path.commonpath([run.out.absolute().parent for run in runs.values()])
        self._names = {key: os.path.relpath(run.out.absolute(), folder) for key, run in runs.items()}
        self._runs, self._display = runs, display_on(console)
        self._began: float | None = None
        self._standings = {
            key: Standing(*(run.total * run.ended, run.total, run.total * run.ended), unit=run.unit)
            for key, run in runs.items()
        }
        self._under_way: set[str] = set()
        self._ended = {key for key, run in runs.items() if run.ended}
        self._lock, self._told = threading.Lock(), False

    @contextmanager
    def kept_up(self) -> Iterator[None]:
        """Show the board, from a thread of its own, since this one waits for the runs or trains them itself."""
        over = threading.Event()

        def keep_up() -> None:
            while not over.wait(_SECONDS):
                self.look()

        thread = threading.Thread(target=keep_up, daemon=True)
        self._display.start()
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.look()
            self._display.stop()

    def look(self) -> None:
        """Read how far the runs are that have not ended, and show it."""
        with self._lock:
            for key, run in self._runs.items():
                standing = None if key in self._ended else read_standing(run.out / PROGRESS_FILE)
                if standing is not None:
                    self._began = self._began or time.monotonic()  # workers that start are no part of the speed
                    self._standings[key] = standing
                    self._under_way.add(key)
            shown = {name: self._standings[key] for key, name in self._names.items() if key in self._under_way}
            self._display.show({**shown, _ALL: self._together()})
        if any(standing.stopping for standing in shown.values()):
            self.stopping()

    def end(self, key: str, error: str | None) -> None:
        """Take a run off the board."""
        with self._lock:
            standing = self._standings[key]
            undone = max(standing.total - standing.done, 0)  # none, unless it failed or was too short to be seen
            self._standings[key] = replace(standing, done=standing.total, first=standing.first + undone)
            self._ended.add(key)
            self._under_way.discard(key)
        self._display.say(f"{self._names[key]}: {'ended' if error is None else f'failed: {error}'}")

    def stopping(self) -> None:
        """Show once that the runs were told to stop."""
        with self._lock:
            told, self._told = self._told, True
        if not told:
            self._display.say(STOPPING)

    def _together(self) -> Standing:
        every = self._standings.values()
        return Standing(
            done=sum(min(standing.done, standing.total) for standing in every),
            total=sum(standing.total for standing in every),
            first=sum(standing.first for standing in every),
            unit=f"{next(iter(every)).unit}, {len(self._ended)} of {len(self._runs)} runs ended",
            seconds=0.0 if self._began is None else time.monotonic() - self._began,
            evaluations=sum(standing.evaluations for standing in every),
        )
