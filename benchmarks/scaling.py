"""How jobs scale on processes and on Ray: what a worker takes to start, what a job takes, how fast jobs are handed out.

    python -m benchmarks.scaling                  # a minute of work and more, on one worker and on two
    python -m benchmarks.scaling --markets 4      # a look

The time on K workers should be s + J·w/K: s until the first job begins, J jobs of w seconds of a core. On a machine
that does other things, too, workers get less than a core; so the table says how much of one they got.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from agents.held_out.slots import slots_of
from baselines import MECHANISMS
from baselines.study.jobs import Setting, Trial
from benchmarks.timed_jobs import Nothing, Timed
from experiments.command import run_command
from experiments.execute import Execute, attempt, in_processes
from experiments.jobs import Job
from experiments.on_ray import on_ray
from experiments.tables import NumberTable

#: What a market of a study is played by here.
PLAYED = ("oracle", "dual_perturbation", "uniform_reward")
#: Jobs that do nothing, to see how fast they are handed out.
EMPTY = 2000
PRETRAINED = Path(__file__).parents[1] / "pretrained" / "campus"


@dataclass(frozen=True)
class Arguments:
    """Measure how jobs scale."""

    markets: int = 120
    """Campus markets, of three jobs each: about half a second of a core."""
    workers: tuple[int, ...] = (1, 2)
    """How many workers, one core each."""
    repeats: int = 3
    """How often everything is measured, in turns; the table has medians."""


@dataclass(frozen=True)
class Measurement:
    """One pass over all jobs.

    Attributes:
        wall: seconds from the command to the last result.
        first: seconds to the first result.
        core: seconds of a core that all jobs took.
        jobs_per_second: how fast jobs that do nothing are handed out.
        found: results by key.
    """

    wall: float
    first: float
    core: float
    jobs_per_second: float
    found: dict[str, Any]


@contextmanager
def processes(workers: int) -> Iterator[Execute]:
    """A pool of processes."""
    yield in_processes(workers)


@contextmanager
def ray_workers(workers: int) -> Iterator[Execute]:
    """A Ray cluster on this machine, started for the purpose."""
    import ray

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray's spelling); that of the processes compared with
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield on_ray()
    finally:
        ray.shutdown()


def measure(place: Callable[[], Any], jobs: Sequence[Job[Any]]) -> Measurement:
    """Do all jobs in a place that is started anew, then as many empty ones as tell the rate.

    Raises:
        RuntimeError: a job failed.
    """
    began = time.perf_counter()
    with place() as execute:
        found, first = {}, 0.0
        for done in execute([Timed(job) for job in jobs]):
            if done.result is None:
                raise RuntimeError(f"{done.key}: {done.error}")
            first = first or time.perf_counter() - began
            found[done.key] = done.result
        wall = time.perf_counter() - began
        rate = _rate(execute)
    core = sum(seconds for seconds, _ in found.values())
    return Measurement(wall, first, core, rate, {key: result for key, (_, result) in found.items()})


def _rate(execute: Execute) -> float:
    """Empty jobs a second, from the first result to the last."""
    times = [time.perf_counter() for _ in execute([Nothing(str(i)) for i in range(EMPTY)])]
    return (len(times) - 1) / (times[-1] - times[0])


def expected(start: float, core: float, workers: int) -> float:
    """Seconds that jobs of so many core-seconds should take on so many workers, each with a core to itself."""
    return start + core / workers


def scaling_table(measured: dict[tuple[str, int], list[Measurement]]) -> NumberTable:
    """Medians over repeats by place and number of workers."""
    table = NumberTable("jobs on processes and on Ray", "s + J·w/K: on K workers with a core each", labels=2)
    for heading in ("where", "K", "wall, s", "s", "w, core-s", "of a core", "speed-up", "s + J·w/K", "empty jobs/s"):
        table.add_column(heading, justify="left" if heading == "where" else "right")
    for (where, workers), passes in measured.items():
        alone = median(one.wall for one in next(passes for (name, _), passes in measured.items() if name == where))
        wall, core = median(one.wall for one in passes), median(one.core for one in passes)
        each = core / len(passes[0].found)
        start = max(median(one.first for one in passes) - each, 0.0)
        busy = core / (workers * max(wall - start, 1e-9))
        table.add_row(
            where,
            str(workers),
            f"{wall:.1f} ({min(one.wall for one in passes):.1f}–{max(one.wall for one in passes):.1f})",
            f"{start:.1f}",
            f"{each:.3f}",
            f"{busy:.0%}",
            f"{alone / wall:.2f}",
            f"{expected(start, core, workers):.1f}",
            f"{median(one.jobs_per_second for one in passes):,.0f}",
        )
    return table


def bytes_table(jobs: dict[str, tuple[Job[Any], int]]) -> NumberTable:
    """What is moved, and what a core takes, for a market of each kind of job: a job of that kind, with its markets."""
    table = NumberTable("a market or slot", "bytes pickled: the job to a worker, its result back")
    for heading in ("job", "core-s", "bytes there", "bytes back"):
        table.add_column(heading, justify="left" if heading == "job" else "right")
    for name, (job, markets) in jobs.items():
        attempt(job)  # compiles, where nothing has been compiled yet
        began = time.process_time()
        done = attempt(job)
        core = (time.process_time() - began) / markets
        there, back = (len(pickle.dumps(each)) / markets for each in (job, done))
        table.add_row(name, f"{core:.3f}", f"{there:,.0f}", f"{back:,.0f}")
    return table


def main(arguments: Arguments, console: Console) -> int:
    """Measure in turns, compare all results, and print the tables; the exit status."""
    setting = Setting("campus", 8, 4, 1.0)
    jobs = [Trial(setting, seed, MECHANISMS[name]) for seed in range(arguments.markets) for name in PLAYED]
    kinds: dict[str, tuple[Job[Any], int]] = {
        f"evaluate.py mechanisms, {name}": (Trial(setting, 0, MECHANISMS[name]), 1) for name in PLAYED
    }
    slots = slots_of(PRETRAINED)[0]
    kinds["evaluate.py pretrained/campus"] = (slots, slots.count)
    console.print(bytes_table(kinds))
    places = {"processes": processes} | ({"ray": ray_workers} if find_spec("ray") else {})
    measured: dict[tuple[str, int], list[Measurement]] = {}
    for repeat in range(arguments.repeats):
        for where, place in places.items():
            for workers in arguments.workers:
                one = measure(partial(place, workers), jobs)
                measured.setdefault((where, workers), []).append(one)
                load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
                console.print(f"repeat {repeat + 1}, {where} {workers}: {one.wall:.1f} s; load {load:.1f}", style="dim")
    passes = [one for passes in measured.values() for one in passes]
    same = all(one.found == passes[0].found for one in passes)
    console.print(scaling_table(measured))
    console.print(f"{len(jobs)} jobs; results of all {len(passes)} passes are {'the same' if same else 'DIFFERENT'}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
