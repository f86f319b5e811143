"""Evaluations over whole episodes as a table and as figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.reports.figures import draw_learning, drawn
from agents.reports.tables import shown, shown_interval, shown_worst
from aigc_market_env.evaluation.episodes import HEADINGS, EpisodeEvaluation, EpisodePlay
from aigc_market_env.evaluation.regret_causes import CAUSES
from experiments.pictures import Pictures
from experiments.tables import NumberTable

_LEARNED, _ORACLE = "#0072b2", "0.3"
_OF_CAUSES = {
    "overspent": ("spent too much", "#d55e00"),
    "underspent": ("spent too little", "#0072b2"),
    "lost_to_cap": ("lost to the cap", "#e69f00"),
    "mispriced": ("mispriced within slots", "0.65"),
}
_CAPTION = (
    "Of whole episodes. Regret: what an MU that knows the whole path could gain at most, over its utility at the "
    "equilibrium of the episode (the oracle's); 95 %: bootstrap interval over episodes; worst: of the MU that forgoes "
    "most of its own. Below it, what it is made of. Money: over all that was paid."
)


def heading_of(play: str) -> str:
    """Of mechanisms of one's own the name, in words."""
    return HEADINGS.get(play, play.replace("_", " "))


def episodes_table(result: EpisodeEvaluation, name: str) -> NumberTable:
    """What was learned beside other ways to play the same episodes.

    Args:
        result: the evaluation.
        name: of the market or run; rich markup.
    """
    figures = {play: found.figures() for play, found in result.plays.items()}
    causes = {play: found.cause_figures() for play, found in result.plays.items()}
    episodes, slots = result.learned.path.batch_shape
    table = NumberTable(f"{name}: {episodes} evaluation episodes of {slots} slots", _CAPTION)
    table.add_column("", justify="left")
    for play in figures:
        table.add_column(heading_of(play))
    regret = "leader_regret_relative"
    table.add_row("regret, at most", *(shown(regret, column[regret]) for column in figures.values()))
    intervals = (column[f"{regret}_interval_95"] for column in figures.values())
    table.add_row(" 95 %", *("" if pair is None else shown_interval(regret, pair) for pair in intervals))
    table.add_row(" worst MU", *(shown_worst(regret, column) for column in figures.values()))
    for cause in CAUSES if result.learned.causes else ():
        table.add_row(f" {_OF_CAUSES[cause][0]}", *(f"{100 * column[cause]:.2f}%" for column in causes.values()))
    table.add_row("utility ratio", *(f"{column['utility_ratio']:.4f}" for column in figures.values()))
    table.add_row("MU utility a slot", *(f"{column['mu_utility']:.4f}" for column in figures.values()))
    for entry, label in (
        ("money_left", "money left"),
        ("money_wasted", "money lost to cap"),
        ("slots_cut_short", "slots cut short"),
    ):
        table.add_row(label, *(f"{column[entry]:.1%}" for column in figures.values()))
    return table


def episodes_of_runs_table(results: Mapping[str, EpisodeEvaluation]) -> NumberTable:
    """What several runs have learned, measured in the same episodes, and the other plays of these.

    Args:
        results: by name of the run; rich markup.
    """
    first = next(iter(results.values()))
    episodes, slots = first.learned.path.batch_shape
    table = NumberTable(f"{len(results)} runs: {episodes} evaluation episodes of {slots} slots", _CAPTION)
    table.add_column("", justify="left")
    for heading in ("regret, at most", "95 %", "worst MU", "utility ratio"):
        table.add_column(heading)
    plays = {run: result.learned for run, result in results.items()}
    plays |= {heading_of(name): play for name, play in first.plays.items() if name != "learned"}
    for number, (name, play) in enumerate(plays.items()):
        if number == len(results):
            table.add_section()
        figures = play.figures()
        regret, interval = "leader_regret_relative", figures["leader_regret_relative_interval_95"]
        shown_pair = "" if interval is None else shown_interval(regret, interval)
        ratio = f"{figures['utility_ratio']:.4f}"
        table.add_row(name, shown(regret, figures[regret]), shown_pair, shown_worst(regret, figures), ratio)
    return table


def save_episode_figures(
    result: EpisodeEvaluation, curve: Sequence[dict[str, float]], pictures: Pictures
) -> list[Path]:
    """Draw the evaluation, and the learning curve where there is one; the files written."""
    figures = {"money_and_price": money_and_price(result)}
    if result.learned.causes:
        figures["regret_causes"] = regret_by_cause(result)
    if curve:
        figures["learning"] = drawn(lambda axes: draw_learning(axes, [curve]), 120)
    return pictures.save(figures)


def money_and_price(result: EpisodeEvaluation) -> Figure:
    """Money, what it is worth, and spending over the first episode, of the MU with the median regret in it."""
    learned, oracle = result.learned, result.plays.get("oracle", result.learned)
    regret = learned.found.regret_bound[0] / learned.scale[0]
    mu = int(np.argsort(regret)[len(regret) // 2])
    figure = Figure(figsize=(7.0, 6.5), dpi=120, layout="constrained")
    money, price, worth = figure.subplots(3, 1, sharex=True)
    num_slots = learned.path.batch_shape[1]
    slots, cap = np.arange(num_slots), float(np.broadcast_to(learned.wallet.cap, learned.scale.shape)[0, mu])
    for play, colour, label in ((oracle, _ORACLE, "oracle"), (learned, _LEARNED, "learned")):
        paid = play.episode.outcome.service_cost[0, :, mu]
        money.plot(np.arange(num_slots + 1), play.episode.money[0, :, mu], color=colour, label=label)
        worth.step(slots, paid, color=colour, where="mid", label=f"paid, {label}")
    if np.isfinite(cap):
        money.axhline(cap, color="0.6", linewidth=0.8, linestyle="--", label="cap")
    money.set(ylabel="money, credits", title=f"mu_{mu} over an episode: learned against the oracle")
    _draw_prices(price, result, mu)
    scale = learned.path.satisfaction_scale[0, :, mu]
    worth.step(slots, scale / scale.max() * worth.get_ylim()[1], color="0.8", where="mid", label="worth of requests")
    worth.set(xlabel="slot", ylabel="paid, credits")
    for axes in (money, price, worth):
        axes.legend(fontsize=8, loc="upper right")
        axes.grid(color="0.92")
    return figure


def _draw_prices(axes: Axes, result: EpisodeEvaluation, mu: int) -> None:
    """What a credit was worth beyond itself: to the oracle, and in the best plan against what others learned."""
    for name, colour in (("oracle", _ORACLE), ("learned", _LEARNED)):
        if name in result.plays:
            prices = result.plays[name].found.prices[0, :, mu]
            label = "oracle" if name == "oracle" else "best deviation from learned"
            axes.step(np.arange(len(prices)), prices, where="mid", color=colour, label=label)
    axes.set(ylabel="price of money, credits")


def regret_by_cause(result: EpisodeEvaluation) -> Figure:
    """What regrets are made of, by play and, of what was learned, by slot."""
    figure = Figure(figsize=(7.0, 6.0), dpi=120, layout="constrained")
    by_play, by_slot = figure.subplots(2, 1)
    plays = {name: play for name, play in result.plays.items() if name != "oracle"}
    _draw_causes(by_play, plays)
    bottom = np.zeros(result.learned.path.batch_shape[1])
    total = float(result.learned.scale.sum())
    for name in CAUSES:
        shares = 100.0 * result.learned.causes[name].sum(axis=(0, 2)) / total
        by_slot.bar(np.arange(len(shares)), shares, 1.0, bottom=bottom, color=_OF_CAUSES[name][1])
        bottom += shares
    by_slot.set(xlabel="slot", ylabel="% of utility of the episode", title="Learned, slot by slot")
    return figure


def _draw_causes(axes: Axes, plays: dict[str, EpisodePlay]) -> None:
    causes: dict[str, Any] = {name: play.cause_figures() for name, play in plays.items()}
    left = np.zeros(len(plays))
    for cause in CAUSES:
        label, colour = _OF_CAUSES[cause]
        shares = np.array([100.0 * found[cause] for found in causes.values()])
        axes.barh([heading_of(name) for name in plays], shares, left=left, color=colour, label=label)
        left += shares
    axes.invert_yaxis()
    axes.set(xlabel="regret bound, % of utility at equilibrium", title="Where regret over an episode comes from")
    axes.legend(fontsize=8)
