"""Training of one network for every market, by PPO or on exact conditions: the run around the learning."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.markup import escape

from agents.algorithms.set_config import SetConfig
from agents.algorithms.set_learner import Metrics, SetLearner
from agents.documents import learning_fields
from agents.evaluation.sets import SetEvaluation, evaluate_set_policy, evaluation_sizes, usual_size
from agents.policy.files import OneSidePolicy
from agents.reports.set_table import save_set_figures, set_table
from agents.training.checkpoint import check_goes_on
from agents.training.run import HERE, Run
from aigc_market_env.evaluation.protocol import OneSidedEvaluation
from experiments.tables import NumberTable

#: Updates whose figures TensorBoard shows as one point.
_UPDATES_PER_POINT = 10


class SetRun(Run[SetEvaluation[Any]]):
    """A network learns, in markets that are fresh in every update.

    Args:
        config: what to train.
    """

    save_figures = staticmethod(save_set_figures)
    config: SetConfig

    def __init__(self, config: SetConfig) -> None:
        super().__init__(config)
        self.learner: SetLearner = config.make_learner()
        self.regrets = ("leader_regret_relative" if config.side == "leaders" else "follower_regret_relative",)
        self._recent: list[Metrics] = []

    @staticmethod
    def table(result: SetEvaluation[Any], name: str) -> NumberTable:
        """Regrets by size."""
        return set_table(result, escape(f"{result.summary()['markets']} held-out markets; trained on {name}"))

    @property
    def progress(self) -> int:
        """Updates."""
        return self.learner.update

    @property
    def finished(self) -> bool:
        """Whether all updates were made."""
        return self.learner.done

    def advance(self) -> None:
        """One update."""
        self._recent.append(self.learner.step())
        if len(self._recent) == _UPDATES_PER_POINT or self.finished:
            logger = self.loggers[HERE]
            for name in self._recent[0]:
                logger.record(f"train/{name}", float(np.mean([metrics[name] for metrics in self._recent])))
            logger.record("time/transitions", self.learner.transitions)
            logger.dump(self.progress)
            self._recent.clear()

    def policies(self) -> Mapping[str, OneSidePolicy]:
        """The network's."""
        return {HERE: self.learner.policy()}

    def evaluate_finally(self) -> tuple[SetEvaluation[Any], dict[str, Any]]:
        """Measure the policy in held-out markets of every size, with certified equilibria."""
        config = self.config
        sizes, count = evaluation_sizes(config.markets, config.larger_sizes), config.final_evaluation_markets
        result = evaluate_set_policy(self.learner.policy(), config.markets.held_out, sizes, count=count, certify=True)
        return result, result.figures()

    def _evaluate(self) -> SetEvaluation[Any]:
        sizes, count = [usual_size(self.config.markets)], self.config.evaluation_markets
        return evaluate_set_policy(self.learner.policy(), self.config.markets.held_out, sizes, count=count)

    def _by_folder(self, result: SetEvaluation[Any]) -> Mapping[str, tuple[dict[str, float], OneSidedEvaluation]]:
        usual = result.by_size[usual_size(self.config.markets)]
        return {HERE: (usual.point(), usual)}

    def _position(self) -> dict[str, int]:
        return {**super()._position(), "transitions": self.learner.transitions}

    def _evaluation_interval(self) -> int:
        return self.config.evaluation_interval

    def _state(self) -> dict[str, Any]:
        config = {"config": learning_fields(self.config)}
        return config | self.learner.state() | {"recent": self._recent}  # figures that TensorBoard is yet to show

    def _restore(self, state: Mapping[str, Any]) -> None:
        check_goes_on(state, self.config)
        self.learner.restore(state)
        self._recent = list(state["recent"])
