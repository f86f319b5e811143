"""A training run from its configuration to all that its folder holds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.config import Config
from agents.evaluation.sets import SetEvaluation
from agents.runs import EVALUATION_FILE, write_json
from agents.set_training.train import set_run_of
from agents.torch_settings import one_torch_thread
from agents.training.both import JointRun
from agents.training.episode_run import EpisodeRun
from agents.training.one_side import FollowerRun, LeaderRun
from agents.training.run import Run, train
from aigc_market_env.evaluation.episodes import EpisodeEvaluation
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.files import naming
from experiments.pictures import Pictures
from experiments.tables import NumberTable

#: Runs on one market, by who learns.
_ON_ONE_MARKET: dict[str, type[Run[Any]]] = {"leaders": LeaderRun, "followers": FollowerRun, "both": JointRun}


@dataclass(frozen=True, eq=False)
class Trained:
    """What became of a run.

    Attributes:
        result: the final evaluation.
        metrics: what ``metrics.json`` holds.
        figures: the files of its figures.
        table: what to show of it.
    """

    result: Evaluation | SetEvaluation[Any] | EpisodeEvaluation
    metrics: dict[str, Any]
    figures: list[Path]
    table: NumberTable


def train_whole(config: Config, out: Path, *, resume: bool) -> Trained:
    """Train what a configuration asks for, evaluate it, and write everything into a run folder.

    Torch computes on one thread, for sums over more of them differ in their last bits: weights are those of any other
    number of cores. ``evaluation.json`` is written last: where it is, the run has ended.

    Raises:
        OSError: a file cannot be written; what was written before stays.
        ValueError: the scenario is unknown, or the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    kind = _kind_of(config)
    with naming(out), _told_once():  # TensorBoard does not tell its file
        with one_torch_thread():
            result, metrics = train(kind, config, out, resume=resume)
        figures = kind.save_figures(result, metrics["curve"], Pictures(out, f"{config.described}, seed {config.seed}"))
        write_json(out / EVALUATION_FILE, result.summary())
    return Trained(result, metrics, figures, kind.table(result, config.scenario_name))


def _kind_of(config: Config) -> type[Run[Any]]:
    if config.any_size:
        return set_run_of(config)
    return EpisodeRun if config.side == "leaders" and config.has_wallets else _ON_ONE_MARKET[config.side]


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
