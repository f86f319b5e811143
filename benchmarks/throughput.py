"""Speed and memory of this package's environments beside their peers and beside environments that do nothing.

All contenders of a part play short turns one after the other, again and again, so that a drift of the machine's speed
meets all of them. Medians over the turns, and ratios taken turn by turn, are what to quote; absolute figures hold for
one machine and moment only. An *agent-step* is one agent in one step of one environment.

    make bench
    python -m benchmarks.throughput --only batched ppo --seconds 2 --repeats 9 --json throughput.json

Parts: ``batched`` (beside VMAS and JaxMARL), ``loops`` (PettingZoo, beside mpe2 and a floor), ``ppo`` (end to end,
beside a floor), ``wallets`` (beside the same market without, by CPU time), ``growth``, ``memory`` and ``profile``.
"""

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from rich.console import Console

from aigc_market_env import Scenario
from aigc_market_env._numerics.compile import num_threads
from aigc_market_env.files import write_whole
from benchmarks import growth, memory, peers, step_profile, wallet_steps
from benchmarks.loops import BatchedLoop, aec, floor, parallel
from benchmarks.training_speed import Learner
from benchmarks.turns import Play, Summary, Turns, table, take_turns
from experiments.command import run_command
from experiments.places import check_file
from experiments.terminal import PlainConsole

Part = Literal["batched", "loops", "ppo", "wallets", "growth", "memory", "profile"]
_CONSOLE = PlainConsole()
_PACKAGES = ("numpy", "numba", "pettingzoo", "torch", "stable_baselines3", "mpe2", "vmas", "jaxmarl", "jax")
_RANGE = ("median", "lowest", "highest")
#: Whose best responses are measured beside those of campus.
_OTHER_PRESETS = ("random", "town", "traces_v0")


@dataclass(frozen=True)
class Arguments:
    """Measure this package's environments, their peers and their floors."""

    only: tuple[Part, ...] = get_args(Part)
    """Parts to run."""
    seconds: float = 0.5
    """Length of a turn."""
    repeats: int = 7
    """Turns of each contender."""
    batch_sizes: tuple[int, ...] = (1, 32, 512, 1024, 8192)
    """Markets side by side."""
    peer_batch_sizes: tuple[int, ...] = (1024, 8192)
    """Environments side by side of VMAS and JaxMARL."""
    memory_seconds: float = 25.0
    """How long the largest batch goes on while its memory is watched, in each mode."""
    json: Path | None = None
    """Where to write the figures as JSON."""


def _turns(arguments: Arguments, makers: dict[str, Callable[[], Play]]) -> Turns:
    return take_turns(_CONSOLE, makers, seconds=arguments.seconds, repeats=arguments.repeats)


def _missing(turns: Turns, columns: int) -> list[tuple[str, ...]]:
    return [(name, why, *[""] * (columns - 2)) for name, why in turns.missing.items()]


def _times(turns: Turns, name: str, to: str | None) -> str:
    return f"{turns.ratio(name, to).median:,.3g}" if to else ""


def _ratios(turns: Turns, pairs: list[tuple[str | None, str | None]]) -> dict[str, Any]:
    """How many times faster the first of each pair is, for those that played."""
    played = [(name, to) for name, to in pairs if name in turns.rates and to in turns.rates]
    return {f"{name} / {to}": asdict(turns.ratio(name, to)) for name, to in played}  # type: ignore[arg-type]


def batched(arguments: Arguments) -> dict[str, Any]:
    """Batches of markets beside VMAS and JaxMARL."""
    makers: dict[str, Callable[[], Play]] = {}
    modes: dict[str, Literal["agents", "best_response"]] = {"agents": "agents", "best response": "best_response"}
    for mode, asps in modes.items():
        for size in arguments.batch_sizes:
            makers[f"campus, {mode}, {size}"] = lambda size=size, asps=asps: BatchedLoop(size, asps).play
    for preset in _OTHER_PRESETS:
        makers[f"{preset}, best response, 1024"] = lambda preset=preset: BatchedLoop(1024, "best_response", preset).play
    for size in arguments.peer_batch_sizes:
        for scenario in ("balance", "simple_spread"):
            makers[f"VMAS {scenario}, {size}"] = lambda size=size, scenario=scenario: peers.Vmas(scenario, size).play
        for kind in ("loop", "scan"):
            scan = kind == "scan"
            makers[f"JaxMARL simple_spread, {kind}, {size}"] = lambda size=size, scan=scan: (
                peers.JaxMarl(size, scan=scan).play
            )
    turns = _turns(arguments, makers)
    # Without acting ASPs all agents are MUs and a slot is a step; with them, campus has 12 agents and a slot two steps.
    slots = {name: 1 / 24 for name in turns.rates if name.startswith("campus, agents")}
    slots |= {name: 1 / Scenario.preset(name.split(",")[0]).num_mus for name in turns.rates if "best response" in name}
    best = [turns.best(peer) for peer in ("VMAS", "JaxMARL")]
    rows = [
        (
            name,
            *turns.summary(name).cells(),
            f"{turns.summary(name).median * slots[name]:,.0f}" if name in slots else "",
            *(_times(turns, name, peer) for peer in best),
        )
        for name in turns.rates
    ]
    headings = ("agent-steps per second", *_RANGE, "slots/s", "times VMAS's best", "times JaxMARL's best")
    table(_CONSOLE, "Batches", headings, rows + _missing(turns, len(headings)))
    ours = [turns.best(f"campus, {mode}") for mode in modes]
    return turns.as_json() | {
        "slots_per_second": {name: turns.summary(name).median * share for name, share in slots.items()},
        "ratios": _ratios(turns, [(name, peer) for name in ours for peer in best]),
    }


def loops(arguments: Arguments) -> dict[str, Any]:
    """PettingZoo loops beside mpe2 and an environment that does nothing."""
    ours, ours_aec, nothing = "campus, Parallel, 12 agents", "campus, AEC, 12 agents", "does nothing, Parallel"
    theirs, theirs_aec = "mpe2 simple_spread, Parallel", "mpe2 simple_spread, AEC"
    turns = _turns(
        arguments,
        {
            ours: partial(parallel, "agents"),
            "campus, Parallel, best response, 8 agents": partial(parallel, "best_response"),
            nothing: floor,
            theirs: partial(peers.mpe2, "parallel"),
            ours_aec: aec,
            theirs_aec: partial(peers.mpe2, "aec"),
        },
    )
    rows = []
    for name in turns.rates:
        peer = theirs_aec if "AEC" in name else theirs
        against = _times(turns, name, peer if peer in turns.rates else None)
        rows.append((name, *turns.summary(name).cells(), against, _times(turns, name, nothing)))
    headings = ("agent-steps per second", *_RANGE, "times mpe2", "times doing nothing")
    table(_CONSOLE, "PettingZoo loops", headings, rows + _missing(turns, len(headings)))
    pairs: list[tuple[str | None, str | None]] = [(ours, theirs), (ours_aec, theirs_aec), (ours, nothing)]
    return turns.as_json() | {"ratios": _ratios(turns, pairs)}


def ppo(arguments: Arguments) -> dict[str, Any]:
    """PPO with the defaults of train.py on our markets and on an environment that does nothing."""
    learners: dict[str, Learner] = {}

    def make(name: str, does_nothing: bool) -> Play:
        learners[name] = Learner(does_nothing=does_nothing)
        return learners[name].play

    names = {"campus, best response": False, "does nothing": True}
    turns = _turns(arguments, {name: partial(make, name, nothing) for name, nothing in names.items()})
    shares = {name: x.rollout_seconds / (x.rollout_seconds + x.update_seconds) for name, x in learners.items()}
    rows = [
        (name, *turns.summary(name).cells(), f"{shares[name]:.0%}", _times(turns, name, "does nothing"))
        for name in turns.rates
    ]
    headings = ("transitions per second", *_RANGE, "rollouts' share of time", "times doing nothing")
    table(_CONSOLE, "PPO, rollouts and updates", headings, rows + _missing(turns, len(headings)))
    ratios = _ratios(turns, [("campus, best response", "does nothing")])
    return turns.as_json() | {"rollout_share": shares, "ratios": ratios}


def wallets(arguments: Arguments) -> dict[str, Any]:
    """A step of markets whose MUs have wallets beside that of the same markets without, in CPU time."""
    makers: dict[str, Callable[[], Play]] = {}
    pairs: list[tuple[str | None, str | None]] = []
    modes: dict[str, Literal["agents", "best_response"]] = {"agents": "agents", "best response": "best_response"}
    for mode, asps in modes.items():
        for size in (1, 32, 1024):
            named = {f"{kind}, {mode}, {size}": scenario for kind, scenario in wallet_steps.SCENARIOS.items()}
            for name, scenario in named.items():
                makers[name] = partial(wallet_steps.make, scenario, asps, size)
            pairs += [(name, next(iter(named))) for name in named]
    turns = _turns(arguments, makers)
    rows = []
    for name, to in pairs:
        spent = [b / a for a, b in zip(turns.rates[str(name)], turns.rates[str(to)], strict=True)]
        rows.append((str(name), *turns.summary(str(name)).cells(), *Summary.of(spent).cells(".3f")))
    headings = ("markets stepped per CPU second", *_RANGE, "times the CPU time without", *_RANGE[1:])
    table(_CONSOLE, "Wallets; one market is the Parallel environment", headings, rows)
    return turns.as_json() | {"ratios": _ratios(turns, pairs)}


def grow(arguments: Arguments) -> dict[str, Any]:
    """Time of a best-response slot from 8 x 4 to 100 x 20."""
    turns = _turns(arguments, growth.makers())
    if turns.missing:
        raise RuntimeError(f"growth: {turns.missing}")
    medians = [turns.summary(name).median for name in turns.rates]
    exponent = Summary.of(growth.exponents(turns))
    slopes = ["", *(f"{slope:.2f}" for slope in growth.since_first(medians))]
    rows = [
        (name, *turns.summary(name).cells(), f"{1e6 / median:,.2f}", slope)
        for name, median, slope in zip(turns.rates, medians, slopes, strict=True)
    ]
    fit = f"fitted exponent in M·N: {exponent.median:.3f} ({exponent.lowest:.3f} to {exponent.highest:.3f})"
    headings = ("best-response slots per second", *_RANGE, "µs a market", "exponent since 8 x 4")
    table(_CONSOLE, f"Growth, batches of {growth.LANES}; {fit}", headings, rows)
    return turns.as_json() | {"lanes": growth.LANES, "exponent": asdict(exponent)}


def remember(arguments: Arguments) -> dict[str, Any]:
    """Resident memory of the largest batch, and its growth over many steps."""
    if not Path("/proc/self/status").exists():
        _CONSOLE.print("Memory: skipped, it is read from /proc, which only Linux has")
        return {}
    largest, found = max(arguments.batch_sizes), []
    for asps in ("best_response", "agents"):
        for size, seconds in ((largest, arguments.memory_seconds), (32, 60.0)):
            with _CONSOLE.status(f"memory: {size} markets, {asps}"):
                found.append(memory.footprint(size, asps, 10_000, seconds))
    mib = 1 / 2**20
    rows = [
        (
            f"{x['num_envs']} markets, {x['asps'].replace('_', ' ')}",
            *(f"{mib * x[name]:,.1f}" for name in ("above_imports_bytes", "above_loaded_kernels_bytes")),
            f"{x['above_loaded_kernels_bytes_per_market'] / 1024:,.1f}",
            f"{x['steps']:,}",
            *(f"{mib * x[name]:+,.1f}" for name in ("growth_bytes", "growth_after_first_tenth_bytes")),
        )
        for x in found
    ]
    headings = ("MiB resident", "above imports", "above kernels", "KiB a market", "steps", "growth", "after a tenth")
    table(_CONSOLE, "Memory", headings, rows)
    return {"batches": found}


def profile(arguments: Arguments) -> dict[str, Any]:
    """Where the time of a batched step goes, beside what memory alone would take."""
    touched, found = step_profile.bytes_touched(), {}
    bandwidth = {n: step_profile.copy_bandwidth(n) for n in sorted({1, num_threads()})}
    bound = sum(touched.values()) / max(bandwidth.values())
    for size in sorted(arguments.batch_sizes)[-2:]:
        turns = _turns(arguments, step_profile.makers(size))
        median = {name: 1 / turns.summary(name).median for name in turns.rates}
        rows = [
            (name, f"{1e6 * spent:,.3f}", f"{spent / median[step_profile.FADING]:.1%}", f"{spent / bound:,.1f}")
            for name, spent in median.items()
        ]
        headings = (f"batch of {size}", "µs a market", "of a whole step", "times the memory bound")
        table(_CONSOLE, "Where a step's time goes", headings, rows + _missing(turns, len(headings)))
        found[str(size)] = turns.as_json() | {"seconds_per_market": median}
    parts = ", ".join(f"{name} {size:,.0f}" for name, size in touched.items())
    speeds = ", ".join(f"{speed / 1e9:.1f} GB/s by {n}" for n, speed in bandwidth.items())
    _CONSOLE.print(
        f"bytes a market: {parts}. Copy bandwidth by threads: {speeds}. Bound {1e6 * bound:.3f} µs a market."
    )
    return {"batches": found, "bytes_per_market": touched, "copy_bandwidth": bandwidth, "bound_seconds": bound}


_PARTS: dict[Part, Callable[[Arguments], dict[str, Any]]] = {
    "batched": batched,
    "loops": loops,
    "ppo": ppo,
    "wallets": wallets,
    "growth": grow,
    "memory": remember,
    "profile": profile,
}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main(arguments: Arguments, console: Console) -> int:
    """Measure, print, and write; the exit status."""
    if arguments.json:
        check_file(arguments.json, "--json")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        console.print(f"The machine is busy (load average {load:.1f}): whoever needs all cores at once suffers most.")
    figures: dict[str, Any] = {
        "load_average_before": load,
        "turns": {"seconds": arguments.seconds, "repeats": arguments.repeats},
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
    }
    for part in arguments.only:
        figures[part] = _PARTS[part](arguments)
        if arguments.json:
            write_whole(arguments.json, (json.dumps(figures, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
