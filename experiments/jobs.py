"""What a job is, and what became of one."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Result = TypeVar("Result", covariant=True)


class Job(Protocol[Result]):
    """Work that gives the same result wherever and whenever it is done."""

    @property
    def key(self) -> str:
        """What the result is kept under; it differs between jobs, and changes with the code that decides the result."""
        ...

    def run(self) -> Result:
        """Do the work."""
        ...


@dataclass(frozen=True)
class Done(Generic[Result]):
    """What became of a job: its result, or why there is none."""

    key: str
    result: Result | None = None
    error: str | None = None
