"""What people look at after training one network for every market: regret by size, as a table and a figure."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from agents.evaluation.sets import SetEvaluation, usual_size
from agents.market_draws import Size
from agents.reports.figures import drawn, plain_logarithmic, save_drawings, with_counts
from experiments.pictures import Pictures
from experiments.tables import NumberTable

_TRAINED, _OTHER = "#0072b2", "#d55e00"
#: Regrets below this one are drawn at it; a logarithmic axis has no zero.
_LOWEST_SHOWN = 1e-6


def set_table(result: SetEvaluation[Any], title: str) -> NumberTable:
    """Regret in held-out markets, size by size, those that were trained on apart from the others."""
    leaders = result.regret_name == "leader_regret_relative"
    caption = (
        "regret: what an MU could gain alone, ASPs responding exactly, over mean utility at equilibrium; worst "
        "MU: over its own; MU utility: against that at equilibrium; certified: share of markets with a certificate"
        if leaders
        else "regret: what an ASP missed, over mean best profit; worst ASP: over its own; MUs post equilibrium rewards "
        "missed by a tenth"
    )
    table = NumberTable(title, caption)
    table.add_column("MUs × ASPs", justify="left")
    worst_heading = "worst\nMU" if leaders else "worst\nASP"
    further = ["MU\nutility", "certified"] if leaders else []
    for heading in ("markets", "regret", "95 % interval", worst_heading, *further):
        table.add_column(heading)
    for trained in (True, False):
        sizes = [size for size in result.by_size if result.was_trained(size) == trained]
        for size in sizes:
            table.add_row(*_row(result, size))
        if sizes:
            mean, agent = result.worst(trained=trained), result.worst_agent_of_all(trained=trained)
            table.add_section()
            table.add_row(
                f"[bold]worst {'trained' if trained else 'unseen'}", "", f"[bold]{mean:.3%}", "", f"[bold]{agent:.3%}"
            )
            table.add_section()
    return table


def _row(result: SetEvaluation[Any], size: Size) -> list[str]:
    one = result.by_size[size]
    interval = one.interval()
    shown = "" if interval is None else f"{100.0 * interval[0]:.3f}–{100.0 * interval[1]:.3f}%"
    row = [_name(size), str(len(one.regret)), f"{result.regret[size]:.3%}", shown, f"{one.relative.worst:.3%}"]
    if one.leaders is not None:
        certificate = one.leaders.equilibrium.certificate
        certified = "" if certificate is None else f"{certificate.converged.mean():.0%}"
        row += [f"{one.leaders.utility_ratio - 1.0:+.3%}", certified]
    return row


def save_set_figures(result: SetEvaluation[Any], curve: list[dict[str, float]], pictures: Pictures) -> list[Path]:
    """Write a figure of regret by size, and those of markets of the usual size; the files written."""
    written = pictures.save({"regret_by_size": drawn(lambda axes: draw_sizes(axes, result), 120)})
    usual = result.by_size.get(usual_size(result.trained), next(iter(result.by_size.values())))
    return [*written, *save_drawings(usual, curve, pictures)]


def draw_sizes(axes: Axes, result: SetEvaluation[Any]) -> None:
    """Relative regret of each size with its interval, and that of the worst agent, in the order measured."""
    sizes = list(result.by_size)
    side = "leader" if result.regret_name == "leader_regret_relative" else "follower"
    agent = "MU" if side == "leader" else "ASP"
    for trained, colour, label in ((True, _TRAINED, "trained on"), (False, _OTHER, "never seen in training")):
        at = [place for place, size in enumerate(sizes) if result.was_trained(size) == trained]
        if at:
            regret = 100.0 * np.maximum([result.regret[sizes[place]] for place in at], _LOWEST_SHOWN)
            ends = np.array([_interval(result, sizes[place]) for place in at]).T
            axes.errorbar(at, regret, np.abs(ends - regret), fmt="o", color=colour, capsize=4, label=label)
            worst = 100.0 * np.maximum([result.worst_agent[sizes[place]] for place in at], _LOWEST_SHOWN)
            axes.plot(at, worst, "_", color=colour, markersize=14, label=f"{label}, worst {agent}")
    counts = [len(result.by_size[size].regret) for size in sizes]
    axes.set_xticks(range(len(sizes)), with_counts([_name(size) for size in sizes], counts))
    axes.set(yscale="log", xlabel="mobile users × providers", ylabel=f"relative {side} regret, %")
    low, high = axes.get_ylim()
    plain_logarithmic(axes.yaxis, fine=high < 100.0 * low)
    axes.margins(x=0.1)
    axes.grid(axis="y", which="both", color="0.92")
    axes.set_title("Regret in held-out markets, with 95 % intervals over markets")
    axes.legend()


def _interval(result: SetEvaluation[Any], size: Size) -> tuple[float, float]:
    """Ends of the interval in per cent; the regret itself where there is none."""
    low, high = result.by_size[size].interval() or (result.regret[size],) * 2
    return 100.0 * max(low, _LOWEST_SHOWN), 100.0 * max(high, _LOWEST_SHOWN)


def _name(size: Size) -> str:
    return f"{size[0]} × {size[1]}"
