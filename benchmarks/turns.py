"""Taking turns: how contenders are measured side by side, and what is told of the turns.

A machine's speed drifts, by up to a factor of two on a shared one. So every contender plays a short turn, then the
next, and all over again: a drift meets all of them, and a ratio is taken turn by turn before its median is.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from experiments.tables import NumberTable

#: Plays for that many seconds and tells its rate, per second.
Play = Callable[[float], float]


@dataclass(frozen=True)
class Summary:
    """Median and range of the turns."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def cells(self, form: str = ",.0f") -> tuple[str, str, str]:
        """Median, lowest and highest for a table."""
        return format(self.median, form), format(self.lowest, form), format(self.highest, form)


@dataclass
class Turns:
    """The rates of every contender turn by turn, and why others are missing."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def summary(self, name: str) -> Summary:
        """Median and range of a contender."""
        return Summary.of(self.rates[name])

    def ratio(self, name: str, to: str) -> Summary:
        """How many times faster, by turns played next to each other."""
        return Summary.of([a / b for a, b in zip(self.rates[name], self.rates[to], strict=True)])

    def best(self, prefix: str) -> str | None:
        """The contender with the highest median among those whose name begins so."""
        found = [name for name in self.rates if name.startswith(prefix)]
        return max(found, key=lambda name: self.summary(name).median, default=None)

    def as_json(self) -> dict[str, Any]:
        """Medians, ranges, the turns themselves, and what is missing."""
        played = {name: asdict(self.summary(name)) | {"turns": values} for name, values in self.rates.items()}
        return {"rates": played} | ({"missing": self.missing} if self.missing else {})


def rate_of(step: Callable[[], object], seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Calls per second over at least so long, and at least one call."""
    calls, began = 0, clock()
    while True:
        step()
        calls += 1
        spent = clock() - began
        if spent >= seconds:
            return calls / spent


def take_turns(
    console: Console, makers: Mapping[str, Callable[[], Play]], *, seconds: float, repeats: int, warm_up: float = 0.2
) -> Turns:
    """Make the contenders, warm them up, and let them play in turn.

    A contender that cannot be made or started (a peer that is not installed, or of another version) is left out and
    named as missing; the others go on.
    """
    turns, plays = Turns(), dict[str, Play]()
    for name, make in makers.items():
        with console.status(f"compiling and warming up: {name}"):
            try:
                play = make()
                play(warm_up)
            except ImportError as error:
                turns.missing[name] = f"not installed ({error.name or error})"
            except Exception as error:  # a peer's own trouble is no reason to stop
                turns.missing[name] = f"failed: {type(error).__name__}: {error}"
            else:
                plays[name] = play
    turns.rates = {name: [] for name in plays}
    for repeat in range(repeats):
        for name, play in plays.items():
            with console.status(f"turn {repeat + 1} of {repeats}: {name}"):
                turns.rates[name].append(play(seconds))
    return turns


def table(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column is text and whose others are figures."""
    shown = NumberTable(title, justify="left")
    for i, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if i else "left")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
