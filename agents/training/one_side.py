"""Training by PPO or SAC on a fixed market with fading links: of the mobile users, or of the providers.

One trainer, two sides. A :class:`Side` is what differs: the environment, what a policy is made from the model, and how
it is measured.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from agents.config import STREAMS_PER_SEED, FollowerConfig, LeaderConfig, TrainingConfig
from agents.documents import as_document, goes_on, learning_fields
from agents.evaluation.followers import FollowerEvaluation, evaluate_followers
from agents.evaluation.leaders import LeaderEvaluation, evaluate_leaders
from agents.evaluation.reward_sources import NEAR
from agents.policy.files import save_policy
from agents.policy.followers import FollowerArchitecture, FollowerPolicy
from agents.policy.leaders import LeaderArchitecture, LeaderPolicy
from agents.run_folder import keep_market, read_config, write_config
from agents.runs import CONFIG_FILE, METRICS_FILE, write_json
from agents.torch_settings import usual_numerics
from agents.training.algorithms import deterministic_layers, make_model, nonlinearities
from agents.training.callbacks import Checkpoints, Evaluations, MarketScalars, ProgressBar, log_evaluation, open_log
from agents.training.checkpoint import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from agents.training.follower_env import FollowerVecEnv
from agents.training.leader_env import LeaderVecEnv
from agents.training.progress import Bar
from agents.training.vec_env import MarketVecEnv
from aigc_market_env import Scenario

__all__ = ["FollowerConfig", "LeaderConfig", "read_config", "train_followers", "train_leaders"]

SidePolicy = TypeVar("SidePolicy", LeaderPolicy, FollowerPolicy)
_Evaluation = TypeVar("_Evaluation", LeaderEvaluation, FollowerEvaluation)


@dataclass(frozen=True, eq=False)
class Side(Generic[SidePolicy, _Evaluation]):
    """What the two sides' training differs in.

    Attributes:
        env: where they learn.
        extract: a deterministic policy with a copy of a model's weights.
        evaluate: measures a policy while it learns.
        evaluate_finally: measures it when it has learned; further figures go into ``metrics.json``.
        regret: the figure that tells progress.
    """

    env: MarketVecEnv
    extract: Callable[[BaseAlgorithm], SidePolicy]
    evaluate: Callable[[SidePolicy], _Evaluation]
    evaluate_finally: Callable[[SidePolicy], tuple[_Evaluation, dict[str, Any]]]
    regret: str


@usual_numerics()
def train_leaders(config: LeaderConfig, out: Path, *, resume: bool = False) -> tuple[LeaderEvaluation, dict[str, Any]]:
    """Train the MUs against exact ASPs, evaluate, and write a run folder; with ``resume``, go on from its checkpoint.

    Args:
        config: what to train.
        out: the run folder.
        resume: whether to continue what was begun there. A resumed run ends with the same weights, to the bit, as one
            that was never interrupted. It may be longer than it was: from there on its learning rate falls as that of a
            run that was so long from the beginning.

    Returns:
        The final evaluation, and what went into ``metrics.json``.

    Raises:
        ValueError: the scenario is unknown, or the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    config = keep_market(config, out)
    scenario = config.make_scenario()

    def evaluate_finally(policy: LeaderPolicy) -> tuple[LeaderEvaluation, dict[str, Any]]:
        result = evaluate_leaders(policy.act_batch, scenario, config.final_evaluation_slots, certify=True)
        return result, {
            **result.relative.figures("leader_regret_relative"),
            **result.followers_relative.figures("follower_regret_relative"),
        }

    side = Side(
        env=LeaderVecEnv(scenario, config.markets),
        extract=lambda model: extract_policy(model, scenario, config.hidden),
        evaluate=lambda policy: evaluate_leaders(policy.act_batch, scenario, config.evaluation_slots),
        evaluate_finally=evaluate_finally,
        regret="leader_regret_relative",
    )
    return _train(config, side, out, resume=resume)


@usual_numerics()
def train_followers(
    config: FollowerConfig, out: Path, *, resume: bool = False
) -> tuple[FollowerEvaluation, dict[str, Any]]:
    """Train the ASPs on the rewards that the configuration names; otherwise like :func:`train_leaders`.

    Regret is measured on rewards from the source that is trained on. ``metrics.json`` also has
    ``follower_regret_relative_near``, that on rewards near equilibrium
    (:data:`~agents.evaluation.reward_sources.NEAR`), and ``leader_regret_relative``, that of the rewards posted, which
    nobody has learned.
    """
    config = keep_market(config, out)
    scenario, source = config.make_scenario(), config.make_source()

    def evaluate_finally(policy: FollowerPolicy) -> tuple[FollowerEvaluation, dict[str, Any]]:
        slots = config.final_evaluation_slots
        result = evaluate_followers(policy.act_batch, scenario, slots, source)
        near = evaluate_followers(policy.act_batch, scenario, slots, NEAR)
        return result, {
            **result.relative.figures("follower_regret_relative"),
            **result.as_posted.relative.figures("leader_regret_relative"),
            **near.relative.figures("follower_regret_relative_near"),
        }

    side = Side(
        env=FollowerVecEnv(scenario, config.markets, source=source),
        extract=lambda model: extract_follower_policy(model, scenario, config.hidden),
        evaluate=lambda policy: evaluate_followers(policy.act_batch, scenario, config.evaluation_slots, source),
        evaluate_finally=evaluate_finally,
        regret="follower_regret_relative",
    )
    return _train(config, side, out, resume=resume)


def _train(
    config: TrainingConfig, side: Side[SidePolicy, _Evaluation], out: Path, *, resume: bool
) -> tuple[_Evaluation, dict[str, Any]]:
    env = side.env
    model = make_model(config, env)
    env.seed(config.seed * STREAMS_PER_SEED)  # the model has seeded it with its own seed
    began, curve, spent = time.monotonic(), [], 0.0  # type: float, list[dict[str, float]], float
    resumed = resume and (out / CHECKPOINT_FILE).exists()
    if resumed:
        progress = load_checkpoint(out / CHECKPOINT_FILE, model, env)
        check_same_run(progress, config, out)
        curve, spent = progress["curve"], progress["wall_seconds"]
    log_to(out, model, config, curve if resumed else None)
    write_config(config, out)

    def clock() -> float:
        return spent + time.monotonic() - began

    def state() -> dict[str, Any]:
        return {"config": learning_fields(config), "curve": curve, "wall_seconds": clock()}

    bar = Bar(config.transitions, curve, [side.regret])
    checkpoints = Checkpoints(out / CHECKPOINT_FILE, env, config.checkpoint_seconds, state, bar.stopping)
    callbacks = [
        MarketScalars(env),
        Evaluations(
            lambda: side.evaluate(side.extract(model)),
            config.evaluation_interval(env.num_envs * config.slots),
            curve,
            clock,
        ),
        checkpoints,
        ProgressBar(bar),
    ]
    remaining = config.transitions - model.num_timesteps
    if remaining > 0:
        try:
            model.learn(remaining, callback=callbacks, reset_num_timesteps=False)
        finally:  # learn() itself does so only when nothing went wrong
            for callback in callbacks:
                callback.on_training_end()
        if checkpoints.stopped:
            raise KeyboardInterrupt
        save_checkpoint(out / CHECKPOINT_FILE, model, env, state())
    policy = side.extract(model)
    save_policy(policy, out)
    result, figures = side.evaluate_finally(policy)
    curve.append({"transitions": model.num_timesteps, "wall_seconds": clock(), **result.point()})
    log_evaluation(model.logger, result.point(), result, model.num_timesteps)
    model.logger.close()
    metrics = {
        **figures,
        "slots": model.num_timesteps // env.num_agents,
        "transitions": model.num_timesteps,
        "wall_seconds": clock(),
        "curve": curve,
    }
    write_json(out / METRICS_FILE, metrics)
    return result, metrics


def extract_policy(model: BaseAlgorithm, scenario: Scenario, hidden: tuple[int, ...]) -> LeaderPolicy:
    """A deterministic policy of the MUs with a copy of the model's weights."""
    architecture = LeaderArchitecture(scenario.num_mus, scenario.num_asps, hidden, **nonlinearities(model))
    return LeaderPolicy(architecture, _copy_weights(model, architecture.network()))


def extract_follower_policy(model: BaseAlgorithm, scenario: Scenario, hidden: tuple[int, ...]) -> FollowerPolicy:
    """A deterministic policy of the ASPs with a copy of the model's weights."""
    slot_duration = float(scenario.sample(0).slot_duration)
    sizes = scenario.num_mus, scenario.num_asps
    architecture = FollowerArchitecture(*sizes, hidden, slot_duration, **nonlinearities(model))
    return FollowerPolicy(architecture, _copy_weights(model, architecture.network()))


def _copy_weights(model: BaseAlgorithm, network: nn.Sequential) -> nn.Sequential:
    weights = deterministic_layers(model).state_dict()
    network.load_state_dict({name: tensor.clone() for name, tensor in weights.items()}, assign=True)
    return network


def log_to(folder: Path, model: BaseAlgorithm, config: TrainingConfig, resumed: list[dict[str, float]] | None) -> None:
    """Write a learner's TensorBoard events into a folder, the configuration first; see :func:`open_log`.

    Args:
        folder: for the events.
        model: the learner, which may have gone on from a checkpoint.
        config: of the run.
        resumed: the learning curve in that checkpoint; None for a run that begins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if resumed is None:
        logger = open_log(folder, as_document(config))
    else:
        evaluations = [point["transitions"] for point in resumed]
        logger = open_log(folder, as_document(config), model.num_timesteps, evaluations)
    model.set_logger(logger)


def check_same_run(progress: dict[str, Any], config: TrainingConfig, out: Path) -> None:
    """Make sure that what a checkpoint tells is of the run folder's own configuration, which may have become longer.

    Raises:
        ValueError: it is of another one.
    """
    if not goes_on(progress.get("config"), config):
        raise ValueError(f"{out / CHECKPOINT_FILE}: of a run with another configuration than {out / CONFIG_FILE}")
