"""Several runs, which differ in their seeds and in fields that are swept, on the cores of a machine or of a cluster."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from agents.config import Config
from agents.documents import flat, learning_fields
from agents.reports.figures import REGRETS
from agents.reports.tables import shown, shown_interval
from agents.run_folder import begin_run, forget, keep_market, lengthen_run, read_config
from agents.runs import CONFIG_FILE, EVALUATION_FILE, METRICS_FILE, number
from agents.sweeps.follow import Followed, follow
from agents.sweeps.whole_run import train_whole
from agents.training.progress import PROGRESS_FILE, told_in_file
from aigc_market_env.evaluation.side_regret import worst_of
from aigc_market_env.files import read_json, writing
from experiments.execute import Execute
from experiments.jobs import Done
from experiments.tables import NumberTable

#: Regrets and wall time of a run, by name.
Figures = dict[str, float]
#: Seconds until the worker of a command that was killed has surely ended.
_PATIENCE = 10.0
#: Fields of a configuration with their values.
Values = Mapping[str, Any]


@dataclass(frozen=True)
class SweepRun:
    """A run as a job: whoever does it, wherever and however often, ends with the same weights.

    Attributes:
        config: what to train.
        out: the run folder.
        values: what is swept, as it is in ``config``; none when only seeds differ.
    """

    config: Config
    out: Path
    values: Values = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The run folder."""
        return str(self.out)

    def followed(self) -> Followed:
        """What there is to follow of it."""
        ended = (self.out / EVALUATION_FILE).exists()
        length = self.config.length
        return Followed(self.out, getattr(self.config, length), length, ended)

    def run(self) -> Figures:
        """Train, from the run's last checkpoint if it has one, and not at all if it has ended; its regrets."""
        with writing(self.out, patience=_PATIENCE):
            if not (self.out / EVALUATION_FILE).exists():
                with told_in_file(self.out / PROGRESS_FILE):
                    train_whole(self.config, self.out, resume=True)
            return _figures(self.out)


def seeds_called(text: str) -> range:
    """The seeds from text such as ``"0..9"``, both ends included; ``"3"`` is one seed.

    Raises:
        ValueError: the text is something else.
    """
    ends = re.fullmatch(r"(\d{1,9})(?:\.\.(\d{1,9}))?", text)
    seeds = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else range(0)
    if not seeds:
        raise ValueError(f"--seeds {text} must be like 0..9: the first seed and the last")
    return seeds


def begin(runs: Sequence[SweepRun], *, resume: bool = False) -> None:
    """Lay out all run folders, so that an interrupted sweep is found again.

    Args:
        runs: the runs.
        resume: whether to take those that have begun as they are, or longer than they were.

    Raises:
        FolderTakenError: one has begun, without ``resume``, or is being trained; no folder is made.
        ValueError: the runs differ in more than their seeds and what is swept; nothing is written.
    """
    for run in runs:
        if not run.values.items() <= flat(run.config).items():
            raise ValueError(f"{run.out} is a run of other values than those of its combination")
        if _unswept(run) != _unswept(runs[0]):
            raise ValueError(f"{run.out} and {runs[0].out} are runs of different configurations")
    made: list[Path] = []
    try:
        for run in runs:
            if not resume or not (run.out / CONFIG_FILE).exists():
                made += begin_run(run.config, run.out)
            elif (config := keep_market(run.config, run.out)) != read_config(run.out):
                with writing(run.out):
                    lengthen_run(config, run.out)
    except BaseException:
        forget(made)
        raise


def _unswept(run: SweepRun) -> dict[str, Any]:
    same = learning_fields(run.config)
    same["scenario"] = str(same["scenario"]).removesuffix(".json")  # a Scenario, or the copy that a run has of it
    return {name: value for name, value in same.items() if name != "seed" and name not in run.values}


def train_runs(runs: Sequence[SweepRun], execute: Execute, console: Console) -> list[Done[Figures]]:
    """Train all runs; what became of each, in their order.

    Raises:
        OSError: workers were lost, or a run folder is not there, as happens when machines do not share it.
        KeyboardInterrupt: it was told to stop; checkpoints are written.
    """
    done = follow({run.key: run.followed() for run in runs}, execute(runs), console)
    for run in runs:
        if done[run.key].error is None and not (run.out / EVALUATION_FILE).exists():
            raise OSError(f"{run.out}: trained elsewhere; the machines of the cluster must share this folder")
    return [done[run.key] for run in runs]


def _figures(out: Path) -> Figures:
    metrics = read_json(out / METRICS_FILE)
    names = (*REGRETS, *map(worst_of, REGRETS), "wall_seconds")
    return {name: number(metrics[name]) for name in names if name in metrics}


def seeds_table(runs: Sequence[SweepRun], done: Sequence[Done[Figures]], title: str) -> NumberTable:
    """Every seed's regrets, then their mean and range.

    Args:
        runs: the runs.
        done: what became of each.
        title: of the table; rich markup.
    """
    found = [one.result for one in done if one.result is not None]
    names = [name for name in REGRETS if any(name in figures for figures in found)]
    caption = [
        "Regret: what one agent could gain alone; worst: the agent that forgoes most of its own utility at "
        "equilibrium, or own best profit. See evaluate.py RUN... for intervals over runs and slots."
    ]
    table = NumberTable(title, "\n".join([*caption, *failures(runs, done)]))
    for heading in ("seed", *(f"regret of {REGRETS[name][0]}" for name in names), "time"):
        table.add_column(heading)
    for run, one in zip(runs, done, strict=True):
        table.add_row(str(run.config.seed), *_cells(one, names))
    by_name = {name: [figures[name] for figures in found] for name in names}
    if by_name:
        table.add_section()
        table.add_row("mean", *(shown(name, float(np.mean(values))) for name, values in by_name.items()), "")
        table.add_row("range", *(shown_interval(name, (min(v), max(v))) for name, v in by_name.items()), "")
        worst = [worst_line(name, found).removeprefix("worst ") for name in by_name]
        if any(worst):
            table.add_row("worst", *worst, "")
    return table


def failures(runs: Sequence[SweepRun], done: Sequence[Done[Figures]]) -> list[str]:
    """A line for each run that failed, with why; rich markup."""
    return [f"[red]{escape(f'{run.out}: {one.error}')}[/]" for run, one in zip(runs, done, strict=True) if one.error]


def _cells(one: Done[Figures], names: Sequence[str]) -> list[str]:
    if one.result is None:
        return [*[""] * len(names), "[red]failed"]
    regrets = (f"{shown(name, one.result[name])}\n{worst_line(name, [one.result])}".strip() for name in names)
    return [*regrets, f"{one.result['wall_seconds']:.0f} s"]


def worst_line(name: str, runs: Sequence[Figures]) -> str:
    """The worst agent's regret of all runs, as ``"worst 2.4%"``; nothing of runs of before it was measured."""
    found = [figures[worst_of(name)] for figures in runs if worst_of(name) in figures]
    return f"worst {shown(name, max(found))}" if found else ""
