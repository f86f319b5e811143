"""Pictures of runs measured on held-out slots: curves of all runs, spread of regret, where the money goes, every link.

What is drawn of single agents and links is that of the run with the median regret.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.held_out.runs import HeldOut
from agents.reports.figures import Draw, draw_learning, drawings, plain_logarithmic
from agents.reports.set_table import draw_sizes
from aigc_market_env.evaluation.plays import HEADINGS, Play
from aigc_market_env.files import readable
from experiments.pictures import Pictures

_COLOURS = {
    "learned": "#0072b2",
    "learned_exact_asps": "#56b4e9",
    "exact_asps": "0.3",
    "equilibrium": "0.3",
    "best_response": "#e69f00",
    "uniform": "#d55e00",
    "even_split": "#d55e00",
}
_COST, _PROFIT, _SURPLUS = "0.65", "#e69f00", "#0072b2"
#: Plays without regret, which have no place on a logarithmic axis.
_WITHOUT_REGRET = ("equilibrium", "exact_asps")
#: Per cent.
_LOWEST_SHOWN = 1e-4
_MOST_COLUMNS = 2


def save_held_out_figures(runs: Sequence[HeldOut], pictures: Pictures) -> list[Path]:
    """Write the figures of one run, or of several that can be compared; the files written."""
    shown = median_run(runs)
    by_size: dict[str, dict[str, Draw]] = {}
    for size, result in shown.results.items():
        everyones = [run.plays[size] for run in runs]
        by_size[size] = {"money": partial(_draw_money, plays=shown.plays[size])}
        for side in shown.learners:
            by_size[size][f"spread_of_{side}_regret"] = partial(_draw_spread, side=side, runs=everyones)
        links_and_agents = drawings(result, [])
        if len(shown.results) > 1:  # an MU of many sizes of markets is nobody in particular
            links_and_agents = {name: draw for name, draw in links_and_agents.items() if not name.startswith("regret")}
        by_size[size] |= links_and_agents
    note = f"{readable(shown.name)}, the run with the median regret of {len(runs)}" if len(runs) > 1 else ""
    figures = {
        name: panels({size: draws[name] for size, draws in by_size.items()}, "" if name.startswith("spread") else note)
        for name in next(iter(by_size.values()))
    }
    if shown.fresh is not None:
        figures["regret_by_size"] = panels({"": partial(draw_sizes, result=shown.fresh)})
    curves = [run.curve for run in runs if run.curve]
    if curves:
        figures["learning"] = panels({"": partial(draw_learning, curves=curves)})
    return pictures.save(figures)


def median_run(runs: Sequence[HeldOut]) -> HeldOut:
    """The run with the median regret, of the MUs where they have learned; the lower one of two."""

    def regret(run: HeldOut) -> float:
        name = f"{run.learners[0]}_regret_relative"
        return float(np.mean([plays["learned"].relative_regrets[name].mean for plays in run.plays.values()]))

    return sorted(runs, key=regret)[(len(runs) - 1) // 2]


def panels(draws: Mapping[str, Draw], note: str = "") -> Figure:
    """A figure of one drawing a panel; with several, their common title goes on top and the legend into the first.

    Args:
        draws: by size of the market, such as ``8x4``.
        note: a second line of the title.
    """
    columns = min(len(draws), _MOST_COLUMNS)
    rows = math.ceil(len(draws) / columns)
    size = (7.0, 4.5) if len(draws) == 1 else (4.5 * columns, 3.5 * rows)
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    for i, (label, draw) in enumerate(draws.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        draw(axes)
        if note:
            axes.set_title(f"{axes.get_title()}\n({note})")
        if len(draws) > 1:
            figure.suptitle(axes.get_title())
            axes.set_title(label.replace("x", " MUs, ") + " ASPs", fontsize=10)
            legend = axes.get_legend()
            if i > 0 and legend is not None:
                legend.remove()
    return figure


def _draw_money(axes: Axes, plays: Mapping[str, Play]) -> None:
    """What satisfaction is worth, by where it ends: with MUs, with ASPs, in resources; and how much of it is paid."""
    positions = np.arange(len(plays))
    num_mus = next(iter(plays.values())).market.num_mus
    outcomes = [play.outcome for play in plays.values()]
    parts = {
        "ASPs' cost": (_COST, [outcome.asp_cost for outcome in outcomes]),
        "ASPs' profit": (_PROFIT, [outcome.asp_profit for outcome in outcomes]),
        "MUs' surplus": (_SURPLUS, [outcome.mu_utility for outcome in outcomes]),
    }
    above, below = np.zeros(len(plays)), np.zeros(len(plays))
    for label, (colour, amounts) in parts.items():
        height = np.array([amount.sum(axis=-1).mean() / num_mus for amount in amounts])
        axes.bar(positions, height, 0.6, bottom=np.where(height >= 0.0, above, below), color=colour, label=label)
        above, below = above + np.maximum(height, 0.0), below + np.minimum(height, 0.0)
    paid = np.array([outcome.payment.sum(axis=(-2, -1)).mean() / num_mus for outcome in outcomes])
    axes.hlines(paid, positions - 0.38, positions + 0.38, color="black", linewidth=2, label="payments")
    axes.axhline(0.0, color="0.3", linewidth=0.8)
    axes.set_xticks(positions, [HEADINGS[name].replace(", ", ",\n") for name in plays], fontsize=9)
    axes.set(ylabel="credits per slot and MU", ylim=(None, 1.25 * above.max() or 1.0))
    axes.set_title("Where the money goes")
    axes.legend(ncols=2, fontsize=9, loc="upper left")


def _draw_spread(axes: Axes, side: str, runs: Sequence[Mapping[str, Play]]) -> None:
    """Share of agents and slots with at most so much regret, for each play that has regret; every run's learned one."""
    name = f"{side}_regret_relative"
    for plays in reversed(runs):
        for play_name, play in plays.items():
            if play_name in _WITHOUT_REGRET or (plays is not runs[0] and not play_name.startswith("learned")):
                continue
            regret = play.relative_regrets[name].shares.ravel()
            shares = np.maximum(100.0 * regret[np.isfinite(regret)], _LOWEST_SHOWN)
            if shares.max(initial=0.0) > _LOWEST_SHOWN:
                label = HEADINGS[play_name] if plays is runs[0] else None
                dashes = (0, (4, 2)) if play_name == "learned_exact_asps" else "-"  # both are often the same line
                axes.ecdf(shares, color=_COLOURS[play_name], label=label, linewidth=1.2, linestyle=dashes)
    agents, unit = ("MUs", "own mean utility at equilibrium") if side == "leader" else ("ASPs", "own mean best profit")
    axes.set(xscale="log", xlabel=f"regret, % of {unit}", ylabel=f"share of {agents} and slots", ylim=(0, 1))
    plain_logarithmic(axes.xaxis, lowest=_LOWEST_SHOWN)
    lines = f",\na line for each of {len(runs)} runs" if len(runs) > 1 else ""
    axes.set_title(f"Share of {agents} and slots with at most so much regret{lines}")
    axes.grid(color="0.92")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=9)
