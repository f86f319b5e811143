"""Training of one network for every market, by PPO or on exact conditions: the run around the learning."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from agents.documents import as_document
from agents.evaluation.protocol import OneSidedEvaluation
from agents.evaluation.sets import SetEvaluation, evaluate_set_policy, evaluation_sizes, usual_size
from agents.policy.files import save_policy
from agents.run_folder import write_config
from agents.runs import METRICS_FILE, write_json
from agents.set_config import EquilibriumConfig, SetConfig, SetPPOConfig
from agents.set_training.equilibrium import EquilibriumLearner
from agents.set_training.learner import Metrics, SetLearner
from agents.set_training.ppo import PPOLearner
from agents.torch_settings import one_torch_thread, usual_numerics
from agents.training.callbacks import log_evaluation, open_log, worth_pictures
from agents.training.checkpoint import CHECKPOINT_FILE, load_state, save_state
from agents.training.loop import learn
from agents.training.progress import Bar

#: The final evaluation, and what went into ``metrics.json``.
Trained = tuple[SetEvaluation[Any], dict[str, Any]]
#: Updates whose figures TensorBoard shows as one point.
_UPDATES_PER_POINT = 10


def make_learner(config: SetConfig) -> SetLearner:
    """The learner that a configuration asks for, untrained; to train without a run folder, call its ``step``."""
    if isinstance(config, SetPPOConfig):
        return PPOLearner(config)
    if isinstance(config, EquilibriumConfig):
        return EquilibriumLearner(config)
    raise ValueError(f"{type(config).__name__} names no algorithm; use EquilibriumConfig or SetPPOConfig")


def train_set_policy(config: SetConfig, out: Path, *, resume: bool = False) -> Trained:
    """Train a policy that acts in every market, evaluate it by size, and write a run folder.

    Torch computes on one thread meanwhile.

    Args:
        config: what to train.
        out: the run folder.
        resume: whether to continue what was begun there. A resumed run ends with the same weights, to the bit, as one
            that was never interrupted. It may be longer than it was; see :func:`agents.training.train_leaders`.

    Returns:
        The final evaluation, and what went into ``metrics.json``.

    Raises:
        ValueError: the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    with one_torch_thread(), usual_numerics():
        run = _Run(config)
        out.mkdir(parents=True, exist_ok=True)
        resumed = resume and (out / CHECKPOINT_FILE).exists()
        if resumed:
            run.load(out)
        run.log_to(out, resumed=resumed)
        write_config(config, out)
        learn(run, out, Bar(config.updates, run.curve, [run.regret_name], "updates"), config.checkpoint_seconds)
        policy = run.learner.policy()
        save_policy(policy, out)
        sizes = evaluation_sizes(config.markets, config.larger_sizes)
        result = evaluate_set_policy(policy, config.markets, sizes, count=config.final_evaluation_markets, certify=True)
        run.show(result.by_size[usual_size(config.markets)], pictures=True)
        run.logger.close()
    metrics = {
        **result.figures(),
        "updates": run.learner.update,
        "transitions": run.learner.transitions,
        "wall_seconds": run.seconds,
        "curve": run.curve,
    }
    write_json(out / METRICS_FILE, metrics)
    return result, metrics


class _Run:
    """A learner, and what is known of the run so far."""

    def __init__(self, config: SetConfig) -> None:
        self.config, self.learner = config, make_learner(config)
        self.regret_name = "leader_regret_relative" if config.side == "leaders" else "follower_regret_relative"
        self.curve: list[dict[str, float]] = []
        self._spent, self._began = 0.0, time.monotonic()
        self._recent: list[Metrics] = []

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to learn."""
        return self.learner.done

    @property
    def progress(self) -> int:
        """Updates so far."""
        return self.learner.update

    @property
    def seconds(self) -> float:
        """That the run has taken so far, in all its processes."""
        return self._spent + time.monotonic() - self._began

    def log_to(self, out: Path, *, resumed: bool) -> None:
        """Write TensorBoard events into a folder, the configuration first, or go on where the checkpoint was taken."""
        evaluations = [point["updates"] for point in self.curve]
        step = self.learner.update if resumed else None
        self.logger = open_log(out, as_document(self.config), step, evaluations)

    def evaluate_when_due(self) -> None:
        """Extend the learning curve, every so many updates, by regret in held-out markets of the usual size."""
        config = self.config
        if self.curve and self.learner.update - self.curve[-1]["updates"] < config.evaluation_interval:
            return
        size = usual_size(config.markets)
        policy = self.learner.policy()
        result = evaluate_set_policy(policy, config.markets, [size], count=config.evaluation_markets).by_size[size]
        self.show(result, pictures=worth_pictures(self.curve))

    def show(self, result: OneSidedEvaluation, *, pictures: bool) -> None:
        """Add an evaluation in markets of the usual size to the learning curve and to the events."""
        update, numbers = self.learner.update, result.point()
        position = {"updates": update, "transitions": self.learner.transitions, "wall_seconds": self.seconds}
        self.curve.append(position | numbers)
        log_evaluation(self.logger, numbers, result, update, pictures=pictures)

    def advance(self) -> None:
        """One update."""
        self._recent.append(self.learner.step())
        if len(self._recent) == _UPDATES_PER_POINT or self.finished:
            for name in self._recent[0]:
                self.logger.record(f"train/{name}", float(np.mean([metrics[name] for metrics in self._recent])))
            self.logger.record("time/transitions", self.learner.transitions)
            self.logger.dump(self.learner.update)
            self._recent.clear()

    def save(self, out: Path) -> None:
        """Write a checkpoint."""
        progress = {"curve": self.curve, "recent": self._recent, "wall_seconds": self.seconds}
        save_state(out / CHECKPOINT_FILE, self.learner.state() | progress)

    def load(self, out: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: it is damaged, or of another configuration; the message names the file.
        """
        with load_state(out / CHECKPOINT_FILE) as state:
            self.learner.restore(state)
            self.curve, self._spent = list(state["curve"]), float(state["wall_seconds"])
            self._recent = list(state.get("recent", []))
