"""A run on one market, of one learner or of two."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape

from agents.config import STREAMS_PER_SEED, FixedMarketConfig
from agents.documents import learning_fields
from agents.policy.files import OneSidePolicy
from agents.reports.figures import save_drawings
from agents.reports.tables import evaluation_table
from agents.training.checkpoint import check_goes_on
from agents.training.learner import Learner
from agents.training.learner_state import learner_state, random_state, restore_learner, restore_random
from agents.training.run import Result, Run
from agents.training.schedule import Schedule
from aigc_market_env.evaluation.plays import plays_of
from aigc_market_env.evaluation.protocol import Evaluation
from experiments.tables import NumberTable


class MarketRun(Run[Result]):
    """Learners on copies of one market, one rollout of one learner at a time.

    Args:
        config: what to train.
        learners: by the sub-folder of the policy of each.
        schedule: which of them learns when.

    Attributes:
        rollouts: how many have been played.
    """

    save_figures = staticmethod(save_drawings)
    config: FixedMarketConfig

    def __init__(self, config: FixedMarketConfig, learners: Mapping[str, Learner[Any]], schedule: Schedule) -> None:
        super().__init__(config)
        self.learners, self.schedule, self.rollouts = learners, schedule, 0
        self.folders = tuple(learners)
        first, streams = config.seed * STREAMS_PER_SEED, STREAMS_PER_SEED // len(learners)
        for number, learner in enumerate(learners.values()):
            learner.begin(first + number * streams)

    @staticmethod
    def table(result: Evaluation, name: str) -> NumberTable:
        """What is learned beside the equilibrium and other play."""
        return evaluation_table(
            result, plays_of(result), escape(f"{name}: {result.summary()['slots']} evaluation slots")
        )

    @property
    def progress(self) -> int:
        """Transitions of all learners."""
        return sum(learner.model.num_timesteps for learner in self.learners.values())

    @property
    def finished(self) -> bool:
        """Whether all rollouts have been played."""
        return self.rollouts >= self.schedule.rollouts

    def advance(self) -> None:
        """One rollout of the learner whose turn it is."""
        learner = self.learners[self.schedule.who_learns(self.rollouts)]
        learner.learn(self.schedule.remaining(self.rollouts))
        self.rollouts += 1

    def policies(self) -> Mapping[str, OneSidePolicy]:
        """Of each learner."""
        return {folder: learner.policy for folder, learner in self.learners.items()}

    def amounts(self) -> dict[str, int]:
        """Slots, those of each learner counted, and transitions."""
        each = self.learners.values()
        return {"slots": sum(one.model.num_timesteps // one.env.num_agents for one in each), **self._position()}

    def open_logs(self, out: Path, *, resumed: bool) -> None:
        """Have the learners write events as well."""
        super().open_logs(out, resumed=resumed)
        for folder, learner in self.learners.items():
            learner.model.set_logger(self.loggers[folder])

    def _evaluation_interval(self) -> int:
        return self.config.evaluation_interval(max(learner.rollout for learner in self.learners.values()))

    def _state(self) -> dict[str, Any]:
        learners = {folder: learner_state(learner.model, learner.env) for folder, learner in self.learners.items()}
        so_far = {"config": learning_fields(self.config), "rollouts": self.rollouts, "learners": learners}
        return so_far | random_state()

    def _restore(self, state: Mapping[str, Any]) -> None:
        check_goes_on(state, self.config)
        for folder, learner in self.learners.items():
            restore_learner(state["learners"][folder], learner.model, learner.env)
            learner.refresh()
        restore_random(state)
        self.rollouts = int(state["rollouts"])
