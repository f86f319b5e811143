"""Pictures of the map: all benchmarks at a glance, and what is saved against each, in numbers."""

from collections.abc import Iterable, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from baselines.study.comparison import CLAIMS, SAVINGS
from baselines.study.map.cells import OVERHEAD, Cell, Map
from baselines.study.map.plan import axes
from baselines.study.regimes import PAPER, saving_reaches
from experiments.intervals import Estimate
from experiments.pictures import Pictures

#: What is met, its colour and name: the first that fits a cell. Dark is more.
_KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "service cost, and consumption as utilisation and as cost",
        "#08519c",
        ("mu_service_cost", "utilisation", "asp_cost"),
    ),
    ("service cost, and consumption as cost", "#6baed6", ("mu_service_cost", "asp_cost")),
    ("service cost, and consumption as utilisation", "#3182bd", ("mu_service_cost", "utilisation")),
    ("service cost only", "#fdae6b", ("mu_service_cost",)),
    ("consumption only, as utilisation or as cost", "#c7b8dc", ("utilisation",)),
    ("consumption only, as utilisation or as cost", "#c7b8dc", ("asp_cost",)),
)
_NEITHER, _IMPOSSIBLE = "0.90", "white"
#: Letters of a caption's size, where a figure is as wide as two columns of a paper.
_SMALL = 7.5
#: Colours of savings in numbers, below the paper's figure and from it on.
_SHORT = LinearSegmentedColormap.from_list("short", ["#f4a582", "#f7f7f7"])
_REACHED = LinearSegmentedColormap.from_list("reached", ["#92c5de", "#053061"])


def save_map_figures(found: Map, pictures: Pictures) -> list[str]:
    """Write the overview, and the numbers of every benchmark; their names."""
    figures = {"map": _overview(found)}
    match = next(iter(found.cells))
    figures |= {f"map_{name}": _numbers(found, match, name) for name in found.cells[match]}
    return [path.name for path in pictures.save(figures)]


def _world(found: Map) -> str:
    table = found.plan.table
    return f"{table.scenario}, {table.num_mus} MUs, {table.num_asps} ASPs, {len(found.plan.seeds)} markets a cell"


# At a glance ---------------------------------------------------------------------------------------------------------


def _overview(found: Map) -> Figure:
    """A block per match, in it a row per spread and a column per benchmark; a panel's cells are load × satiation."""
    _, _, spreads = axes(found.plan)
    names = list(dict.fromkeys(name for benchmarks in found.cells.values() for name in benchmarks))
    height = 1.7 + len(found.cells) * (0.45 + 0.78 * len(spreads))
    figure = Figure(figsize=(1.5 + 0.98 * len(names), height), dpi=110, layout="constrained")
    rows = figure.add_gridspec(len(found.cells) + 1, 1, height_ratios=[*[1.0] * len(found.cells), 0.42])
    for k, (match, benchmarks) in enumerate(found.cells.items()):
        block = figure.add_subfigure(rows[k])
        block.suptitle(match, x=0.005, ha="left", fontsize=11, fontweight="bold")
        grid = block.subplots(len(spreads), len(names), squeeze=False)
        for i, spread in enumerate(spreads):
            for j, name in enumerate(names):
                _panel(grid[i, j], found, benchmarks.get(name), spread)
                if i == 0:
                    grid[i, j].set_title(_two_lines(found.plan.label(name)), fontsize=_SMALL)
                if j == 0:
                    grid[i, j].set_ylabel(f"spread {spread:g}\nsatiation", fontsize=_SMALL)
                _ticks(grid[i, j], found, left=j == 0, below=i == len(spreads) - 1)
    _legend(figure.add_subfigure(rows[-1]))
    figure.suptitle(f"Where ours saves as much as the paper states: {_world(found)}", fontsize=12)
    return figure


def _panel(panel: Axes, found: Map, cells: Sequence[Cell] | None, spread: float) -> None:
    loads, satiations, _ = axes(found.plan)
    if cells is None:
        panel.set_axis_off()
        panel.text(0.5, 0.5, "has no\nintensity", ha="center", va="center", fontsize=_SMALL, color="0.5")
        panel.set(xlim=(0, 1), ylim=(0, 1))
        return
    panel.set(xlim=(0, len(loads)), ylim=(0, len(satiations)))
    for cell in cells:
        if cell.setting.spread == spread:
            _draw(panel, cell, loads.index(cell.setting.load), satiations.index(cell.setting.satiation or 0.0))


def _draw(panel: Axes, cell: Cell, x: int, y: int) -> None:
    """One cell: its colour; a dot where intervals reach what the colour says; a ring where overhead does, too."""
    kind = next(((shade, wanted) for _, shade, wanted in _KINDS if cell.point.meets(wanted)), None)
    colour = kind[0] if kind else _NEITHER if cell.point.counts else _IMPOSSIBLE
    panel.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.8))
    if not cell.point.counts:
        panel.add_patch(Rectangle((x, y), 1, 1, facecolor="none", edgecolor="0.75", hatch="//////", linewidth=0.0))
    if kind and cell.point.meets(kind[1], surely=True):
        panel.plot(x + 0.5, y + 0.5, "o", color="white", markersize=2.6)
    if cell.meets("overhead"):
        panel.plot(x + 0.5, y + 0.5, "o", color="0.2", markersize=7, fillstyle="none", markeredgewidth=0.8)


def _ticks(panel: Axes, found: Map, left: bool, below: bool) -> None:
    loads, satiations, _ = axes(found.plan)
    panel.tick_params(length=0, labelsize=_SMALL, pad=1)
    panel.set_xticks(np.arange(len(loads)) + 0.5, [f"{load:g}" for load in loads] if below else [""] * len(loads))
    panel.set_yticks(
        np.arange(len(satiations)) + 0.5, [f"{k:g}" for k in satiations] if left else [""] * len(satiations)
    )
    if below:
        panel.set_xlabel("load", fontsize=_SMALL, labelpad=1)
    for spine in panel.spines.values():
        spine.set_visible(False)


def _legend(block: SubFigure) -> None:
    named = {name: colour for name, colour, _ in _KINDS}
    handles: list[Artist] = [Patch(facecolor=colour, label=name) for name, colour in named.items()]
    handles += [
        Patch(facecolor=_NEITHER, label="neither"),
        Patch(facecolor=_IMPOSSIBLE, edgecolor="0.75", hatch="//////", label="cannot be made alike in 95 % of markets"),
        Line2D([], [], marker="o", color="0.3", linewidth=0, markersize=3, label="dot: the intervals' lower ends, too"),
        Line2D(
            [], [], marker="o", color="0.2", linewidth=0, markersize=7, fillstyle="none",
            label="ring: overhead, too (the others do not learn)",
        ),
    ]  # fmt: skip
    paper = (
        "66.5 % of service cost, 76.8 % of resource consumption, 64.9 % of overhead, at no lower MU utility\n"
        "spread: how far apart the MUs' requirements are; 0: all alike, 1: as drawn, 2: twice as far on a log scale"
    )
    block.legend(handles=handles, loc="center", ncols=3, fontsize=8, frameon=False, title=paper, title_fontsize=8.5)


def _two_lines(label: str) -> str:
    """A label in lines short enough for a column."""
    return "\n".join(wrap(label.removesuffix(" (social optimum)"), 13))


# In numbers ----------------------------------------------------------------------------------------------------------


def _numbers(found: Map, match: str, name: str) -> Figure:
    """What is saved against one benchmark: a column per metric, a row per spread."""
    _, _, spreads = axes(found.plan)
    cells = found.cells[match][name]
    panels = {claim.metric: claim for claim in CLAIMS if claim.metric in SAVINGS}
    learns = cells[0].overhead is not None
    count = len(panels) + learns
    figure = Figure(figsize=(7.1, 1.3 + 1.3 * len(spreads)), dpi=150, layout="constrained")
    grid = figure.subplots(len(spreads), count, squeeze=False)
    for i, spread in enumerate(spreads):
        row = [cell for cell in cells if cell.setting.spread == spread]
        for j, (metric, claim) in enumerate(panels.items()):
            _heat(grid[i, j], found, [(cell, cell.point.reductions[metric]) for cell in row], PAPER[metric])
            if i == 0:
                grid[i, j].set_title(f"{claim.label}\npaper: {claim.paper:.1%}", fontsize=_SMALL)
        if learns:
            _heat(grid[i, -1], found, [(cell, cell.overhead) for cell in row if cell.overhead], PAPER[OVERHEAD])
            if i == 0:
                grid[i, -1].set_title(f"overhead of learning\npaper: {PAPER[OVERHEAD]:.1%}", fontsize=_SMALL)
        for j in range(count):
            _ticks(grid[i, j], found, left=j == 0, below=i == len(spreads) - 1)
        grid[i, 0].set_ylabel(f"{_of_spread(spread)}\n\nsatiation", fontsize=_SMALL)
    figure.suptitle(
        f"What ours saves against {found.plan.label(name)} {match}, in %\n{_world(found)}\n"
        "blue: as much as the paper states; framed: even the lower end of the 95 % interval is\n"
        "grey: in fewer than 95 % of the markets, the share in brackets, some intensity serves everybody as well",
        fontsize=_SMALL,
    )
    return figure


def _of_spread(spread: float) -> str:
    if spread == 0.0:
        return "requirements\nall alike"
    return "requirements\nas drawn" if spread == 1.0 else f"requirements\n{spread:g} times as far apart"


def _heat(panel: Axes, found: Map, savings: Iterable[tuple[Cell, Estimate]], paper: float) -> None:
    loads, satiations, _ = axes(found.plan)
    panel.set(xlim=(0, len(loads)), ylim=(0, len(satiations)))
    for cell, saving in savings:
        x, y = loads.index(cell.setting.load), satiations.index(cell.setting.satiation or 0.0)
        counts, reached = cell.point.counts, saving_reaches(saving, paper, surely=False)
        colour = "white" if not counts else _colour(saving.value, paper)
        panel.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.0))
        text = f"{100.0 * saving.value:z.0f}" if np.isfinite(saving.value) else "–"
        if not counts:
            panel.text(x + 0.5, y + 0.5, f"{text}\n({cell.point.matched:.0%})", ha="center", va="center", fontsize=6,
                       color="0.6", linespacing=0.9)  # fmt: skip
            continue
        weight, ink = ("bold", "white") if reached else ("normal", "0.15")
        panel.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=_SMALL, fontweight=weight, color=ink)
        if saving_reaches(saving, paper, surely=True):
            panel.add_patch(Rectangle((x + 0.06, y + 0.06), 0.88, 0.88, fill=False, edgecolor="0.0", linewidth=1.4))


def _colour(saving: float, paper: float) -> tuple[float, ...]:
    """Blue from the paper's figure on; below it, from orange where ours has more to near white."""
    if saving >= paper:
        return _REACHED(0.35 + 0.65 * (saving - paper) / (1.0 - paper))
    return _SHORT(float(np.clip((saving + 0.5) / (paper + 0.5), 0.0, 1.0)))
