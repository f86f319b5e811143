"""Jobs that tell what they took, and jobs that take nothing; workers import them from here."""

import time
from dataclasses import dataclass
from typing import Any

from experiments.jobs import Job


@dataclass(frozen=True)
class Timed:
    """A job that also tells the processor time it took."""

    job: Job[Any]

    @property
    def key(self) -> str:
        """Of the job."""
        return self.job.key

    def run(self) -> tuple[float, Any]:
        """Seconds of a core, and the result."""
        began = time.process_time()
        found = self.job.run()
        return time.process_time() - began, found


@dataclass(frozen=True)
class Nothing:
    """A job that does nothing."""

    key: str

    def run(self) -> None:
        """Do nothing."""
