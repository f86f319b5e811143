"""What people look at after an evaluation: a table in the terminal, and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from agents.evaluation import LeaderEvaluation
from agents.figures import Evaluation, drawings, drawn
from agents.follower_evaluation import FollowerEvaluation
from agents.joint_evaluation import JointEvaluation

_ROWS = {
    "mu_utility": "MU utility",
    "mu_service_cost": "MU service cost",
    "mu_qoe": "MU QoE",
    "qoe_accuracy": "  from accuracy",
    "qoe_token_count": "  from token count",
    "qoe_timeliness": "  from timeliness",
    "asp_profit": "ASP profit",
    "asp_cost": "ASP cost",
    "utilisation_compute": "compute in use",
    "utilisation_bandwidth": "bandwidth in use",
    "welfare": "welfare",
}


def evaluation_table(result: Evaluation, title: str) -> Table:
    """Regret of what was learned, and what it comes to beside what is best."""
    if isinstance(result, LeaderEvaluation):
        return _leader_table(result, title)
    return _follower_table(result, title) if isinstance(result, FollowerEvaluation) else _joint_table(result, title)


def _leader_table(result: LeaderEvaluation, title: str) -> Table:
    summary = result.summary()
    learned, reference = summary["learned"], summary["equilibrium"]
    caption = "credits per slot, means over MUs or ASPs and slots; ASPs respond exactly"
    table = _table(title, caption, "learned policy", "equilibrium")
    table.add_row("leader regret, relative", f"{summary['leader_regret_relative']:.3%}", "0 by definition")
    table.add_row("  95 % interval (bootstrap)", _shown(summary["leader_regret_relative_interval_95"]), "")
    table.add_row("follower regret, relative", f"{summary['follower_regret_relative']:.1e}", "")
    table.add_row("NashConv", f"{summary['nash_conv']:.4f}", "0 by definition")
    _add_certified(table, summary)
    _add_averages(table, learned, reference)
    return table


def _follower_table(result: FollowerEvaluation, title: str) -> Table:
    summary = result.summary()
    caption = "credits per slot, means over MUs or ASPs and slots; both serve the same rewards"
    table = _table(title, caption, "learned ASPs", "exact ASPs")
    table.add_row("follower regret, relative", f"{summary['follower_regret_relative']:.3%}", "0 by definition")
    table.add_row("  95 % interval (bootstrap)", _shown(summary["follower_regret_relative_interval_95"]), "")
    table.add_row("leader regret of what is posted", "", f"{summary['leader_regret_relative']:.1%}")
    _add_averages(table, summary["learned"], summary["best_response"])
    return table


def _joint_table(result: JointEvaluation, title: str) -> Table:
    summary = result.summary()
    leaders, followers = summary["leaders"], summary["followers"]
    caption = (
        "credits per slot, means over MUs or ASPs and slots; leader regrets are measured by exact responses, also "
        "those of the rewards that MUs post where learned ASPs serve"
    )
    table = _table(title, caption, "learned MUs, learned ASPs", "learned MUs, exact ASPs", "equilibrium")
    among, alone = summary["leader_regret_relative_learned_asps"], summary["leader_regret_relative"]
    table.add_row("leader regret", f"{among:.3%}", f"{alone:.3%}", "0 by definition")
    intervals = result.among_learned.interval(), leaders["leader_regret_relative_interval_95"]
    table.add_row("  95 % interval", *map(_shown, intervals), "")
    exact = f"{leaders['follower_regret_relative']:.1e}"
    table.add_row("follower regret", f"{summary['follower_regret_relative']:.3%}", exact, "")
    table.add_row("  95 % interval", _shown(followers["follower_regret_relative_interval_95"]), "", "")
    table.add_row("  near equilibrium", f"{summary['follower_regret_relative_near']:.3%}", "", "")
    lost = summary["mu_utility_ratio_learned_asps"] - 1.0
    table.add_row("MU utility, same rewards", f"{lost:+.3%}", "the reference", "")
    _add_certified(table, leaders, "")
    _add_averages(table, followers["learned"], leaders["learned"], leaders["equilibrium"])
    return table


def _table(title: str, caption: str, *columns: str) -> Table:
    table = Table(title=title, caption=caption)
    table.add_column("", overflow="fold")
    for heading in columns:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _shown(interval: Sequence[float] | None) -> str:
    return "needs two slots or more" if interval is None else f"{interval[0]:.3%} to {interval[1]:.3%}"


def _add_certified(table: Table, summary: dict[str, Any], *before: str) -> None:
    if summary["equilibrium_certified"] is not None:
        table.add_row("slots certified", "", *before, f"{summary['equilibrium_certified']:.1%}")


def _add_averages(table: Table, *columns: dict[str, float]) -> None:
    table.add_section()
    for name, label in _ROWS.items():
        form = ".1%" if name.startswith("utilisation") else ".4f"
        table.add_row(label, *(format(column[name], form) for column in columns))


def save_figures(result: Evaluation, curve: list[dict[str, float]], folder: Path) -> list[Path]:
    """Write the figures of an evaluation; the files written."""
    written = []
    for name, draw in drawings(result, curve).items():
        drawn(draw, 120).savefig(folder / f"{name}.png")
        written.append(folder / f"{name}.png")
    return written
