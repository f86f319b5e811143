"""The traces beside the scenarios that play them: distributions, correlations, the oracle in their slots, speed.

    python -m benchmarks.traces                  # all; writes docs/traces.png, in about two minutes
    python -m benchmarks.traces --only speed

Parts: ``statistics``, a table of Kolmogorov-Smirnov distances of token counts and of the largest difference of
autocorrelations at lags 1 to 10, and the figure; ``oracle``, certificates and time in slots of the traces, loads as
measured; ``speed``, beside ``campus``, in turns, of processor time.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from aigc_market_env import BatchedMarketEnv, Scenario, market_v0, solve_equilibrium
from aigc_market_env.files import replacing
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.traces.drives import EFFICIENCY, NEXT, drive_slots
from aigc_market_env.scenarios.traces.splits import Split
from aigc_market_env.scenarios.traces.tables import SERVICES
from benchmarks.loops import BatchedLoop, ParallelLoop
from benchmarks.trace_statistics import (
    LAGS,
    Played,
    autocorrelation,
    kolmogorov_smirnov,
    measured_loads,
    measured_shares,
    measured_sinr,
    play,
    played_shares,
    sinr_of,
    walked_autocorrelation,
)
from benchmarks.turns import Summary
from experiments.command import run_command
from experiments.places import check_file
from experiments.tables import NumberTable

Part = Literal["statistics", "oracle", "speed"]
NAMES = ("traces_v0", "traces_v0_replay", "traces_v0_held_out", "traces_v0_replay_held_out")
_TRACE, _SCENARIO = "0.2", "#d55e00"
#: Slots before those in which the oracle is asked.
_BEFORE = 5


@dataclass(frozen=True)
class Arguments:
    """Compare traces with the scenarios that play them."""

    only: tuple[Part, ...] = get_args(Part)
    """Parts to run."""
    lanes: int = 2000
    """Episodes that the statistics are of."""
    slots: int = 200
    """Their length."""
    markets: int = 500
    """Slots in which the oracle is asked, of as many episodes."""
    repeats: int = 9
    """Turns of each contender of the speed."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path(__file__).parents[1] / "docs" / "traces.png"
    """The figure."""


def main(arguments: Arguments, console: Console) -> int:
    """Measure, print and draw; the exit status."""
    if "statistics" in arguments.only:
        check_file(arguments.out, "--out")
        _statistics(arguments, console)
    if "oracle" in arguments.only:
        console.print(oracle_table(arguments.markets))
    if "speed" in arguments.only:
        console.print(speed_table(arguments.repeats))
    return 0


def _statistics(arguments: Arguments, console: Console) -> None:
    for name in NAMES:
        scenario = Scenario.preset(name, num_mus=4, num_asps=2)
        assert scenario.dynamics.trace is not None
        played = play(scenario, arguments.lanes, arguments.slots)
        console.print(statistics_table(name, played, scenario.dynamics.trace.split))
        if name == NAMES[0]:
            with replacing(arguments.out) as new:
                figure(played, scenario.dynamics.trace.split).savefig(new, format="png", dpi=110)
            console.print(f"Written: {arguments.out}", markup=False)


def statistics_table(name: str, played: Played, split: Split) -> NumberTable:
    """Distances of token counts, and differences of autocorrelations, by service; and those of SINR."""
    table = NumberTable(f"{name}: scenario against trace")
    headings = ("service", "KS tokens", "acf count, lag 1", "lag 10", "largest difference", "of the seam alone")
    for heading in (*headings, "mean load", "asking"):
        table.add_column(heading, justify="left" if heading == "service" else "right")
    for place, service in enumerate(SERVICES):
        own = np.flatnonzero(played.service == place)
        found = autocorrelation([played.load[:, lane] for lane in own])
        loads = measured_loads(split, service)
        there, around = autocorrelation([loads]), np.roll(np.arange(len(loads)), -1)
        seam = _seam(walked_autocorrelation(loads, around), there)
        distance = kolmogorov_smirnov(played, split, service)
        shares = f"{played.load[:, own].mean():.2f}", f"{played.asking[:, own].mean():.0%}"
        table.add_row(service, f"{distance:.3f}", *_acf_cells(found, there), seam, *shares)
    found, there = autocorrelation(_by_lane(played.sinr)), autocorrelation(measured_sinr(split))
    distance = _distance(np.concatenate(measured_sinr(split)), played.sinr)
    slots = drive_slots(split)
    walked = walked_autocorrelation(sinr_of(slots[:, EFFICIENCY]), slots[:, NEXT].astype(np.int64))
    table.add_row("SINR", f"{distance:.3f}", *_acf_cells(found, there), _seam(walked, there), "", "")
    return table


def _acf_cells(found: FloatArray, there: FloatArray) -> tuple[str, str, str]:
    ends = (f"{found[lag]:.2f} ({there[lag]:.2f})" for lag in (0, -1))
    return (*ends, f"{np.abs(found - there).max():.3f}")  # type: ignore[return-value]


def _seam(walked: FloatArray, there: FloatArray) -> str:
    """How far going on from the end to the beginning is from the trace, at the lag where it is farthest."""
    return f"{np.abs(walked - there).max():.3f}"


def _by_lane(values: FloatArray) -> list[FloatArray]:
    """A series (S, …) of every lane of (S, B, …)."""
    return list(np.moveaxis(values, 1, 0))


def _distance(first: FloatArray, second: FloatArray) -> float:
    """Kolmogorov-Smirnov, of two samples."""
    first, second = np.sort(first.ravel()), np.sort(second.ravel())
    at = np.unique(first)
    shares = (np.searchsorted(sample, at, side="right") / len(sample) for sample in (first, second))
    return float(np.abs(np.subtract(*shares)).max())


def oracle_table(markets: int) -> NumberTable:
    """How many slots the oracle certifies, and how long it takes, on one core if there is one."""
    table = NumberTable(f"Oracle, {markets} slots each, loads as measured")
    for heading in ("scenario", "certified", "ms with certificate", "ms without", "load, median", "1 %", "99 %"):
        table.add_column(heading, justify="left" if heading == "scenario" else "right")
    for name in ("campus", "traces_v0", "traces_v0_held_out"):
        env = BatchedMarketEnv(name, markets, asps="best_response", max_cycles=None, seed=7)
        env.reset()
        for _ in range(_BEFORE):
            env.step({"mu": np.zeros((markets, env.num_mus, env.num_asps))})
        market, state = env.market, env.state()
        load = state["base.compute_capacity"] / market.compute_capacity
        solve_equilibrium(market[0])  # compiles
        spent, certified = [], 0.0
        for certify in (True, False):
            start = time.process_time()
            equilibrium = solve_equilibrium(market, certify=certify)
            spent.append(1e3 * (time.process_time() - start) / markets)
            if equilibrium.certificate is not None:
                certified = float(equilibrium.certificate.converged.mean())
        quantiles = np.quantile(load[:, 0], [0.5, 0.01, 0.99])
        table.add_row(name, f"{certified:.1%}", *(f"{ms:.2f}" for ms in spent), *(f"{one:.2f}" for one in quantiles))
    return table


def speed_table(repeats: int) -> NumberTable:
    """Processor time of a step of ``campus`` and of a trace, turn by turn."""
    table = NumberTable("Processor time of a step, µs, medians")
    for heading in ("environment", "campus", "traces_v0", "speed of campus's"):
        table.add_column(heading, justify="left" if heading == "environment" else "right")
    for asps in ("best_response", "agents"):
        for size in (1, 32, 1024):
            loops = [_stepper(name, asps, size) for name in ("campus", "traces_v0")]
            count = max(2000 // size, 10)
            turns = np.array([[_spent(step, count) for step in loops] for _ in range(repeats + 1)])[1:]
            ratio = Summary.of(list(turns[:, 0] / turns[:, 1]))
            kind = "Parallel" if size == 1 else f"batch of {size:,}"
            table.add_row(f"{kind}, {asps}", *(f"{one:.1f}" for one in np.median(turns, axis=0)), f"{ratio.median:.0%}")
    return table


def _stepper(name: str, asps: Any, size: int) -> Callable[[], Any]:
    if size > 1:
        return BatchedLoop(size, asps, name).step
    return ParallelLoop(market_v0.parallel_env(name, asps=asps, max_cycles=64)).step


def _spent(step: Callable[[], Any], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        step()
    return 1e6 * (time.process_time() - start) / count


def figure(played: Played, split: Split) -> Figure:
    """Token counts, loads and SINR: trace beside scenario, distributions and autocorrelations."""
    picture = Figure(figsize=(13, 8), layout="constrained")
    axes = picture.subplots(3, len(SERVICES))
    for place, service in enumerate(SERVICES):
        own = np.flatnonzero(played.service == place)
        _draw_tokens(axes[0, place], played, split, service)
        _draw_lags(
            axes[1, place],
            autocorrelation([measured_loads(split, service)]),
            autocorrelation([played.load[:, lane] for lane in own]),
        )
    axes[0, 0].set_ylabel("share of requests")
    axes[1, 0].set_ylabel("autocorrelation of counts")
    _draw_distribution(axes[2, 0], np.concatenate(measured_sinr(split)), played.sinr, "SINR, dB")
    _draw_lags(axes[2, 1], autocorrelation(measured_sinr(split)), autocorrelation(_by_lane(played.sinr)))
    axes[2, 1].set_ylabel("autocorrelation of SINR")
    for place, service in enumerate(SERVICES[: axes.shape[1] - 2]):
        own = np.flatnonzero(played.service == place)
        _draw_distribution(axes[2, place + 2], measured_loads(split, service), played.load[:, own], f"load, {service}")
    axes[0, 0].legend(loc="upper left", fontsize=8)
    return picture


def _draw_tokens(axes: Axes, played: Played, split: Split, service: str) -> None:
    most = played.tokens[:, played.service == SERVICES.index(service)].max()
    at = np.unique(np.round(np.logspace(0, np.log10(most), 300)))
    low, high = measured_shares(split, service, at)
    axes.fill_between(at, low, high, color=_TRACE, alpha=0.3, linewidth=1.5, label="trace")
    axes.plot(at, played_shares(played, service, at), color=_SCENARIO, lw=1, label="scenario")
    axes.set(xscale="log", title=service, xlabel="tokens", ylim=(0, 1))


def _draw_lags(axes: Axes, trace: FloatArray, scenario: FloatArray) -> None:
    axes.plot(LAGS, trace, "o-", color=_TRACE, markersize=4)
    axes.plot(LAGS, scenario, "x--", color=_SCENARIO, markersize=4)
    axes.set(xlabel="lag, slots of 10 s", ylim=(-0.2, 1.05))


def _draw_distribution(axes: Axes, trace: FloatArray, scenario: FloatArray, label: str) -> None:
    at = np.quantile(trace, np.linspace(0, 1, 300))
    for values, colour in ((trace, _TRACE), (scenario, _SCENARIO)):
        own = np.sort(values.ravel())
        axes.plot(at, np.searchsorted(own, at, side="right") / len(own), color=colour, lw=1.2)
    axes.set(xlabel=label, ylim=(0, 1))


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
