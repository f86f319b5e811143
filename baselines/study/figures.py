"""Pictures of a study: the table as dots, every headline metric against load, and what ours saves."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from aigc_market_env.model.parameters import FloatArray
from baselines.study.comparison import CLAIMS, SAVINGS
from baselines.study.metrics import METRICS
from baselines.study.regimes import MATCHED, Findings, Regime
from baselines.study.study import OURS, Study
from baselines.study.styles import draw_over_loads, style_of
from experiments.intervals import Estimate, mean
from experiments.pictures import Pictures

#: Figures of the sweep, with the metrics of their panels.
_SWEEPS = {
    "service_cost": ("mu_service_cost",),
    "consumption": ("utilisation", "asp_cost"),
    "overhead": ("messages", "follower_solves"),
    "mu_utility": ("mu_utility",),
    "qoe": ("mu_qoe",),
}
_DOTS = ("mu_service_cost", "utilisation", "asp_cost", "mu_qoe", "mu_utility", "welfare")
_COLUMNS = 3
#: Metrics that spread over orders of magnitude.
_LOGARITHMIC = ("mu_service_cost", "asp_cost", "messages", "follower_solves")
#: Savings below this are drawn at it: that ours has much more is all the same, and would squeeze the rest.
_LEAST_SAVING = -0.25


def save_study_figures(study: Study, findings: Findings, pictures: Pictures) -> list[str]:
    """Write all figures; their names."""
    figures = {"table": _table(study)}
    if len(study.plan.sweep) > 1:
        figures |= {name: _sweep(study.swept, metrics) for name, metrics in _SWEEPS.items()}
        figures["savings"] = _savings(study, findings.as_played, "as played")
        where = f",\nwhere that is possible in {MATCHED:.0%} of the markets"
        how = "at the benchmark's own QoE" + where
        figures["savings_at_equal_qoe"] = _savings(study, findings.at_equal_qoe, how)
        how = "each made to serve every MU as well as ours the worst, relative to requirements" + where
        figures["savings_at_equal_guarantee"] = _savings(study, findings.at_equal_guarantee, how)
    return [path.name for path in pictures.save(figures)]


def _where(study: Study) -> str:
    table = study.plan.table
    return f"{table.scenario}, {table.num_mus} MUs, {table.num_asps} ASPs"


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Panels under one another, which stay legible where a page is narrow."""
    figure = Figure(figsize=(7.6, 0.5 + 4.4 * count), dpi=110, layout="constrained")
    return figure, [figure.add_subplot(count, 1, i + 1) for i in range(count)]


def _table(study: Study) -> Figure:
    """A row per mechanism, a panel per metric: means with their intervals."""
    plan = study.plan
    height = 0.8 + 2.0 * (0.7 + 0.24 * len(plan.mechanisms))
    figure = Figure(figsize=(8.6, height), dpi=110, layout="constrained")
    rows = range(len(plan.mechanisms))[::-1]
    for i, metric in enumerate(_DOTS):
        axes = figure.add_subplot(2, _COLUMNS, i + 1)
        for row, mechanism in zip(rows, plan.mechanisms, strict=True):
            found = mean(study.played.values(plan.table, mechanism.name, metric))
            colour = style_of(mechanism.name).colour
            if found.low is not None and found.high is not None:
                axes.plot([found.low, found.high], [row, row], color=colour, linewidth=2)
            axes.plot(found.value, row, "o", color=colour, markersize=5)
        axes.set_yticks(list(rows), [mechanism.label if i % _COLUMNS == 0 else "" for mechanism in plan.mechanisms])
        axes.set_xlabel(METRICS[metric].heading, fontsize=9)
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.grid(color="0.92")
        _percent(axes, metric, "x")
    figure.suptitle(
        f"{_where(study)}, load {plan.table.load:g}:\nmeans over {len(plan.seeds)} markets, lines: 95 % intervals"
    )
    return figure


def _sweep(study: Study, metrics: Sequence[str]) -> Figure:
    """A metric of every mechanism against load."""
    plan = study.plan
    loads = _loads(study)
    figure, panels = _panels(len(metrics))
    for axes, metric in zip(panels, metrics, strict=True):
        ours = [mean(study.played.values(setting, OURS, metric)) for setting in plan.sweep]
        low, high = ([np.nan if end is None else end for end in ends] for ends in _ends(ours))
        axes.fill_between(loads, low, high, color=style_of(OURS).colour, alpha=0.25, linewidth=0)
        lines = {m.name: _means(study, m.name, metric) for m in plan.mechanisms}
        draw_over_loads(axes, loads, lines, plan.label, metric in _LOGARITHMIC)
        axes.set_ylabel(METRICS[metric].heading)
        _percent(axes, metric, "y")
    figure.suptitle(f"{_where(study)}: means over {plan.sweep_markets} markets,\nband: 95 % interval of ours")
    return figure


def _savings(study: Study, regimes: Mapping[str, Regime], how: str) -> Figure:
    """Reductions against load, a panel per metric, with the paper's figure as a line."""
    figure, panels = _panels(len(SAVINGS))
    claims = {claim.metric: claim for claim in CLAIMS}
    for axes, metric in zip(panels, SAVINGS, strict=True):
        claim = claims[metric]
        axes.set_ylim(_LEAST_SAVING - 0.03, 1.03)
        axes.axhline(0.0, color="0.6", linewidth=0.8)
        axes.axhline(claim.paper, color="0.2", linewidth=1.2, linestyle=(0, (1, 1)))
        axes.text(
            0.015,
            claim.paper,
            f"paper: {claim.paper:.1%}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
        lines = {
            name: np.maximum(
                [point.reductions[metric].value if point.counts else np.nan for point in regime.points], _LEAST_SAVING
            )
            for name, regime in regimes.items()
        }
        draw_over_loads(axes, _loads(study), lines, study.plan.label, logarithmic=False)
        axes.set_ylabel(f"{claim.label} saved by ours")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.suptitle(
        f"{_where(study)}: what ours saves against each benchmark,\n{how}; "
        f"{study.plan.sweep_markets} markets; less than −{-_LEAST_SAVING:.0%} is drawn there"
    )
    return figure


def _ends(estimates: Sequence[Estimate]) -> tuple[list[float | None], list[float | None]]:
    return [estimate.low for estimate in estimates], [estimate.high for estimate in estimates]


def _loads(study: Study) -> FloatArray:
    return np.array([setting.load for setting in study.plan.sweep])


def _means(study: Study, name: str, metric: str) -> FloatArray:
    """A metric's mean at every load; NaN where there is none; shape (L,)."""
    rows = [study.played.values(setting, name, metric) for setting in study.plan.sweep]
    return np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in rows])


def _percent(axes: Axes, metric: str, axis: str) -> None:
    if METRICS[metric].unit == "%":
        getattr(axes, f"{axis}axis").set_major_formatter(PercentFormatter(1.0, decimals=0))
