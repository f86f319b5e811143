"""What people look at after an evaluation: a table in the terminal, and figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from agents.evaluation import LeaderEvaluation

#: Rewards below this share of the bound are drawn at it; a logarithmic axis has no zero.
_LOWEST_SHOWN = 1e-5
_LEARNED, _BEST = "#0072b2", "#d55e00"


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


def evaluation_table(result: LeaderEvaluation, title: str) -> Table:
    """Regret of the learned policy, and what it comes to beside the equilibrium."""
    summary = result.summary()
    interval = summary["leader_regret_relative_interval_95"]
    shown = "needs two slots or more" if interval is None else f"{interval[0]:.3%} to {interval[1]:.3%}"
    learned, reference = summary["learned"], summary["equilibrium"]
    certified = summary["equilibrium_certified"]
    table = Table(title=title, caption="credits per slot, means over MUs or ASPs and slots; ASPs respond exactly")
    for heading in ("", "learned policy", "equilibrium"):
        table.add_column(heading, justify="right" if heading else "left", overflow="fold")
    table.add_row("leader regret, relative", f"{summary['leader_regret_relative']:.3%}", "0 by definition")
    table.add_row("  95 % interval (bootstrap)", shown, "")
    table.add_row("follower regret, relative", f"{summary['follower_regret_relative']:.1e}", "")
    table.add_row("NashConv", f"{summary['nash_conv']:.4f}", "0 by definition")
    if certified is not None:
        table.add_row("slots certified", "", f"{certified:.1%}")
    table.add_section()
    for name, label in _ROWS.items():
        form = ".1%" if name.startswith("utilisation") else ".4f"
        table.add_row(label, format(learned[name], form), format(reference[name], form))
    return table


def save_figures(result: LeaderEvaluation, curve: list[dict[str, float]], folder: Path) -> list[Path]:
    """Write the figures of an evaluation; the files written."""
    figures: dict[str, Callable[[Axes], None]] = {
        "rewards.png": lambda axes: _draw_rewards(axes, result),
        "regret.png": lambda axes: _draw_regret(axes, result),
    }
    if curve:
        figures["learning.png"] = lambda axes: _draw_learning(axes, curve)
    written = []
    for name, draw in figures.items():
        figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(folder / name)
        written.append(folder / name)
    return written


def _draw_rewards(axes: Axes, result: LeaderEvaluation) -> None:
    """Learned rewards against those at equilibrium, link by link."""
    bound = result.market.reward_bound[..., None]
    learned, reference = (
        np.maximum(rewards / bound, _LOWEST_SHOWN) for rewards in (result.rewards, result.equilibrium.rewards)
    )
    served = result.equilibrium.outcome.throughput > 0
    for mask, colour, label in (
        (served, _LEARNED, "served at equilibrium"),
        (~served, "0.75", "not served at equilibrium (any low reward will do)"),
    ):
        if mask.any():
            axes.scatter(reference[mask], learned[mask], s=4, color=colour, alpha=0.35, linewidths=0, label=label)
    low = float(min(reference.min(), learned.min()))
    axes.plot([low, 1], [low, 1], color="0.3", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="at equilibrium, share of ω/q", ylabel="learned reward, share of ω/q")
    axes.set_title("Learned rewards against those at equilibrium")
    axes.legend(loc="upper left", markerscale=3)


def _draw_regret(axes: Axes, result: LeaderEvaluation) -> None:
    """How regret is spread over slots, for each MU."""
    scale = float(result.equilibrium.outcome.mu_utility.mean())
    shares = 100.0 * result.regret / (scale if scale > 0.0 else 1.0)
    axes.boxplot(shares, whis=(5, 95), showfliers=False, medianprops={"color": _BEST})
    axes.plot(np.arange(1, shares.shape[1] + 1), shares.mean(axis=0), "D", color=_LEARNED, markersize=4, label="mean")
    axes.set_xticks(range(1, shares.shape[1] + 1), [f"mu_{m}" for m in range(shares.shape[1])])
    axes.tick_params(axis="x", rotation=45 if shares.shape[1] > 10 else 0)
    axes.set(ylabel="regret, % of mean equilibrium utility")
    axes.set_title(f"Regret of each MU over {len(shares)} slots: box 25-75 %, whiskers 5-95 %")
    axes.legend()


def _draw_learning(axes: Axes, curve: list[dict[str, Any]]) -> None:
    """Regret while learning."""
    axes.plot(
        [point["transitions"] / 1e6 for point in curve],
        [100.0 * point["leader_regret_relative"] for point in curve],
        "o-",
        color=_LEARNED,
        markersize=4,
    )
    regretted = any(point["leader_regret_relative"] > 0.0 for point in curve)
    axes.set(
        yscale="log" if regretted else "linear", xlabel="transitions, millions", ylabel="relative leader regret, %"
    )
    axes.grid(which="both", color="0.92")
    axes.set_title("Regret on evaluation slots while learning")
