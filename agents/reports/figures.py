"""Pictures of evaluations: what was learned against what is best, how regret is spread, how it fell."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from aigc_market_env import follower_response
from aigc_market_env.evaluation.followers import FollowerEvaluation
from aigc_market_env.evaluation.leaders import LeaderEvaluation
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.evaluation.side_regret import worst_of
from aigc_market_env.model.parameters import FloatArray
from experiments.pictures import Pictures

Draw = Callable[[Axes], None]

#: Shares below this one, in per cent, are drawn at it; a logarithmic axis has no zero.
_LOWEST_SHOWN = 1e-3
_LEARNED, _BEST, _LITTLE = "#0072b2", "#d55e00", "0.45"
#: Markers of a line are drawn in a fraction of the time that a scatter takes.
_DOTS: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 2, "alpha": 0.35, "markeredgewidth": 0}
#: Of links that carry nothing, or little beside others.
_SMALLEST = _DOTS | {"markersize": 1.2, "alpha": 0.25}
#: Shares of the largest payment up to which points are drawn alike, and how large those with the largest are.
_STEPS, _LARGEST = (0.02, 0.1, 0.3, 1.0), 5.0
#: Regrets in a learning curve, with their names and colours.
REGRETS = {
    "leader_regret_relative": ("mobile users", _LEARNED),
    "follower_regret_relative": ("providers", _BEST),
    "follower_regret_relative_near": ("providers, on rewards near equilibrium", "#e69f00"),
}


def drawings(result: Evaluation, curve: list[dict[str, float]]) -> dict[str, Draw]:
    """What there is to draw of an evaluation, by name; ``learning`` only where there is a curve."""
    found: dict[str, Draw] = {}
    if result.leaders is not None:
        found |= _of_leaders(result.leaders)
    if result.followers is not None:
        found |= _of_followers(result.followers)
    return found | ({"learning": lambda axes: draw_learning(axes, [curve])} if curve else {})


def small_figures(result: Evaluation) -> dict[str, Figure]:
    """The same in a size for TensorBoard, a quarter of a second each."""
    return {name: drawn(draw, 80) for name, draw in drawings(result, []).items()}


def save_drawings(result: Evaluation, curve: list[dict[str, float]], pictures: Pictures) -> list[Path]:
    """Write what there is to draw of an evaluation; the files written."""
    return pictures.save({name: drawn(draw, 120) for name, draw in drawings(result, curve).items()})


def drawn(draw: Draw, dpi: int) -> Figure:
    """A figure of one drawing."""
    figure = Figure(figsize=(7, 4.5), dpi=dpi, layout="constrained")
    draw(figure.add_subplot())
    return figure


def plain_logarithmic(*scales: Axis, lowest: float = 0.0, fine: bool = False) -> None:
    """Ticks of logarithmic axes as plain numbers.

    Args:
        scales: axes, x or y.
        lowest: what is not more is drawn there, and the tick says so.
        fine: ticks at 1, 2 and 5, for axes of a decade or two, and not at powers of ten alone.
    """

    def label(value: float, _: int) -> str:
        return f"{value:g}\nor less" if value <= 1.001 * lowest else f"{value:g}"

    for scale in scales:
        scale.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if fine else (1.0,)))
        scale.set_major_formatter(FuncFormatter(label))
        scale.set_minor_formatter(NullFormatter())


def with_counts(labels: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Labels of bars or boxes, with how many values are behind each where that differs."""
    if len(set(counts)) == 1:
        return list(labels)
    return [f"{label}\nn = {count}" for label, count in zip(labels, counts, strict=True)]


def opaque(legend: Legend) -> None:
    """Show the colours of a legend in full, whatever their lines and points are drawn with."""
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def _of_leaders(result: LeaderEvaluation) -> dict[str, Draw]:
    return {"rewards": lambda axes: _draw_rewards(axes, result), "regret": lambda axes: _draw_regret(axes, result)}


def _of_followers(result: FollowerEvaluation) -> dict[str, Draw]:
    return {
        "allocation": lambda axes: _draw_allocation(axes, result),
        "regret_of_asps": lambda axes: _draw_regret_of_asps(axes, result),
    }


def _draw_rewards(axes: Axes, result: LeaderEvaluation) -> None:
    """Learned rewards against those at equilibrium, on average where MUs mix, link by link."""
    bound = result.market.reward_bound[..., None]
    learned, reference = (
        np.maximum(100.0 * rewards / bound, _LOWEST_SHOWN) for rewards in (result.rewards, result.equilibrium.rewards)
    )
    paid = np.maximum(result.outcome.payment, result.equilibrium.outcome.payment)
    idle = np.maximum(result.outcome.throughput, result.equilibrium.outcome.throughput) <= 0.0
    if idle.any():
        label = "served by neither: any low reward will do"
        axes.plot(reference[idle], learned[idle], color=_LITTLE, label=label, **_SMALLEST)
    _plot_weighted(axes, reference[~idle], learned[~idle], paid[~idle], _LEARNED, "served; large where more is paid")
    _compare(axes, float(min(reference.min(), learned.min())))
    axes.set(xlabel="reward at equilibrium, % of ω/q", ylabel="learned reward, % of ω/q")
    axes.set_title("Learned rewards against those at equilibrium")


def _plot_weighted(
    axes: Axes, x: FloatArray, y: FloatArray, weight: FloatArray, colour: str, label: str | None
) -> None:
    """Points whose area goes with their weight, in steps, the heaviest on top."""
    share = weight / max(float(weight.max(initial=0.0)), np.finfo(float).tiny)
    steps = [0.0, *_STEPS]
    for least, most in itertools.pairwise(steps):
        mask = (share <= most) & ((share > least) | (least == 0.0))
        if mask.any():
            look = _SMALLEST | {"markersize": max(_LARGEST * math.sqrt(most), _SMALLEST["markersize"])}
            axes.plot(x[mask], y[mask], color=colour, **look)
    if label is not None and len(x):
        axes.plot([], [], color=colour, label=label, **_DOTS)


def _compare(axes: Axes, lowest: float) -> None:
    """Both axes alike, in per cent, with the line on which all would lie."""
    axes.plot([lowest, 100.0], [lowest, 100.0], color="0.3", linewidth=0.8, linestyle="--", label="equal")
    axes.set(xscale="log", yscale="log")
    plain_logarithmic(axes.xaxis, axes.yaxis, lowest=_LOWEST_SHOWN, fine=lowest > 0.5)
    axes.grid(color="0.92")
    opaque(axes.legend(loc="upper left", markerscale=3, fontsize=9))


def _draw_regret(axes: Axes, result: LeaderEvaluation) -> None:
    """How regret is spread over slots, for each MU."""
    _draw_boxes(axes, result.relative.shares, "MU", "mean utility at equilibrium")


def _draw_regret_of_asps(axes: Axes, result: FollowerEvaluation) -> None:
    """How regret is spread over slots, for each ASP."""
    _draw_boxes(axes, result.relative.shares, "ASP", "mean best profit")


def _draw_boxes(axes: Axes, regret: FloatArray, agent: str, unit: str) -> None:
    shares = [100.0 * own[np.isfinite(own)] for own in regret.T]  # an endless one has no place on an axis
    boxes = axes.boxplot(shares, whis=(5, 95), showfliers=False, medianprops={"color": _BEST, "linewidth": 1.5})
    boxes["medians"][0].set_label("median")
    means = [own.mean() if len(own) else np.nan for own in shares]
    axes.plot(np.arange(1, len(shares) + 1), means, "D", color=_LEARNED, markersize=4, label="mean")
    labels = with_counts([f"{agent.lower()}_{i}" for i in range(len(shares))], [len(own) for own in shares])
    named = range(0, len(shares), math.ceil(len(shares) / 20))
    axes.set_xticks([i + 1 for i in named], [labels[i] for i in named])
    axes.tick_params(axis="x", rotation=45 if len(shares) > 10 else 0)
    axes.set(ylabel=f"regret, % of its own\n{unit}")
    axes.set_title(f"Regret of each {agent} over {len(regret)} slots: box 25–75 %, whiskers 5–95 %")
    axes.legend()


def _draw_allocation(axes: Axes, result: FollowerEvaluation) -> None:
    """Learned shares of the capacities against those of best responses, link by link."""
    market, outcome = result.market, result.outcome
    best = follower_response(market, outcome.rewards)
    paid = np.maximum(outcome.payment, result.as_posted.outcome.payment).ravel()
    lowest = 100.0
    for learned, optimal, capacity, colour, label in (
        (outcome.compute, best.compute, market.compute_capacity, _LEARNED, "compute"),
        (outcome.bandwidth, best.bandwidth, market.bandwidth_capacity, _BEST, "bandwidth"),
    ):
        x, y = (
            np.maximum(100.0 * amount / capacity[..., None, :], _LOWEST_SHOWN).ravel() for amount in (optimal, learned)
        )
        idle = paid <= 0.0
        axes.plot(x[idle], y[idle], color=_LITTLE, **_SMALLEST)
        _plot_weighted(axes, x[~idle], y[~idle], paid[~idle], colour, f"{label}; large where more is paid")
        lowest = min(lowest, float(x.min()), float(y.min()))
    _compare(axes, lowest)
    axes.set(xlabel="best response, % of capacity", ylabel="learned, % of capacity")
    axes.set_title("Learned allocations against best responses to the same rewards")


def draw_learning(axes: Axes, curves: Sequence[Sequence[Mapping[str, float]]]) -> None:
    """Regret while learning: of one run, or of several with their median and a band from lowest to highest."""
    points = [point for curve in curves for point in curve]
    shown = {name: look for name, look in REGRETS.items() if all(name in point for point in points)}
    several = len(curves) > 1
    for name, (label, colour) in shown.items():
        lines = [_line(curve, name) for curve in curves]
        for x, y in lines:
            look = {"linewidth": 0.6, "alpha": 0.6} if several else {"marker": "o", "markersize": 4, "label": label}
            axes.plot(x, y, color=colour, **look)
        if several and len({tuple(x) for x, _ in lines}) == 1:
            together = np.array([y for _, y in lines])
            x = lines[0][0]
            axes.fill_between(x, together.min(axis=0), together.max(axis=0), color=colour, alpha=0.2, linewidth=0)
            axes.plot(x, np.median(together, axis=0), "o-", color=colour, markersize=4, label=label)
        elif several:
            axes.plot([], [], color=colour, label=label)
    _draw_worst(axes, curves, shown)
    regretted = any(point[name] > 0.0 for point in points for name in shown)
    axes.set(xlabel="transitions, millions", ylabel="relative regret, %")
    if regretted:
        axes.set_yscale("log")
        plain_logarithmic(axes.yaxis)
    axes.grid(which="both", color="0.92")
    axes.set_title(
        "Regret on evaluation slots while learning"
        + (f": {len(curves)} runs, their median and range" if several else "")
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False)  # the lines are anywhere


def _draw_worst(axes: Axes, curves: Sequence[Sequence[Mapping[str, float]]], names: Iterable[str]) -> None:
    """The regrets of the worst agents, dashed; curves of before these were measured have none."""
    look: dict[str, Any] = {"linewidth": 0.8, "linestyle": (0, (4, 2))}
    found = [(name, curve) for name in names for curve in curves if all(worst_of(name) in point for point in curve)]
    for name, curve in found:
        axes.plot(*_line(curve, worst_of(name)), color=REGRETS[name][1], **look)
    if found:
        axes.plot([], [], color="0.3", label="of the worst agent, relative to its own", **look)


def _line(curve: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    return [point["transitions"] / 1e6 for point in curve], [100.0 * point[name] for point in curve]
