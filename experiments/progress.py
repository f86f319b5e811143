"""One progress bar for jobs, wherever they are done."""

import time
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from experiments.jobs import Done, Result


def bars_beside_text(console: Console) -> list[BarColumn]:
    """A bar for a terminal that has room for one beside what is told; none for others."""
    return [BarColumn(bar_width=24 if console.width >= 100 else 10)] if console.width >= 72 else []


def watch(
    description: str, done: Iterable[Done[Result]], amounts: Mapping[str, int], console: Console
) -> dict[str, Done[Result]]:
    """Follow jobs until the last is done; what became of each, by key.

    Where no bar can be drawn, as in a file, there is a line for every tenth.

    Args:
        description: what is being done.
        done: what becomes of them.
        amounts: how much of it each job is, by key; the bar counts these.
        console: where the bar is drawn.
    """
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=False)),
        *bars_beside_text(console),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    found, total, finished, began = {}, sum(amounts.values()), 0, time.monotonic()
    with Progress(*columns, console=console, disable=not (console.is_interactive or console.is_jupyter)) as progress:
        bar = progress.add_task(description, total=total)
        for one in done:
            found[one.key] = one
            before, finished = finished, finished + amounts[one.key]
            progress.update(bar, completed=finished)
            if progress.disable and 10 * finished // total > 10 * before // total:
                seconds = time.monotonic() - began
                line = f"{description}: {finished:,} of {total:,}, {seconds:.0f} s"
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    return found
