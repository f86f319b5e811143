"""The map in the terminal: in how many cells ours saves as much as the paper states, and from which satiation on."""

from rich.console import Console
from rich.markup import escape

from baselines.study.map.cells import AT_ONCE, CONDITIONS, Map
from baselines.study.map.plan import axes
from baselines.study.report import print_failures
from baselines.study.study import Study
from experiments.tables import NumberTable


def print_map(found: Map, study: Study, console: Console) -> None:
    """Everything that people look at."""
    console.print(_counts_table(found))
    console.print(_regions_table(found))
    console.print(
        f"Ours ended at 1 % regret in {found.reached:.0%} of the markets of every cell, or more.", highlight=False
    )
    print_failures(study, console)


def _counts_table(found: Map) -> NumberTable:
    plan, cells = found.plan, len(found.plan.sweep)
    where = f"{plan.table.scenario}, {plan.table.num_mus} MUs, {plan.table.num_asps} ASPs"
    caption = (
        f"in how many of {cells} cells of {len(plan.seeds)} markets ours saves 66.5 % of service cost, 76.8 % of "
        "resource consumption, as utilisation or as ASP cost, and 64.9 % of overhead, at no lower mean MU utility, and "
        "made alike in 95 % of the markets; in brackets, in how many the lower ends of all intervals do; at once: all "
        "of them, but for overhead against those that do not learn"
    )
    table = NumberTable(f"{where}: where ours saves as much as the paper states", caption, justify="left")
    table.add_column("", justify="left")
    for condition in CONDITIONS:
        table.add_column(condition)
    for match, benchmarks in found.cells.items():
        table.add_section()
        table.add_row(f"[bold]{match}[/bold]")
        for name, column in benchmarks.items():
            counts = [
                f"{found.count(match, name, condition)} [dim]({found.count(match, name, condition, surely=True)})[/dim]"
                if condition != "overhead" or column[0].overhead is not None
                else "–"
                for condition in CONDITIONS
            ]
            table.add_row(f"  {escape(plan.label(name))}", *counts)
    return table


def _regions_table(found: Map) -> NumberTable:
    """The region of every benchmark against which all figures are reached at once somewhere."""
    loads, _, spreads = axes(found.plan)
    caption = (
        "by load, the least satiation of the map from which on all figures are reached at once; spread: of "
        "requirements, as a multiple of the preset's on a log scale; –: by none"
    )
    table = NumberTable("From which satiation on all figures are reached at once", caption, justify="left")
    table.add_column("", justify="left")
    for load in loads:
        table.add_column(f"load {load:g}")
    for match, benchmarks in found.cells.items():
        reached = [(name, c) for name in benchmarks for c in AT_ONCE if found.count(match, name, c)]
        if reached:
            table.add_section()
            table.add_row(f"[bold]{match}[/bold]")
        for name, condition in reached:
            table.add_row(f"{escape(found.plan.label(name))}, {condition.removeprefix('at once, ')}")
            for spread in spreads:
                least = [found.least_satiation(match, name, condition, load, spread) for load in loads]
                table.add_row(f"  spread {spread:g}", *("–" if k is None else f"{k:g}" for k in least))
    return table
