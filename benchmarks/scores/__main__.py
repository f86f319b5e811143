"""Trains algorithms, has them judged on the benchmark tasks, and writes tables and figures (docs/scores.md).

python -m benchmarks.scores                  # all entrants, all tasks, five seeds; goes on where it was stopped
python -m benchmarks.scores --entrants ppo sac --tasks campus-v1 --seeds 1
python -m benchmarks.scores --seeds 0        # tables and figures of what is there
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from rich.console import Console

from benchmarks.scores.entrants import ENTRANTS, Effort
from benchmarks.scores.figures import draw
from benchmarks.scores.plan import all_tasks, keep, kept, runs
from benchmarks.scores.summary import tables
from experiments.command import run_command
from experiments.places import check_folder, folder
from experiments.workers import Workers, executor

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Arguments:
    """Train, judge, and write tables and figures."""

    entrants: tuple[str, ...] = tuple(ENTRANTS)
    """Names; see benchmarks/scores/entrants.py."""
    tasks: tuple[str, ...] = field(default_factory=lambda: tuple(all_tasks()))
    """Names."""
    seeds: int = 5
    """Seeds of each learner, from 1."""
    effort: Effort = field(default_factory=Effort)
    """How much is learned from."""
    workers: Workers = 0
    """Processes, 0 for one a core, or ray."""
    out: Annotated[Path, folder("--out")] = _ROOT / "scores"
    """Folder of the runs."""
    figures: Annotated[Path, folder("--figures")] = _ROOT / "docs"
    """Folder of the figures, scores-*.png."""


def main(arguments: Arguments, console: Console) -> int:
    """Make the runs that are missing; the exit status."""
    check_folder(arguments.out)
    check_folder(arguments.figures, "--figures")
    left = runs(arguments.entrants, arguments.tasks, arguments.seeds, arguments.effort, arguments.out)
    failed = 0
    for number, done in enumerate(executor(arguments.workers)(left), 1):
        if done.result is None:
            failed += 1
        else:
            keep(done.result, arguments.out)
        console.print(f"{number} of {len(left)}: {done.key} {done.error or ''}", markup=False, highlight=False)
    found = kept(arguments.out)
    if found:
        console.print(tables(found), markup=False, highlight=False, soft_wrap=True)
        draw(found, arguments.figures)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
