"""What people look at after training one network for every market and wallet: whole episodes, size by size."""

from pathlib import Path
from typing import Any

from agents.evaluation.sets import SetEvaluation, usual_size
from agents.reports.episodes import heading_of, save_episode_figures
from agents.reports.figures import drawn
from agents.reports.set_table import draw_sizes
from agents.reports.tables import shown
from experiments.pictures import Pictures
from experiments.tables import NumberTable

_REGRET = "leader_regret_relative"
_CAPTION = (
    "Of whole episodes, each of a market and wallets of its own. Regret: what an MU that knows the whole path could "
    "gain at most, over mean utility at the equilibrium of the episode (the oracle's); 95 %: bootstrap interval over "
    "episodes; worst MU: over its own; utility: over the oracle's."
)


def set_episodes_table(result: SetEvaluation[Any], title: str) -> NumberTable:
    """A row for every size and way to play, those sizes that were trained on first.

    Args:
        result: the evaluation; its plays are the same in every size.
        title: rich markup.
    """
    table = NumberTable(title, _CAPTION)
    table.add_column("MUs × ASPs", justify="left")
    table.add_column("", justify="left")
    for column in ("episodes", "regret,\nat most", "95 %", "worst\nMU", "utility"):
        table.add_column(column)
    for trained in (True, False):
        for size in (size for size in result.by_size if result.was_trained(size) == trained):
            name = f"{size[0]} × {size[1]}" + ("" if trained else "\nunseen")
            for play, found in result.by_size[size].plays.items():
                if play != "oracle":
                    table.add_row(name, heading_of(play), str(len(found.scale)), *_figures(found.figures()))
                    name = ""
            table.add_section()
    return table


def _figures(figures: dict[str, Any]) -> list[str]:
    interval = figures[f"{_REGRET}_interval_95"]
    between = "" if interval is None else f"{100.0 * interval[0]:.2f}–{100.0 * interval[1]:.2f}%"
    worst = shown(_REGRET, figures["leader_regret_worst"])
    return [shown(_REGRET, figures[_REGRET]), between, worst, f"{figures['utility_ratio']:.4f}"]


def save_set_episode_figures(
    result: SetEvaluation[Any], curve: list[dict[str, float]], pictures: Pictures
) -> list[Path]:
    """Write a figure of regret by size, and those of episodes of the usual size; the files written."""
    written = pictures.save({"regret_by_size": drawn(lambda axes: draw_sizes(axes, result), 120)})
    usual = result.by_size.get(usual_size(result.trained), next(iter(result.by_size.values())))
    return [*written, *save_episode_figures(usual, curve, pictures)]
