"""Evaluation of run folders on slots and markets that training has not seen: what ``evaluate.py`` does.

A run on one market is measured in slots of fresh episodes. A run of a set policy is measured in fresh markets, size by
size. Either may be given market files instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from agents.evaluation.sets import SetEvaluation
from agents.held_out.slots import HeldOutSlots, Measured, same_markets, slots_of
from agents.market_draws import Size
from agents.reports.figures import REGRETS
from agents.run_folder import read_config
from agents.runs import METRICS_FILE, number
from aigc_market_env.evaluation.intervals import interquartile_ratio, ratio_of_means
from aigc_market_env.evaluation.joining import joined
from aigc_market_env.evaluation.plays import Play
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.evaluation.side_regret import worst_of
from aigc_market_env.files import read_json
from experiments.execute import Execute
from experiments.intervals import crossed_interval
from experiments.jobs import Done
from experiments.progress import watch


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A run, measured.

    Attributes:
        name: of its folder.
        results: by size, "8x4" for 8 MUs and 4 ASPs.
        plays: of each of them; see :func:`~aigc_market_env.evaluation.plays.plays_of`.
        curve: the evaluations during training; empty when the run has not ended.
        fresh: the same results, where a set policy was measured in fresh markets; None otherwise.
    """

    name: str
    results: Mapping[str, Evaluation]
    plays: Mapping[str, Mapping[str, Play]]
    curve: list[dict[str, float]]
    fresh: SetEvaluation[Any] | None = None

    @property
    def learners(self) -> list[str]:
        """Which sides have learned: ``"leader"``, ``"follower"`` or both."""
        result = next(iter(self.results.values()))
        learned = {"leader": result.leaders, "follower": result.followers}
        return [side for side, evaluation in learned.items() if evaluation is not None]

    def summary(self) -> dict[str, Any]:
        """The figures by size, as they go into ``evaluation.json``."""
        return {
            size: result.summary() | {"plays": {name: play.figures() for name, play in self.plays[size].items()}}
            for size, result in self.results.items()
        }


def evaluate_run(run: Path, files: Sequence[str] = (), count: int | None = None, preset: str | None = None) -> HeldOut:
    """Measure the policy of a run folder, in this process.

    Args:
        run: the folder.
        files: see :func:`~agents.held_out.slots.slots_of`.
        count: likewise.
        preset: likewise.

    Raises:
        FileNotFoundError: the folder has no policy, or there is no such market file.
        ValueError: see :func:`~agents.held_out.slots.slots_of`.
    """
    jobs, curve = slots_of(run, files, count, preset), learning_curve(run)
    return _put_together(run, jobs, [job.run() for job in jobs], curve, fresh=not files)


def evaluate_runs(
    runs: Sequence[Path],
    files: Sequence[str],
    count: int | None,
    execute: Execute,
    console: Console,
    preset: str | None = None,
) -> list[HeldOut]:
    """Measure the policies of several run folders, wherever jobs are done; the same as :func:`evaluate_run` of each.

    Args:
        runs: the folders.
        files: see :func:`~agents.held_out.slots.slots_of`.
        count: likewise.
        execute: does the jobs.
        console: for one progress bar.
        preset: as ``files``.

    Raises:
        FileNotFoundError: see :func:`evaluate_run`; nothing is measured.
        OSError: workers were lost.
        ValueError: see :func:`evaluate_run`, or the runs cannot be compared (see :func:`check_comparable`), before
            anything is measured; or measuring failed, with the slots.
    """
    jobs_of, curves = [slots_of(run, files, count, preset) for run in runs], [learning_curve(run) for run in runs]
    check_comparable(jobs_of)
    jobs = [job for jobs in jobs_of for job in jobs]
    found = watch("measuring slots", execute(jobs), {job.key: job.count for job in jobs}, console)
    return [
        _put_together(run, jobs, [_result_of(found[job.key]) for job in jobs], curve, fresh=not files)
        for run, jobs, curve in zip(runs, jobs_of, curves, strict=True)
    ]


def _result_of(done: Done[Measured]) -> Measured:
    if done.result is None:
        raise ValueError(f"{done.key}: {done.error}")
    return done.result


def _put_together(
    run: Path, jobs: Sequence[HeldOutSlots], found: Sequence[Measured], curve: list[dict[str, float]], *, fresh: bool
) -> HeldOut:
    by_size: dict[Size, list[Measured]] = {}
    for job, part in zip(jobs, found, strict=True):
        by_size.setdefault(job.size, []).append(part)
    whole = {size: joined(parts) for size, parts in by_size.items()}
    config = read_config(run) if fresh else None
    markets = {size: measured.result for size, measured in whole.items()}
    return HeldOut(
        name=str(run),
        results={f"{m}x{n}": measured.result for (m, n), measured in whole.items()},
        plays={f"{m}x{n}": measured.plays for (m, n), measured in whole.items()},
        curve=curve,
        fresh=SetEvaluation(markets, config.markets) if config is not None and config.any_size else None,
    )


def learning_curve(run: Path) -> list[dict[str, float]]:
    """The evaluations during training; none when the run has not ended.

    Raises:
        ValueError: the metrics of the run are damaged; the message names the file.
    """
    path = run / METRICS_FILE
    if not path.exists():
        return []
    document = read_json(path)
    try:
        return [_numbers(point) for point in document["curve"]]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not the metrics of a run: {error!r}") from None


def _numbers(point: dict[str, Any]) -> dict[str, float]:
    shown = {name: number(point[name]) for name in REGRETS if name in point}
    if not shown:
        raise ValueError(f"a point has none of {', '.join(REGRETS)}")
    shown |= {worst: number(point[worst]) for name in shown if (worst := worst_of(name)) in point}
    return shown | {"transitions": float(point["transitions"])}


# Several runs --------------------------------------------------------------------------------------------------------


def check_comparable(jobs_of: Sequence[Sequence[HeldOutSlots]]) -> None:
    """Make sure that runs are to be measured in the very same slots, and that the same side has learned in all of them.

    Args:
        jobs_of: what :func:`~agents.held_out.slots.slots_of` gives of each run.

    Raises:
        ValueError: they are not; the message names two of them.
    """
    first, *others = jobs_of
    for other in others:
        names = f"{first[0].folder} and {other[0].folder} are not of the same"
        kinds = [[(job.side, job.size, job.first, job.count) for job in jobs] for jobs in (first, other)]
        if kinds[0] != kinds[1]:
            raise ValueError(f"{names} kind of training and size of markets; evaluate them one by one")
        if any(not same_markets(one, another) for one, another in zip(first, other, strict=True)):
            raise ValueError(f"{names} scenario; evaluate them one by one")


def together(plays: Sequence[Play]) -> dict[str, Any]:
    """Relative figures of several runs' plays of the same slots.

    ``mean`` and ``iqm``, the mean of the middle half of all runs' slots, with intervals over runs and slots (see
    :func:`~experiments.intervals.crossed_interval`), and the ``lowest`` and ``highest`` run. Of regrets also the
    ``worst`` agent's of all runs.
    """
    found: dict[str, Any] = {}
    for name in plays[0].ratios:
        above, below = (np.stack(rows) for rows in zip(*(play.ratios[name] for play in plays), strict=True))
        each = [play.figure(name) for play in plays]
        found[name] = {"lowest": min(each), "highest": max(each)}
        if name in plays[0].relative_regrets:
            worst = max((play.relative_regrets[name] for play in plays), key=lambda regret: regret.worst)
            found[name] |= {"worst": worst.worst, "worst_agent": worst.worst_agent}
        for key, statistic in (("mean", ratio_of_means), ("iqm", interquartile_ratio)):
            interval = crossed_interval(above, below, statistic)
            found[name][key] = float(statistic(above, below))
            found[name][f"{key}_interval_95"] = None if interval is None else list(interval)
    return found
