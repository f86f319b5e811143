"""Training of both sides by PPO or SAC, each against the other as it is then.

Two time scales (Heusel et al., arXiv 1706.08500, call it that): providers' best responses depend on the rewards of a
slot alone, so they are learned first and then only kept up, on what the mobile users post by then and, for the other
half of the markets, on all that they might. Mobile users learn against the providers' current policy. Both learning
rates fall to zero, so that each side settles against one that has settled.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.config import JointConfig
from agents.policy.files import ASPS_FOLDER, MUS_FOLDER
from agents.policy.followers import FollowerPolicy
from agents.training.learner import Learner, asp_learner, mu_learner
from agents.training.market_run import MarketRun
from agents.training.run import train
from agents.training.schedule import InTurns
from aigc_market_env.evaluation.both import JointEvaluation, evaluate_both
from aigc_market_env.evaluation.protocol import OneSidedEvaluation
from aigc_market_env.evaluation.reward_sources import Mixture, Posted, Situation, source_called
from aigc_market_env.model.parameters import FloatArray


def train_both(config: JointConfig, out: Path, *, resume: bool = False) -> tuple[JointEvaluation, dict[str, Any]]:
    """Train MUs and ASPs against each other; otherwise like :func:`agents.training.train_leaders`.

    The folder has sub-folders ``mus`` and ``asps``, each with a policy and TensorBoard events of its own. Steps of
    all events, and of the learning curve, are both sides' transitions.
    """
    return train(JointRun, config, out, resume=resume)


class JointRun(MarketRun[JointEvaluation]):
    """MUs and ASPs learn in turns; the ASPs have a head start.

    Args:
        config: what to train.
    """

    config: JointConfig
    schedule: InTurns
    regrets = ("leader_regret_relative", "follower_regret_relative")

    def __init__(self, config: JointConfig) -> None:
        self.scenario = config.make_scenario()
        self.asps = self._asp_learner(config)
        self.mus = mu_learner(config.leaders(), self.scenario, lambda seen: self.asps.policy.act_batch(seen))
        learners: dict[str, Learner[Any]] = {MUS_FOLDER: self.mus, ASPS_FOLDER: self.asps}
        super().__init__(config, learners, InTurns.of(config, self.mus.rollout, self.asps.rollout))

    def _asp_learner(self, config: JointConfig) -> Learner[FollowerPolicy]:
        usual = source_called(config.rewards)
        posted = Posted(lambda seen: self.mus.policy.act_batch(seen), config.posted_noise)
        mixture = Mixture([usual, posted], [1.0 - config.posted, config.posted])

        def source(situation: Situation) -> FloatArray:
            return (usual if self.rollouts < self.schedule.head_start else mixture)(situation)

        return asp_learner(config.followers(), self.scenario, source)

    def _evaluate(self) -> JointEvaluation:
        return self._measured(self.config.evaluation_slots)

    def evaluate_finally(self) -> tuple[JointEvaluation, dict[str, Any]]:
        """Measure each side against exact opponents and against the other, with certified equilibria."""
        result = self._measured(self.config.final_evaluation_slots, certify=True)
        return result, result.figures()

    def _measured(self, slots: int, *, certify: bool = False) -> JointEvaluation:
        post, serve = self.mus.policy.act_batch, self.asps.policy.act_batch
        return evaluate_both(post, serve, self.scenario.held_out, slots, certify=certify)

    def _by_folder(self, result: JointEvaluation) -> Mapping[str, tuple[dict[str, float], OneSidedEvaluation]]:
        return {
            MUS_FOLDER: (result.leaders.point() | result.of_mus(), result.leaders),
            ASPS_FOLDER: (result.followers.point() | result.of_asps(), result.followers),
        }

    def _point(self, result: JointEvaluation) -> dict[str, float]:
        return result.point()

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"head_start": self.schedule.head_start}

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        head_start = int(state["head_start"])  # a run that has become longer keeps what it was begun with
        self.schedule = InTurns.of(self.config, self.mus.rollout, self.asps.rollout, head_start)
