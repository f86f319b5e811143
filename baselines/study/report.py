"""A study in the terminal: tables of means, of reductions, of overhead and of regimes."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape

from baselines.study.comparison import (
    CLAIMS,
    SAVINGS,
    Matched,
    at_equal_guarantee,
    at_equal_qoe,
    reductions,
    share_left_out,
    utility_gain,
)
from baselines.study.export import failures
from baselines.study.jobs import Setting
from baselines.study.metrics import METRICS, OVERHEAD, REGRETS
from baselines.study.regimes import CONDITIONS, Findings, Regime
from baselines.study.study import MEAN, ORACLE, OURS, Study
from experiments.intervals import Estimate, mean
from experiments.tables import NumberTable

_MONEY = ("mu_service_cost", "asp_cost", "utilisation_compute", "utilisation_bandwidth", "mu_utility", "welfare")
_QUALITY = ("mu_qoe", "qoe_accuracy", "qoe_token_count", "qoe_timeliness", "fairness_qoe", "fairness_utility")
_OF_REGRETS = (
    "; what an agent could gain alone, by another reward or allocation, the ASPs responding exactly: of all agents, "
    "relative to utility at equilibrium or best profit, and of the worst, relative to its own"
)
#: Failures that are told one by one; the files have them all.
_TOLD = 10


def print_report(study: Study, findings: Findings, console: Console) -> None:
    """Everything that people look at."""
    plan = study.plan
    where = f"{plan.table.scenario}, {plan.table.num_mus} MUs, {plan.table.num_asps} ASPs, load {plan.table.load:g}"
    console.print(_means_table(study, f"{where}: money and resources", _MONEY))
    console.print(_means_table(study, f"{where}: quality of experience and fairness", _QUALITY))
    console.print(_means_table(study, f"{where}: regret", REGRETS, _OF_REGRETS))
    for setting in plan.sizes:
        console.print(_overhead_table(study, setting))
    console.print(_reductions_table(study, where))
    console.print(_equal_qoe_table(study, where))
    console.print(_equal_guarantee_table(study, where))
    if plan.sweep:
        title = "Loads at which ours saves as much as the paper states"
        console.print(_regimes_table(study, findings.as_played, title))
        console.print(_regimes_table(study, findings.at_equal_qoe, f"{title}, at the QoE of each benchmark"))
        console.print(_regimes_table(study, findings.at_equal_guarantee, f"{title}, at equal guarantee"))
    print_failures(study, console)


def _table(title: str, caption: str, headings: Iterable[str]) -> NumberTable:
    table = NumberTable(title, caption, justify="left")
    table.add_column("", justify="left")
    for heading in headings:
        table.add_column(heading)
    return table


def _cell(estimate: Estimate, form: str) -> str:
    """A figure above its interval."""
    if estimate.value != estimate.value:
        return "–"
    shown = format(estimate.value, form)
    if estimate.low is None or estimate.high is None:
        return shown
    low, high = (format(end, form) for end in (estimate.low, estimate.high))
    return f"{shown}\n[dim]{low.removesuffix('%')}…{high}[/dim]"


def _means_table(study: Study, title: str, metrics: Sequence[str], further: str = "") -> NumberTable:
    plan = study.plan
    caption = "means over markets, below them 95 % bootstrap intervals; money in credits per slot, per MU or per ASP"
    table = _table(title, caption + further, [*(METRICS[metric].label for metric in metrics), "markets"])
    for mechanism in plan.mechanisms:
        figures = [mean(study.played.values(plan.table, mechanism.name, metric)) for metric in metrics]
        cells = [_cell(figure, METRICS[metric].form) for figure, metric in zip(figures, metrics, strict=True)]
        table.add_row(escape(mechanism.label), *cells, str(figures[0].markets))
    return table


def _overhead_table(study: Study, setting: Setting) -> NumberTable:
    title = f"Overhead of learning, {setting.num_mus} MUs and {setting.num_asps} ASPs, load {setting.load:g}"
    caption = (
        "until the relative regret is at most 1%, or a cap: where not all reached it, the overhead is a lower bound; "
        "lean: only what is perturbed is sent and solved anew; below each mean, what ours saves, and an interval "
        "(paper: 64.9 %)"
    )
    shown = [metric for metric in OVERHEAD if metric != "bytes"]  # four for each message
    table = _table(title, caption, [*(METRICS[metric].label for metric in shown), "reached 1%", "markets"])
    for mechanism in study.learners():
        figures = {metric: mean(study.played.values(setting, mechanism.name, metric)) for metric in (*shown, "reached")}
        cells = [format(figures[metric].value, METRICS[metric].form) for metric in shown]
        if mechanism.name != OURS:
            saved = reductions(study, setting, mechanism.name, metrics=shown)
            cells = [f"{cell}\n{_cell(saved[metric], '.1%')}" for metric, cell in zip(shown, cells, strict=True)]
        markets = figures["probes"].markets
        table.add_row(
            escape(mechanism.label), *cells, f"{figures['reached'].value:.0%}" if markets else "–", str(markets)
        )
    return table


def _reductions_table(study: Study, where: str) -> NumberTable:
    plan = study.plan
    headings = [f"{claim.label}\n(paper {claim.paper:.1%})" for claim in CLAIMS]
    caption = "1 - mean of ours / mean of theirs, with 95 % intervals paired over markets; negative: ours has more"
    table = _table(f"{where}: what ours saves", caption, [*headings, "MU utility: ours - theirs"])
    names = [mechanism.name for mechanism in plan.benchmarks]
    for ours in (OURS, ORACLE):
        if all(mechanism.name != ours for mechanism in plan.mechanisms) or not names:
            continue
        table.add_section()
        table.add_row(f"[bold]{plan.label(ours)}, against[/bold]")
        for name in (*names, MEAN):
            found = reductions(study, plan.table, name, ours)
            gain = utility_gain(study, plan.table, name, ours)
            table.add_row(
                f"  {escape(plan.label(name))}",
                *(_cell(found[claim.metric], ".1%") for claim in CLAIMS),
                _cell(gain, "+.3f"),
            )
    return table


def _equal_qoe_table(study: Study, where: str) -> NumberTable:
    caption = (
        "our equilibrium, its MUs' satisfaction scaled until it delivers each benchmark's QoE, market by market; "
        "from the markets in which that is possible"
    )
    found = {m.label: at_equal_qoe(study, study.plan.table, m.name) for m in study.plan.benchmarks}
    return _matched_table(f"{where}: what ours saves at equal QoE", caption, found)


def _equal_guarantee_table(study: Study, where: str) -> NumberTable:
    left_out = share_left_out(study, study.plan.table)
    caption = (
        "each benchmark as intense as it takes to serve every MU as well, relative to its requirement, as ours serves "
        "the worst; from the markets in which some intensity does"
        + (f"; in {left_out:.0%} ours serves some MU nothing, which counts as not possible" if left_out > 0.0 else "")
    )
    found = {m.label: at_equal_guarantee(study, study.plan.table, m.name) for m in study.with_intensity()}
    return _matched_table(f"{where}: what ours saves at equal guarantee", caption, found)


def _matched_table(title: str, caption: str, found: Mapping[str, Matched]) -> NumberTable:
    """A row per benchmark, by its label."""
    headings = [METRICS[metric].label for metric in SAVINGS]
    table = _table(title, caption, ["possible", *headings, "MU utility: ours - theirs"])
    for label, equal in found.items():
        possible = f"{equal.matched:.0%}" if equal.matched == equal.matched else "–"
        cells = [_cell(equal.reductions[metric], ".1%") for metric in SAVINGS]
        table.add_row(escape(label), possible, *cells, _cell(equal.utility_gain, "+.3f"))
    return table


def _regimes_table(study: Study, found: dict[str, Regime], title: str) -> NumberTable:
    caption = (
        "service cost lower by 66.5 % or more, utilisation or ASP cost by 76.8 % or more, each at no lower mean MU "
        "utility; in brackets the largest saving and its load, whatever the utility; "
        f"{study.plan.sweep_markets} markets a load"
    )
    table = _table(title, caption, CONDITIONS)
    for name, regime in found.items():
        cells = []
        for condition, metrics in CONDITIONS.items():
            intervals = ", ".join(_interval(*pair) for pair in regime.intervals[condition]) or "none"
            best = regime.best[metrics[0]] if len(metrics) == 1 else None
            cells.append(intervals + (f"\n[dim]({best[0]:.1%} at {best[1]:.2g})[/dim]" if best else ""))
        table.add_row(escape(study.plan.label(name)), *cells)
    return table


def _interval(low: float, high: float) -> str:
    return f"{low:.2g}" if low == high else f"{low:.2g}–{high:.2g}"


def print_failures(study: Study, console: Console) -> None:
    """The first of the failures, if there are any."""
    found = failures(study)
    if found:
        console.print(f"[bold red]{len(found)} failures[/bold red], left out of the means above:")
    for failure in found[:_TOLD]:
        where = (
            f"{failure['mechanism']} ({failure['what']}), {failure['setting']}, market seed {failure['market_seed']}"
        )
        console.print(f"  {where}: {failure['error']}", markup=False, highlight=False, soft_wrap=True)
    if len(found) > _TOLD:
        console.print(f"  … and {len(found) - _TOLD} more in the files")
