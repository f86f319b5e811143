"""This checkout beside another, such as that of a tag: slots, single environments, equilibria, bounds, episodes.

    git worktree add ../before v0.1.0
    python -m benchmarks.checkouts ../before
    python -m benchmarks.checkouts ../before --only solve bound --repeats 9

Either has a process of its own, and they play the same jobs in turns, by processor time, on one thread. Shown are
microseconds a slot, market or episode, medians over the turns; "faster" is a ratio taken turn by turn.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import tyro
from rich.console import Console

from benchmarks import checkout_jobs
from benchmarks.turns import Play, table, take_turns
from experiments.command import run_command
from experiments.terminal import PlainConsole

Part = Literal["slots", "single", "solve", "bound", "episode"]
_CONSOLE = PlainConsole()
_HERE = Path(__file__).parents[1]
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Arguments:
    """Compare with another checkout."""

    before: Annotated[Path, tyro.conf.Positional]
    """Folder of the other checkout."""
    only: tuple[Part, ...] = get_args(Part)
    """Parts to run."""
    seconds: float = 1.0
    """Length of a turn, of processor time."""
    repeats: int = 7
    """Turns of each."""


class Checkout:
    """A process that runs the code of a folder.

    Args:
        folder: in which ``aigc_market_env`` lies.

    Raises:
        ValueError: there is no such package in it.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "aigc_market_env" / "__init__.py").is_file():
            raise ValueError(f"before = {str(folder)!r} must be a checkout of this repository")
        # -P, or modules of this checkout would come first.
        self._process = subprocess.Popen(
            [sys.executable, "-P", checkout_jobs.__file__],
            env=os.environ | _ONE_THREAD | {"PYTHONPATH": str(folder.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def play(self, job: str, seconds: float) -> float:
        """Slots, markets or episodes per second of processor time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(job, seconds, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().strip()
        try:
            return float(answer)
        except ValueError:
            raise RuntimeError(answer or "its process ended") from None


def _player(checkout: Checkout, job: str) -> Play:
    return partial(checkout.play, job)


def main(arguments: Arguments, console: Console) -> int:
    """Measure and print; the exit status."""
    for part in arguments.only:
        with Checkout(_HERE) as now, Checkout(arguments.before) as before:
            makers = {
                f"{job}, {name}": partial(_player, checkout, f"{part}/{job}")
                for job in checkout_jobs.JOBS[part]
                for name, checkout in (("now", now), ("before", before))
            }
            turns = take_turns(console, makers, seconds=arguments.seconds, repeats=arguments.repeats)
        rows = []
        for job in checkout_jobs.JOBS[part]:
            names = f"{job}, before", f"{job}, now"
            if all(name in turns.rates for name in names):
                spent = [f"{1e6 / turns.summary(name).median:,.2f}" for name in names]
                rows.append((job, *spent, *turns.ratio(names[1], names[0]).cells(".2f")))
        rows += [(name, why, "", "", "", "") for name, why in turns.missing.items()]
        table(_CONSOLE, part, ("µs", "before", "now", "times faster", "lowest", "highest"), rows)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
