"""Training of both sides by PPO or SAC, each against the other as it is then.

Two time scales (Heusel et al., arXiv 1706.08500, call it that): providers' best responses depend on the rewards of a
slot alone, so they are learned first and then only kept up, on what the mobile users post by then and, for the other
half of the markets, on all that they might. Mobile users learn against the providers' current policy. Both learning
rates fall to zero, so that each side settles against one that has settled.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config import STREAMS_PER_SEED, JointConfig, TrainingConfig
from agents.documents import learning_fields
from agents.evaluation.both import JointEvaluation, evaluate_both
from agents.evaluation.reward_sources import Mixture, Posted, Situation, source_called
from agents.policy.files import ASPS_FOLDER, MUS_FOLDER, save_policy
from agents.policy.followers import FollowerPolicy
from agents.policy.leaders import LeaderPolicy
from agents.run_folder import keep_market, write_config
from agents.runs import METRICS_FILE, write_json
from agents.torch_settings import usual_numerics
from agents.training.algorithms import make_model
from agents.training.callbacks import MarketScalars, log_evaluation, worth_pictures
from agents.training.checkpoint import CHECKPOINT_FILE, Learner, load_joint_checkpoint, save_joint_checkpoint
from agents.training.follower_env import FollowerVecEnv
from agents.training.leader_env import LeaderVecEnv
from agents.training.loop import learn
from agents.training.one_side import (
    SidePolicy,
    check_same_run,
    extract_follower_policy,
    extract_policy,
    log_to,
)
from agents.training.progress import Bar
from agents.training.vec_env import MarketVecEnv
from aigc_market_env.model.parameters import FloatArray

#: The ASPs' markets draw from the second half of a run's streams, the MUs' from the first.
_STREAMS_OF_ASPS = STREAMS_PER_SEED // 2


@usual_numerics()
def train_both(config: JointConfig, out: Path, *, resume: bool = False) -> tuple[JointEvaluation, dict[str, Any]]:
    """Train MUs and ASPs against each other, evaluate, and write a run folder; ``resume`` goes on from a checkpoint.

    The folder has sub-folders ``mus`` and ``asps``, each with a policy and TensorBoard events of its own, whose steps
    are that side's transitions. Those of evaluations and of the learning curve are both sides'.

    Args:
        config: what to train.
        out: the run folder.
        resume: whether to continue what was begun there. A resumed run ends with the same weights, to the bit, as one
            that was never interrupted. It may be longer than it was; see :func:`agents.training.train_leaders`.

    Returns:
        The final evaluation, and what went into ``metrics.json``.

    Raises:
        ValueError: the scenario is unknown, or the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    config = keep_market(config, out)
    run = _Run(config)
    resumed = resume and (out / CHECKPOINT_FILE).exists()
    if resumed:
        run.load(out)
    for side in run.sides:
        log_to(out / side.name, side.model, config, run.curve if resumed else None)
    write_config(config, out)
    bar = Bar(config.transitions, run.curve, ["leader_regret_relative", "follower_regret_relative"])
    learn(run, out, bar, config.checkpoint_seconds)
    for side in run.sides:
        save_policy(side.policy, out / side.name)
    result = run.evaluate(config.final_evaluation_slots, certify=True)
    run.show(result, pictures=True)
    for side in run.sides:
        side.model.logger.close()
    metrics = {
        **result.figures(),
        "slots": sum(side.model.num_timesteps // side.env.num_agents for side in run.sides),
        "transitions": run.progress,
        "wall_seconds": run.seconds,
        "curve": run.curve,
    }
    write_json(out / METRICS_FILE, metrics)
    return result, metrics


@dataclass(frozen=True)
class Plan:
    """Who learns when, in rollouts: first the ASPs alone, then rounds of one rollout of the MUs and one of the ASPs.

    Attributes:
        head_start: rollouts of the ASPs alone.
        rounds: rounds.
    """

    head_start: int
    rounds: int

    @classmethod
    def of(cls, config: JointConfig, mus_rollout: int, asps_rollout: int, head_start: int | None = None) -> "Plan":
        """As many whole rounds as give at least the transitions asked for; sizes of rollouts are in transitions.

        Args:
            config: of the run.
            mus_rollout: transitions in a rollout of the MUs.
            asps_rollout: of the ASPs.
            head_start: rollouts that the ASPs learn alone, in a run that is begun; by default those of the
                configuration. A run that has become longer keeps what it was begun with.
        """
        if head_start is None:
            head_start = _whole(config.head_start * config.transitions, asps_rollout)
        return cls(head_start, _whole(config.transitions - head_start * asps_rollout, mus_rollout + asps_rollout))

    @property
    def rollouts(self) -> int:
        """How many there are in all."""
        return self.head_start + 2 * self.rounds

    def is_for_mus(self, rollout: int) -> bool:
        """Whether the MUs learn in this rollout, counted from 0."""
        return rollout >= self.head_start and (rollout - self.head_start) % 2 == 0

    def remaining(self, rollout: int) -> float:
        """What the learning rates of this rollout are, as a share of those at the start."""
        rounds_done = max(rollout - self.head_start, 0) // 2
        return 1.0 - rounds_done / self.rounds if self.rounds else 1.0


def _whole(transitions: float, rollout: int) -> int:
    return max(-int(-transitions // rollout), 0)


class _Side(Generic[SidePolicy]):
    """A learner, and its policy as the other side meets it.

    Attributes:
        name: of its sub-folder.
        env: where it learns.
        model: what learns.
        policy: a deterministic policy with a copy of the model's weights.
        rollout: transitions in a rollout.
    """

    policy: SidePolicy

    def __init__(
        self, name: str, env: MarketVecEnv, own: TrainingConfig, extract: Callable[[BaseAlgorithm], SidePolicy]
    ) -> None:
        self.name, self.env, self.model = name, env, make_model(own, env)
        self.rollout = own.slots * env.num_envs
        self._extract: Callable[[BaseAlgorithm], SidePolicy] = extract
        self._full_rate = self.model.lr_schedule(1.0)
        self.refresh()

    def begin(self, first_stream: int) -> None:
        """Open the markets, so that there is something to save before the side's first rollout."""
        self.env.seed(first_stream)  # the model has seeded it with its own seed
        self.model._last_obs = self.env.reset()
        self.model._last_episode_starts = np.ones(self.env.num_envs, bool)

    def refresh(self) -> None:
        """Have the policy be what the model is now."""
        self.policy = self._extract(self.model)

    def learn(self, remaining: float) -> None:
        """Play one rollout and learn from it."""
        self.model.lr_schedule = lambda _: self._full_rate * remaining
        self.model.learn(self.rollout, callback=MarketScalars(self.env), reset_num_timesteps=False)
        self.refresh()


class _Run:
    """Both sides, and what is known of the run so far."""

    def __init__(self, config: JointConfig) -> None:
        self.config, self.scenario = config, config.make_scenario()
        self.curve: list[dict[str, float]] = []
        self.rollouts, self._spent, self._began = 0, 0.0, time.monotonic()
        self.asps, self.mus = self._asps(), self._mus()
        self.sides = self.mus, self.asps
        self.plan = Plan.of(config, self.mus.rollout, self.asps.rollout)
        first_stream = config.seed * STREAMS_PER_SEED
        self.mus.begin(first_stream)
        self.asps.begin(first_stream + _STREAMS_OF_ASPS)

    def _asps(self) -> _Side[FollowerPolicy]:
        config, scenario = self.config, self.scenario
        own, usual = config.followers(), source_called(config.rewards)
        posted = Posted(lambda seen: self.mus.policy.act_batch(seen), config.posted_noise)
        mixture = Mixture([usual, posted], [1.0 - config.posted, config.posted])

        def source(situation: Situation) -> FloatArray:
            return (usual if self.rollouts < self.plan.head_start else mixture)(situation)

        env = FollowerVecEnv(scenario, config.markets, source=source)
        return _Side(ASPS_FOLDER, env, own, lambda trained: extract_follower_policy(trained, scenario, own.hidden))

    def _mus(self) -> _Side[LeaderPolicy]:
        config, scenario = self.config, self.scenario
        env = LeaderVecEnv(scenario, config.markets, followers=lambda seen: self.asps.policy.act_batch(seen))
        own = config.leaders()
        return _Side(MUS_FOLDER, env, own, lambda trained: extract_policy(trained, scenario, own.hidden))

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to learn."""
        return self.rollouts >= self.plan.rollouts

    @property
    def progress(self) -> int:
        """Transitions of both sides so far."""
        return sum(side.model.num_timesteps for side in self.sides)

    @property
    def seconds(self) -> float:
        """That the run has taken so far, in all its processes."""
        return self._spent + time.monotonic() - self._began

    def advance(self) -> None:
        """One rollout of the side whose turn it is."""
        side = self.mus if self.plan.is_for_mus(self.rollouts) else self.asps
        side.learn(self.plan.remaining(self.rollouts))
        self.rollouts += 1

    def evaluate(self, slots: int, *, certify: bool = False) -> JointEvaluation:
        """Measure both policies."""
        return evaluate_both(
            self.mus.policy.act_batch, self.asps.policy.act_batch, self.scenario, slots, certify=certify
        )

    def evaluate_when_due(self) -> None:
        """Extend the learning curve, every so many transitions."""
        every = self.config.evaluation_interval(max(side.rollout for side in self.sides))
        if not self.curve or self.progress - self.curve[-1]["transitions"] >= every:
            self.show(self.evaluate(self.config.evaluation_slots), pictures=worth_pictures(self.curve))

    def show(self, result: JointEvaluation, *, pictures: bool) -> None:
        """Add an evaluation to the learning curve and to the events of both sides."""
        self.curve.append({"transitions": self.progress, "wall_seconds": self.seconds, **result.point()})
        of_mus, of_asps = result.leaders.point() | result.of_mus(), result.followers.point() | result.of_asps()
        log_evaluation(self.mus.model.logger, of_mus, result.leaders, self.progress, pictures=pictures)
        log_evaluation(self.asps.model.logger, of_asps, result.followers, self.progress, pictures=pictures)

    def save(self, out: Path) -> None:
        """Write a checkpoint."""
        progress = {
            "config": learning_fields(self.config),
            "curve": self.curve,
            "wall_seconds": self.seconds,
            "rollouts": self.rollouts,
            "head_start": self.plan.head_start,
        }
        save_joint_checkpoint(out / CHECKPOINT_FILE, self._learners(), progress)

    def load(self, out: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: it is damaged, or of another configuration.
        """
        progress = load_joint_checkpoint(out / CHECKPOINT_FILE, self._learners())
        check_same_run(progress, self.config, out)
        self.curve, self._spent, self.rollouts = progress["curve"], progress["wall_seconds"], progress["rollouts"]
        rollouts = self.mus.rollout, self.asps.rollout
        begun = Plan.of(replace(self.config, transitions=progress["config"]["transitions"]), *rollouts)
        self.plan = Plan.of(self.config, *rollouts, head_start=progress.get("head_start", begun.head_start))
        for side in self.sides:
            side.refresh()

    def _learners(self) -> dict[str, Learner]:
        return {side.name: (side.model, side.env) for side in self.sides}
