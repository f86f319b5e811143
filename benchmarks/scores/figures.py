"""Figures of runs: performance profiles, and regret while learning against transitions and seconds."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from agents.reports.figures import drawn, plain_logarithmic
from aigc_market_env.files import replacing
from benchmarks.scores.entrants import ENTRANTS, ROWS
from benchmarks.scores.summary import Documents, relative_regret

_COLOURS = (
    "#999999", "#56b4e9", "#000000", "#cc79a7", "#e69f00", "#8c510a",
    "#009e73", "#66c2a5", "#0072b2", "#d55e00", "#882255",
)  # fmt: skip
#: Regrets that profiles span, relative.
_FROM, _TO = 1e-5, 3.0


def draw(documents: Documents, folder: Path) -> None:
    """Write ``scores-profiles.png``, and of curves ``scores-transitions.png`` and ``scores-seconds.png``."""
    curves = [one for one in documents if one["curve"]]
    drawings = {"profiles": lambda axes: _profiles(axes, documents)}
    if curves:
        drawings["transitions"] = lambda axes: _curves(axes, curves, "transitions", "transitions, thousands", 1e3)
        drawings["seconds"] = lambda axes: _curves(axes, curves, "seconds", "seconds of training", 1.0)
    for name, drawing in drawings.items():
        with replacing(folder / f"scores-{name}.png") as new:
            drawn(drawing, 120).savefig(new, format="png")


def _colour(name: str) -> str:
    return _COLOURS[list(ENTRANTS).index(name) % len(_COLOURS)]


def _profiles(axes: Axes, documents: Documents) -> None:
    """Share of an algorithm's runs with at most so much regret, tasks of MUs with rows of observations."""
    levels = np.geomspace(_FROM, _TO, 400)
    for name, entrant in ENTRANTS.items():
        regrets = [
            relative_regret(one) for one in documents if one["algorithm"] == name and one["score"]["task"] in ROWS
        ]
        if len(regrets) > 1:
            shares = (np.array(regrets)[:, None] <= levels).mean(axis=0)
            dashes = "--" if entrant.privileged else "-"
            axes.plot(100.0 * levels, 100.0 * shares, dashes, color=_colour(name), label=entrant.label)
    axes.set(xscale="log", xlabel="relative regret, %, at most", ylabel="runs, %", ylim=(-2, 102))
    plain_logarithmic(axes.xaxis)
    axes.grid(color="0.92")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    axes.set_title("Performance profiles, six tasks of MUs; dashed: told the market")


def _curves(axes: Axes, documents: Documents, along: str, label: str, unit: float) -> None:
    for name in ENTRANTS:
        of_seeds = [one["curve"] for one in documents if one["algorithm"] == name]
        if not of_seeds:
            continue
        x = np.median([[point[along] / unit for point in curve] for curve in of_seeds], axis=0)
        regrets = 100.0 * np.array([[point["relative_regret"] for point in curve] for curve in of_seeds])
        axes.fill_between(x, regrets.min(axis=0), regrets.max(axis=0), color=_colour(name), alpha=0.2, linewidth=0)
        text = f"{ENTRANTS[name].label}, {len(of_seeds)} seed{'s' * (len(of_seeds) > 1)}"
        axes.plot(x, np.median(regrets, axis=0), "o-", color=_colour(name), markersize=4, label=text)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="relative regret, %")
    plain_logarithmic(axes.xaxis, axes.yaxis, fine=True)
    axes.grid(which="both", color="0.92")
    axes.legend()
    axes.set_title("campus-v1: regret while learning, median and range of seeds")
