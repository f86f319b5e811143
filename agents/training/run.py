"""A run of any kind: what learns step by step, and the one loop around it.

:func:`train` is that loop. A :class:`Run` says what a step is, how good the policies are, and what a checkpoint holds.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from stable_baselines3.common.logger import Logger

from agents.config import Config
from agents.documents import as_document
from agents.policy.files import OneSidePolicy, save_policy
from agents.run_folder import keep_market, write_config
from agents.runs import METRICS_FILE, write_json
from agents.torch_settings import usual_numerics
from agents.training.checkpoint import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from agents.training.progress import Bar
from agents.training.stop_requests import StopRequests
from agents.training.tensorboard import log_evaluation, open_log, worth_pictures
from aigc_market_env.evaluation.protocol import OneSidedEvaluation
from experiments.pictures import Pictures
from experiments.tables import NumberTable

#: The sub-folder of a run's only policy: the run folder itself.
HERE = "."

Result = TypeVar("Result")
_Config = TypeVar("_Config", bound=Config)


class Run(ABC, Generic[Result]):
    """What learns, in steps between which it can be measured, saved and stopped.

    Args:
        config: what to train.

    Attributes:
        regrets: the figures in the learning curve that tell how far learning is.
        curve: the evaluations so far.
        folders: the sub-folders of its policies.
        loggers: of the TensorBoard events, by the sub-folder that they are in.
    """

    regrets: tuple[str, ...]
    folders: tuple[str, ...] = (HERE,)
    config: Config
    loggers: Mapping[str, Logger]

    def __init__(self, config: Config) -> None:
        self.config = config
        self.curve: list[dict[str, float]] = []
        self._spent, self._began = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """That the run has taken so far, in all its processes."""
        return self._spent + time.monotonic() - self._began

    @property
    def unit(self) -> str:
        """What its length is counted in; the configuration's field of that name says how long it is to be."""
        return self.config.length

    @property
    @abstractmethod
    def progress(self) -> int:
        """How far it is, in its unit, all its learners counted; whole steps may take it a little beyond its length."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether there is nothing left to learn."""

    @abstractmethod
    def advance(self) -> None:
        """Make a step."""

    @abstractmethod
    def policies(self) -> Mapping[str, OneSidePolicy]:
        """What has been learned so far, by sub-folder."""

    @abstractmethod
    def evaluate_finally(self) -> tuple[Result, dict[str, Any]]:
        """Measure what has been learned in the end; the result, and its figures for ``metrics.json``."""

    @staticmethod
    @abstractmethod
    def save_figures(result: Any, curve: list[dict[str, float]], pictures: Pictures) -> list[Path]:
        """Draw the final evaluation and the learning curve; the files written."""

    @staticmethod
    @abstractmethod
    def table(result: Any, name: str) -> NumberTable:
        """The final evaluation as a table, of a market or markets of that name."""

    def amounts(self) -> dict[str, int]:
        """How far the run is, as ``metrics.json`` says it."""
        return self._position()

    def open_logs(self, out: Path, *, resumed: bool) -> None:
        """Begin TensorBoard events in the sub-folders of a run folder, the configuration first; or go on there."""
        document, evaluations = as_document(self.config), [point[self.unit] for point in self.curve]

        def progress() -> int:
            return self.progress

        self.loggers = {
            folder: open_log(out / folder, document, progress, resumed=resumed, evaluations=evaluations)
            for folder in self.folders
        }

    def evaluate_when_due(self) -> None:
        """Extend the learning curve, every so often."""
        if not self.curve or self.progress - self.curve[-1][self.unit] >= self._evaluation_interval():
            self.show(self._evaluate(), pictures=worth_pictures(self.curve))

    def show(self, result: Result, *, pictures: bool) -> None:
        """Add an evaluation to the learning curve and to the events."""
        self.curve.append({**self._position(), "wall_seconds": self.seconds, **self._point(result)})
        for folder, (numbers, of_side) in self._by_folder(result).items():
            log_evaluation(self.loggers[folder], numbers, of_side, self.progress, pictures=pictures)

    def save(self, out: Path) -> None:
        """Write a checkpoint."""
        so_far = {"curve": self.curve, "wall_seconds": self.seconds}
        save_checkpoint(out / CHECKPOINT_FILE, self._state() | so_far)

    def load(self, out: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or of another configuration; the message names the file.
        """
        with load_checkpoint(out / CHECKPOINT_FILE) as document:
            self._restore(document)
            self.curve, self._spent = list(document["curve"]), float(document["wall_seconds"])

    # What else a kind of run says of itself --------------------------------------------------------------------------

    def _position(self) -> dict[str, int]:
        """How far the run is, as a point of the learning curve says it."""
        return {self.unit: self.progress}

    @abstractmethod
    def _evaluation_interval(self) -> int:
        """Least progress between two evaluations."""

    @abstractmethod
    def _evaluate(self) -> Result:
        """Measure the policies while they learn."""

    @abstractmethod
    def _by_folder(self, result: Result) -> Mapping[str, tuple[dict[str, float], OneSidedEvaluation]]:
        """What TensorBoard shows of an evaluation, by sub-folder: numbers, and the evaluation of that side."""

    def _point(self, result: Result) -> dict[str, float]:
        """The figures of an evaluation that the learning curve is made of."""
        return {name: value for numbers, _ in self._by_folder(result).values() for name, value in numbers.items()}

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """All that the rest of the run depends on, as numbers and tensors."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same configuration, or of a shorter one; any exception means that it is not."""


@usual_numerics()
def train(
    kind: Callable[[_Config], Run[Result]], config: _Config, out: Path, *, resume: bool
) -> tuple[Result, dict[str, Any]]:
    """Train, evaluate, and write a run folder, but for its figures; with ``resume``, go on from its checkpoint.

    Args:
        kind: makes the run that a configuration asks for.
        config: what to train.
        out: the run folder.
        resume: whether to continue what was begun there, if there is a checkpoint.

    Returns:
        The final evaluation, and what went into ``metrics.json``.

    Raises:
        ValueError: the scenario is unknown, or the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    run = kind(keep_market(config, out))
    resumed = resume and (out / CHECKPOINT_FILE).exists()
    if resumed:
        run.load(out)
    run.open_logs(out, resumed=resumed)
    write_config(run.config, out)
    _learn(run, out)
    for folder, policy in run.policies().items():
        save_policy(policy, out / folder)
    result, figures = run.evaluate_finally()
    run.show(result, pictures=True)
    for logger in run.loggers.values():
        logger.close()
    metrics = {**figures, **run.amounts(), "wall_seconds": run.seconds, "curve": run.curve}
    write_json(out / METRICS_FILE, metrics)
    return result, metrics


def _learn(run: Run[Any], out: Path) -> None:
    """Learn to the end, with a checkpoint every so many seconds and one at the end.

    Raises:
        KeyboardInterrupt: the run was told to stop, by SIGINT or SIGTERM; its checkpoint is written.
    """
    bar = Bar(getattr(run.config, run.unit), run.curve, run.regrets, run.unit)
    requests = StopRequests(bar.stopping)
    saved_at = time.monotonic()
    requests.listen()
    bar.start(run.progress)
    try:
        while not run.finished:
            run.evaluate_when_due()
            bar.update(run.progress)
            if not requests.told:  # while it was evaluated
                run.advance()
                bar.update(run.progress)
            if requests.told or run.finished or time.monotonic() - saved_at >= run.config.checkpoint_seconds:
                run.save(out)
                saved_at = time.monotonic()
            if requests.told:
                raise KeyboardInterrupt
    finally:
        bar.stop()
        requests.restore()
