"""One progress bar for jobs, wherever they are done."""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from baselines.study.execute import Done
from baselines.study.jobs import Result


def watch(
    description: str, done: Iterable[Done[Result]], amounts: Mapping[str, int], console: Console
) -> dict[str, Done[Result]]:
    """Follow jobs until the last is done; what became of each, by key.

    Args:
        description: what is being done.
        done: what becomes of them.
        amounts: how much of it each job is, by key; the bar counts these.
        console: where the bar is drawn.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    found = {}
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(description, total=sum(amounts.values()))
        for one in done:
            found[one.key] = one
            progress.advance(bar, amounts[one.key])
    return found
