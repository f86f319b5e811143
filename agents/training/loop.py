"""The loop around learning that runs of every kind share: evaluations, checkpoints, the progress bar, a clean stop."""

import time
from pathlib import Path
from typing import Protocol

from agents.training.progress import Bar
from agents.training.stop_requests import StopRequests


class Run(Protocol):
    """What learns, in steps between which it can be measured, saved and stopped."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to learn."""

    @property
    def progress(self) -> int:
        """How far it is, in the unit of the progress bar."""

    def evaluate_when_due(self) -> None:
        """Extend the learning curve, every so often."""

    def advance(self) -> None:
        """Make a step."""

    def save(self, out: Path) -> None:
        """Write a checkpoint into a run folder."""


def learn(run: Run, out: Path, bar: Bar, checkpoint_seconds: float) -> None:
    """Learn to the end, with a checkpoint every so many seconds and one at the end.

    Raises:
        KeyboardInterrupt: the run was told to stop, by SIGINT or SIGTERM; its checkpoint is written.
    """
    requests = StopRequests(bar.stopping)
    saved_at = time.monotonic()
    requests.listen()
    bar.start(run.progress)
    try:
        while not run.finished:
            run.evaluate_when_due()
            bar.update(run.progress)
            run.advance()
            bar.update(run.progress)
            if requests.told or run.finished or time.monotonic() - saved_at >= checkpoint_seconds:
                run.save(out)
                saved_at = time.monotonic()
            if requests.told:
                raise KeyboardInterrupt
    finally:
        bar.stop()
        requests.restore()
