"""What runs come to: of each algorithm at each task the interquartile mean over seeds, with its interval, as tables.

Source: Agarwal et al., NeurIPS 2021 (arXiv 2108.13264). Of five seeds, an interval says little, and is too narrow.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import trim_mean

from aigc_market_env.evaluation.intervals import CONFIDENCE, Interval, bootstrap_ends
from aigc_market_env.model.parameters import FloatArray
from benchmarks.scores.entrants import ENTRANTS
from benchmarks.scores.plan import all_tasks

Documents = Sequence[Mapping[str, Any]]


def relative_regret(document: Mapping[str, Any]) -> float:
    """Of a run, relative; of both roles the larger. Infinite where nothing is relative to it."""
    found = [role["relative_regret"]["value"] for role in document["score"]["roles"].values()]
    return max(math.inf if value is None else float(value) for value in found)


def interquartile_mean(values: FloatArray, axis: int = -1) -> FloatArray:
    """Mean of the middle half of values, a quarter cut off at each end, rounded down."""
    middle: FloatArray = trim_mean(values, 0.25, axis=axis)
    return middle


def interval(values: FloatArray) -> Interval | None:
    """Bootstrap interval of 95 % (percentile, over seeds) of the interquartile mean; None for one seed."""
    return bootstrap_ends(interquartile_mean, [values], CONFIDENCE, "percentile") if len(values) >= 2 else None


def cell(documents: Documents, task: str, entrant: str) -> list[Mapping[str, Any]]:
    """An algorithm's runs at a task."""
    return [one for one in documents if one["score"]["task"] == task and one["algorithm"] == entrant]


def tables(documents: Documents) -> str:
    """Markdown: relative regrets, and what learning and judging took."""
    return "\n".join([*_regrets(documents), "", *_efforts(documents)])


def _present(documents: Documents) -> tuple[list[str], list[str]]:
    tasks = [name for name in all_tasks() if any(one["score"]["task"] == name for one in documents)]
    return tasks, [name for name in ENTRANTS if any(one["algorithm"] == name for one in documents)]


def _regrets(documents: Documents) -> Iterator[str]:
    tasks, entrants = _present(documents)
    most = max(one["seed"] for one in documents)
    yield "| relative regret, % | " + " | ".join(f"`{task}`" for task in tasks) + " |"
    yield "|---|" + "--:|" * len(tasks)
    for name in entrants:
        cells = [_regret(cell(documents, task, name), most) for task in tasks]
        yield f"| {_label(name)} | " + " | ".join(cells) + " |"


def _regret(runs: Documents, most: int) -> str:
    """The mean with its interval, and the number of seeds where some are missing."""
    if not runs:
        return ""
    values = 100.0 * np.array([relative_regret(run) for run in runs])
    ends, missing = interval(values), f"; {len(runs)} seeds" if len(runs) < most else ""
    spread = "" if ends is None else f" ({_shown(ends[0])}–{_shown(ends[1])}{missing})"
    return _shown(float(interquartile_mean(values))) + spread


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"


def _label(name: str) -> str:
    return ENTRANTS[name].label + ("*" if ENTRANTS[name].privileged else "")


def _efforts(documents: Documents) -> Iterator[str]:
    _, entrants = _present(documents)
    yield "| | runs | transitions | seconds to train, median | to judge |"
    yield "|---|--:|--:|--:|--:|"
    for name in entrants:
        runs = [one for one in documents if one["algorithm"] == name]
        most = max(one["transitions"] for one in runs)
        train, judge = (float(np.median([one["seconds"][what] for one in runs])) for what in ("train", "judge"))
        yield f"| {_label(name)} | {len(runs)} | {most:,} | {train:.1f} | {judge:.1f} |"
