"""What a training shows while it runs: a bar on a terminal, lines elsewhere, or a file for whoever follows several.

A run tells how far it is as a :class:`Standing`. One that is a job among others writes it into its run folder, where
:func:`agents.sweeps.follow.follow` finds it wherever the run is: in this process, another one, or on another machine.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import rich
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID

from agents.runs import write_json
from aigc_market_env.files import read_json
from experiments.progress import bars_beside_text
from experiments.whole_parts import WholeParts, say

#: Whose regret a figure of a learning curve is.
_WHOSE = {"leader_regret_relative": "MUs", "follower_regret_relative": "ASPs"}
STOPPING = "Stopping; the checkpoint is being written"
#: Where a run's standing is while it is followed.
PROGRESS_FILE = "progress.json"
#: Least time between two versions of that file without an evaluation between them.
_FILE_SECONDS = 1.0

#: The file that a run is to tell its standing in; None where it is to be shown here.
_FILE: ContextVar[Path | None] = ContextVar("progress file", default=None)


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        done: transitions, or updates of a set policy.
        total: of them in the whole run.
        first: of them done by earlier processes.
        unit: what they are.
        seconds: that this process has taken.
        waited: of them until it began to learn: to compile, and to measure how good it is at first.
        evaluations: how often regret was measured.
        regrets: those measured last, relative, by whose they are.
        stopping: whether the run was told to stop.
    """

    done: int
    total: int
    first: int = 0
    unit: str = "transitions"
    seconds: float = 0.0
    waited: float = 0.0
    evaluations: int = 0
    regrets: Mapping[str, float] = field(default_factory=dict)
    stopping: bool = False

    @property
    def left(self) -> float | None:
        """Seconds to go at this process's mean speed since it began to learn; None while it has done nothing."""
        made = self.done - self.first
        return (self.seconds - self.waited) / made * max(self.total - self.done, 0) if made > 0 else None

    @property
    def parts(self) -> tuple[str, ...]:
        """What is told of it, each of which stays on one line."""
        learning = self.seconds - self.waited
        speed = f"{(self.done - self.first) / learning:,.0f}/s" if learning > 0.0 else ""
        found = (
            f"{min(self.done, self.total):,} of {self.total:,} {self.unit}",
            *(f"{who}' regret {value:.2%}" for who, value in self.regrets.items()),
            speed,
            f"{clock(self.seconds)} elapsed",
            f"{clock(self.left)} left",
        )
        return tuple(part for part in found if part)

    def __str__(self) -> str:
        return ", ".join(self.parts)


def clock(seconds: float | None) -> str:
    """A time as ``0:01:40``; unknown ones as dashes."""
    if seconds is None:
        return "-:--:--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class Display(Protocol):
    """Where standings are shown."""

    def start(self) -> None:
        """Begin."""

    def show(self, standings: Mapping[str, Standing]) -> None:
        """Show standings by the names of their runs."""

    def say(self, text: str) -> None:
        """Show a line of text, at once."""

    def stop(self) -> None:
        """Leave what is shown as it is."""


def display_on(console: Console) -> Display:
    """Bars on a terminal; elsewhere a line for every evaluation, which can be read while it is written."""
    return _Bars(console) if console.is_interactive or console.is_jupyter else _Lines(console)


class _Told(ProgressColumn):
    """A run's name, and what is told of it."""

    def render(self, task: Task) -> WholeParts:
        *others, last = task.fields["parts"]
        return WholeParts((f"{task.description}:", *(f"{part}," for part in others), last))


class _Bars:
    """A bar for each run, as long as there is something to do; none where the terminal has no room beside the text."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(*bars_beside_text(console), _Told(), console=console)
        self._tasks: dict[str, TaskID] = {}

    def start(self) -> None:
        self._progress.start()

    def show(self, standings: Mapping[str, Standing]) -> None:
        for name, standing in standings.items():
            shown: dict[str, Any] = {"parts": standing.parts}
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=standing.total, **shown)
            done = min(standing.done, standing.total)
            self._progress.update(self._tasks[name], completed=done, total=standing.total, **shown)
        for name in self._tasks.keys() - standings.keys():
            self._progress.update(self._tasks[name], visible=False)

    def say(self, text: str) -> None:
        say(self._progress.console, text)

    def stop(self) -> None:
        self._progress.stop()


class _Lines:
    """A line whenever a run has measured its regret."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, int] = {}

    def start(self) -> None:
        """Nothing is shown before there is an evaluation."""

    def show(self, standings: Mapping[str, Standing]) -> None:
        for name, standing in standings.items():
            if standing.evaluations > self._shown.get(name, 0):
                self.say(f"{name}: {standing}")
                self._shown[name] = standing.evaluations

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Lines stay as they are."""


class _File:
    """The standing of one run in a file, while it is under way."""

    def __init__(self, path: Path) -> None:
        self._path, self._written_at, self._evaluations = path, -_FILE_SECONDS, -1

    def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def show(self, standings: Mapping[str, Standing]) -> None:
        (standing,) = standings.values()
        news = standing.stopping or standing.evaluations != self._evaluations
        if news or time.monotonic() - self._written_at >= _FILE_SECONDS:
            write_json(self._path, asdict(standing))
            self._written_at, self._evaluations = time.monotonic(), standing.evaluations

    def say(self, text: str) -> None:
        """Whoever follows finds words of their own for a standing."""

    def stop(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def told_in_file(path: Path) -> Iterator[None]:
    """Have the run that is begun inside tell its standing in a file and show nothing."""
    before = _FILE.set(path)
    try:
        yield
    finally:
        _FILE.reset(before)


def read_standing(path: Path) -> Standing | None:
    """The standing in a file; None if there is none, or of another version."""
    try:
        document = read_json(path)
        return Standing(**document | {"regrets": {who: float(value) for who, value in document["regrets"].items()}})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


class Bar:
    """How far one run is, shown or written down.

    Args:
        total: transitions, or updates, in the whole run.
        curve: the evaluations so far, which others extend.
        regrets: which of their figures to show.
        unit: what the total counts.
    """

    def __init__(
        self, total: int, curve: Sequence[Mapping[str, float]], regrets: Sequence[str], unit: str = "transitions"
    ) -> None:
        self._curve, self._regrets = curve, regrets
        self._standing = Standing(0, total, unit=unit)
        file = _FILE.get()
        self._display: Display = display_on(rich.get_console()) if file is None else _File(file)
        self._lock, self._under_way = threading.Lock(), False  # a stop is told of on another thread

    def start(self, done: int) -> None:
        """Begin, with what an earlier process has done."""
        self._began, self._under_way = time.monotonic(), True
        self._display.start()
        self._show(done=done, first=done)

    def update(self, done: int) -> None:
        """Show what is done."""
        seconds = time.monotonic() - self._began
        waited = seconds if done <= self._standing.first else self._standing.waited
        self._show(done=done, seconds=seconds, waited=waited)

    def stopping(self) -> None:
        """Show at once that the run was told to stop."""
        self._display.say(STOPPING)
        self._show(stopping=True)

    def stop(self) -> None:
        """Leave what is shown as it is."""
        with self._lock:
            self._under_way = False
            self._display.stop()

    def _show(self, **changes: Any) -> None:
        with self._lock:
            regrets = {_WHOSE[name]: self._curve[-1][name] for name in self._regrets} if self._curve else {}
            self._standing = replace(self._standing, evaluations=len(self._curve), regrets=regrets, **changes)
            if self._under_way:
                self._display.show({"training": self._standing})
