"""Tables of evaluations in the terminal: of one run beside other ways to play, and of several runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from aigc_market_env.evaluation.plays import HEADINGS, Play
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.evaluation.side_regret import worst_of
from experiments.tables import NumberTable

#: Shares below this one are as good as none.
_TINY = 5e-6
#: Relative figures with their names in tables; each has an interval and an interquartile mean.
RATIOS = {
    "leader_regret_relative": "leader regret",
    "follower_regret_relative": "follower regret",
    "utility_ratio": "utility ratio",
}
#: Whose regret is the worst.
WORST = {"leader_regret_relative": "MU", "follower_regret_relative": "ASP"}
_ROWS = {
    "nash_conv": "NashConv",
    "mu_utility": "MU utility",
    "mu_service_cost": "MU payments",
    "mu_qoe": "MU QoE",
    "qoe_accuracy": " accuracy",
    "qoe_token_count": " token count",
    "qoe_timeliness": " timeliness",
    "asp_profit": "ASP profit",
    "asp_cost": "ASP cost",
    "utilisation_compute": "compute use",
    "utilisation_bandwidth": "bandwidth use",
    "welfare": "welfare",
}


def evaluation_table(result: Evaluation, plays: Mapping[str, Play], title: str) -> NumberTable:
    """Regrets of what was learned, and what it comes to, beside other ways to play the same slots.

    Args:
        result: the evaluation.
        plays: of it, by names of :data:`~aigc_market_env.evaluation.plays.HEADINGS`; the first is what was learned.
        title: of the table; rich markup.
    """
    figures = {name: play.figures() for name, play in plays.items()}
    table = _table(title, _CAPTION, *(HEADINGS[name] for name in figures))
    for name, label in RATIOS.items():
        table.add_row(label, *(shown(name, column[name]) for column in figures.values()))
        table.add_row(" 95 %", *(shown_interval(name, column[f"{name}_interval_95"]) for column in figures.values()))
        table.add_row(" IQM", *(shown(name, column[f"{name}_iqm"]) for column in figures.values()))
        if name in WORST:
            table.add_row(f" worst {WORST[name]}", *(shown_worst(name, column) for column in figures.values()))
    for label, entry, column in _asides(result):
        table.add_row(label, *(entry if name == column else "" for name in plays))
    table.add_section()
    for name, label in _ROWS.items():
        form = ".1%" if name.startswith("utilisation") else ".4f"
        table.add_row(label, *(format(column[name], form) for column in figures.values()))
    return table


_CAPTION = (
    "Money in credits per slot, means over MUs or ASPs and slots; NashConv and welfare are the whole market's. Leader "
    "regrets are over utility at equilibrium, by exact responses, also where learned ASPs serve. 95 %: bootstrap "
    "interval over slots; IQM: of the middle half of them; worst: of the agent that forgoes most of its own utility at "
    "equilibrium, or own best profit. Utility ratio: MUs' utility over that at equilibrium."
)


def _asides(result: Evaluation) -> list[tuple[str, str, str]]:
    """Figures that belong to one play: label, entry, play."""
    found = []
    if result.followers is not None and result.near is not None:
        lost, regret = result.followers.mu_utility_ratio - 1.0, result.near.relative
        near = shown("follower_regret_relative", regret.mean)
        near_worst = shown_worst("follower_regret_relative", regret.figures("follower_regret_relative"))
        found += [
            ("follower regret near equilibrium", near, "learned"),
            (" worst ASP", near_worst, "learned"),
            ("MU utility lost to learned ASPs", f"{-lost:.3%}", "learned"),
        ]
    equilibrium = None if result.leaders is None else result.leaders.equilibrium
    if equilibrium is not None and equilibrium.certificate is not None:
        found.append(("slots certified", f"{equilibrium.certificate.converged.mean():.1%}", "equilibrium"))
        if (equilibrium.kind == "mixed").any():
            found.append((" of all, MUs mix in", f"{(equilibrium.kind == 'mixed').mean():.1%}", "equilibrium"))
    return found


def runs_table(
    together: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], names: Sequence[str], title: str
) -> NumberTable:
    """Every run's relative figures on the same slots, then those of all runs.

    Args:
        together: figures of all runs by name, see :func:`~agents.held_out.runs.together`.
        runs: figures of the learned play of each run.
        names: of the runs; rich markup.
        title: of the table; rich markup.
    """
    caption = (
        "95 % intervals: of a run over slots, of all over runs and slots. IQM: of the middle half of those. Worst: of "
        "the agent that forgoes most of its own utility at equilibrium, or own best profit."
    )
    table = _table(title, caption, *RATIOS.values())
    for run, figures in zip(names, runs, strict=True):
        table.add_row(run, *(shown(name, figures[name]) for name in RATIOS))
        table.add_row(" 95 %", *(shown_interval(name, figures[f"{name}_interval_95"]) for name in RATIOS))
        table.add_row(" worst agent", *(shown_worst(name, figures) if name in WORST else "" for name in RATIOS))
    table.add_section()
    for label, key in (("mean of all", "mean"), ("IQM of all", "iqm")):
        table.add_row(label, *(shown(name, together[name][key]) for name in RATIOS))
        table.add_row(" 95 %", *(shown_interval(name, together[name][f"{key}_interval_95"]) for name in RATIOS))
    extremes = (shown_interval(name, (together[name]["lowest"], together[name]["highest"])) for name in RATIOS)
    table.add_row("lowest–highest run", *extremes)
    worst = (
        shown(name, together[name]["worst"]) + f"\n{together[name]['worst_agent']}" if name in WORST else ""
        for name in RATIOS
    )
    table.add_row("worst agent of all", *worst)
    return table


def _table(title: str, caption: str, *columns: str) -> NumberTable:
    table = NumberTable(title, caption)
    table.add_column("", justify="left")
    for heading in columns:
        table.add_column(heading)
    return table


def shown(name: str, value: float) -> str:
    """A relative figure: regret in per cent, a tiny one by its order of magnitude; a ratio of utilities as a number."""
    if name == "utility_ratio":
        return f"{value:.4f}"
    return f"{100 * value:.0e}%" if 0.0 < value < _TINY else f"{_percent(value, value)}%"


def shown_worst(name: str, figures: Mapping[str, Any]) -> str:
    """The regret of the worst agent, and below it whose it is."""
    worst = worst_of(name)
    return f"{shown(name, figures[worst])}\n{figures[f'{worst}_agent']}"


def shown_interval(name: str, interval: Sequence[float] | None) -> str:
    """An interval of a relative figure; nothing for one of tiny regrets, which are rounding."""
    if interval is None:
        return "one slot"
    low, high = interval
    if name == "utility_ratio":
        return f"{low:.4f} – {high:.4f}"
    return f"{_percent(low, high)} – {_percent(high, high)}%" if high >= _TINY else ""


def _percent(share: float, size: float) -> str:
    return f"{100 * share:.{3 if size < 0.1 else 1}f}"
