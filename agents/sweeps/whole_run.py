"""A training run from its configuration to all that its folder holds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.config import Config, FollowerConfig, JointConfig
from agents.evaluation.protocol import Evaluation
from agents.evaluation.sets import SetEvaluation
from agents.reports.figures import save_drawings
from agents.reports.set_table import save_set_figures
from agents.runs import EVALUATION_FILE, write_json
from agents.set_training.run import train_set_policy
from agents.torch_settings import one_torch_thread
from agents.training.both import train_both
from agents.training.one_side import train_followers, train_leaders
from aigc_market_env.files import naming


@dataclass(frozen=True, eq=False)
class Trained:
    """What became of a run.

    Attributes:
        result: the final evaluation.
        metrics: what ``metrics.json`` holds.
        figures: the files of its figures.
    """

    result: Evaluation | SetEvaluation[Any]
    metrics: dict[str, Any]
    figures: list[Path]


def train_whole(config: Config, out: Path, *, resume: bool) -> Trained:
    """Train what a configuration asks for, evaluate it, and write everything into a run folder.

    Torch computes on one thread, for sums over more of them differ in their last bits: weights are those of any other
    number of cores. ``evaluation.json`` is written last: where it is, the run has ended.

    Raises:
        OSError: a file cannot be written; what was written before stays.
        ValueError: the scenario is unknown, or the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    with naming(out), _told_once():  # TensorBoard does not tell its file
        with one_torch_thread():
            result, metrics = _train(config, out, resume=resume)
        curve = metrics["curve"]
        if isinstance(result, SetEvaluation):
            figures = save_set_figures(result, curve, out)
        else:
            figures = save_drawings(result, curve, out)
        write_json(out / EVALUATION_FILE, result.summary())
    return Trained(result, metrics, figures)


@contextmanager
def _told_once() -> Iterator[None]:
    """Have TensorBoard's thread not tell, at length, that it cannot write: the next call to it raises that."""
    before = threading.excepthook

    def tell(problem: threading.ExceptHookArgs) -> None:
        if not isinstance(problem.exc_value, OSError):
            before(problem)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def _train(config: Config, out: Path, *, resume: bool) -> tuple[Evaluation | SetEvaluation[Any], dict[str, Any]]:
    if config.any_size:
        return train_set_policy(config, out, resume=resume)
    if isinstance(config, JointConfig):
        return train_both(config, out, resume=resume)
    if isinstance(config, FollowerConfig):
        return train_followers(config, out, resume=resume)
    return train_leaders(config, out, resume=resume)
