"""How mechanisms look in figures, and lines that carry their names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from aigc_market_env.model.parameters import FloatArray
from baselines.study.study import MEAN

# The colours of Okabe and Ito, which people with any colour vision can tell apart; a family shares one: learners,
# rewards that are not personalised, one-dimensional QoE, bounds, and prices or bids in place of rewards.
_BLUE, _SKY, _GREEN, _ORANGE, _RED, _PURPLE = "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7"
_DASHED, _DOTTED = (0, (4, 2)), (0, (1, 1.5))


@dataclass(frozen=True)
class Style:
    """How the line of a mechanism is drawn."""

    colour: str = "0.55"
    dashes: Any = "-"
    width: float = 1.2


_STYLES: Mapping[str, Style] = {
    "dual_perturbation": Style(_BLUE, width=3.0),
    "oracle": Style("0.0", _DASHED, 1.6),
    "coordinate_perturbation": Style(_SKY),
    "random_search": Style(_SKY, _DASHED),
    "bayesian_optimisation": Style(_SKY, _DOTTED, 1.6),
    "uniform_reward": Style(_ORANGE),
    "fixed_reward": Style(_ORANGE, _DASHED),
    "accuracy_only": Style(_PURPLE),
    "token_count_only": Style(_PURPLE, _DASHED),
    "timeliness_only": Style(_PURPLE, _DOTTED, 1.6),
    "truthful_pricing": Style(_GREEN, width=1.8),
    "posted_prices": Style(_RED),
    "proportional_share": Style(_RED, _DASHED),
    MEAN: Style("0.25", width=2.2),
}


def style_of(name: str) -> Style:
    """The look of a mechanism; grey for one that has none of its own."""
    return _STYLES.get(name, Style())


def draw_over_loads(
    axes: Axes, loads: FloatArray, lines: Mapping[str, FloatArray], label: Callable[[str], str], logarithmic: bool
) -> None:
    """Lines over a logarithmic axis of load, each with its name at its end.

    Args:
        axes: where to draw.
        loads: of the sweep. (L,)
        lines: a value per load, by mechanism; NaN where there is none. (L,)
        label: what to call a mechanism.
        logarithmic: whether the values are drawn on a logarithmic axis; zeros are then left out.
    """
    axes.set(xscale="log", xlabel="load: demand against capacity")
    axes.set_xticks([load for load in _TICKS if loads[0] <= load <= loads[-1]])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda load, _: f"{load:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color="0.93")
    shown = {}
    for name, values in lines.items():
        drawn = np.where(values > 0.0, values, np.nan) if logarithmic else values
        if np.isfinite(drawn).any():
            style = style_of(name)
            axes.plot(
                loads, drawn, color=style.colour, linestyle=style.dashes, linewidth=style.width, label=label(name)
            )
            shown[name] = drawn
    if logarithmic and shown:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    _name_lines(axes, loads, shown, label)


_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
#: Smallest distance between two names, and where they begin, as shares of the axes.
_GAP, _NAMES_AT = 0.046, 1.05


def _name_lines(axes: Axes, loads: FloatArray, lines: Mapping[str, FloatArray], label: Callable[[str], str]) -> None:
    """Write every line's name right of the axes, as near to its end as the others allow, and join the two."""
    axes.set(xlim=(loads[0], loads[-1]), ylim=axes.get_ylim())  # names keep their places from here on
    to_share = axes.transData + axes.transAxes.inverted()
    last = {name: int(np.flatnonzero(np.isfinite(values))[-1]) for name, values in lines.items()}
    ends = {name: (loads[last[name]], values[last[name]]) for name, values in lines.items()}
    heights = {name: float(to_share.transform(end)[1]) for name, end in ends.items()}
    order = sorted(heights, key=lambda name: heights[name])
    spread = spread_out(np.array([heights[name] for name in order]), _GAP)
    for name, height in zip(order, spread, strict=True):
        colour = style_of(name).colour
        axes.annotate(
            label(name),
            xy=ends[name],
            xytext=(_NAMES_AT, height),
            xycoords="data",
            textcoords="axes fraction",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.5,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def spread_out(heights: FloatArray, gap: float) -> FloatArray:
    """Growing heights moved as little as groups of them allow, so that neighbours are ``gap`` apart or more.

    Neighbours that would collide become a group around their common centre, over and over (isotonic regression).
    """
    groups: list[tuple[float, int]] = []  # mean of (height - gap · index) and size
    for i, height in enumerate(heights):
        centre, size = float(height) - gap * i, 1
        while groups and groups[-1][0] > centre:
            other, count = groups.pop()
            centre, size = (other * count + centre * size) / (count + size), count + size
        groups.append((centre, size))
    flat = np.repeat([centre for centre, _ in groups], [size for _, size in groups])
    spread: FloatArray = flat + gap * np.arange(len(heights))
    return spread
