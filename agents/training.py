"""Training of the mobile users by PPO on a fixed market with fading links, ASPs at their best response."""

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import configure
from torch import nn

from agents.callbacks import Checkpoints, Evaluations, MarketScalars, ProgressBar
from agents.checkpoint import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from agents.evaluation import LeaderEvaluation, evaluate_leaders
from agents.leader_env import LeaderVecEnv
from agents.policy import Architecture, LeaderPolicy, save_policy
from agents.runs import CONFIG_FILE, METRICS_FILE, read_json, write_json
from aigc_market_env import Scenario
from aigc_market_env.scenarios import PRESETS, Dynamics

#: Market i of a run draws from stream ``seed · _STREAMS_PER_SEED + i``, so that runs of two seeds share none.
_STREAMS_PER_SEED = 100_000

#: Where the whole numbers of a configuration may lie.
_WHOLE_NUMBERS = {
    "market_seed": (0, 2**63 - 1),
    "seed": (0, 2**32 - 1),
    "transitions": (0, 2**63 - 1),
    "markets": (1, _STREAMS_PER_SEED),
    "slots": (1, 2**31 - 1),
    "batch_size": (2, 2**31 - 1),
    "epochs": (1, 2**31 - 1),
    "evaluate_every": (1, 2**63 - 1),
    "evaluation_slots": (1, 2**31 - 1),
    "final_evaluation_slots": (1, 2**31 - 1),
}


@dataclass(frozen=True)
class LeaderConfig:
    """Everything that a run depends on.

    A *transition* is one MU in one slot. Rollouts and batches are large, because small ones cap the speed of learning
    long before the environment does.

    Attributes:
        scenario: a preset's name or a market file.
        load: demand against capacity, for a preset.
        market_seed: which market of the preset.
        seed: of the learner and of the channels.
        transitions: how long to train.
        markets: copies of the market side by side, each with its own channels.
        slots: slots in a rollout.
        batch_size: transitions in a gradient step.
        epochs: passes over a rollout.
        learning_rate: at the start; it falls linearly to zero.
        hidden: width of each hidden layer.
        initial_log_std: log standard deviation of exploration, in outputs that span [-1, 1].
        evaluate_every: transitions between two measurements of regret.
        evaluation_slots: slots in each of them.
        final_evaluation_slots: slots in the last one.
        checkpoint_seconds: time between two checkpoints.
    """

    scenario: str = "campus"
    load: float = 1.0
    market_seed: int = 0
    seed: int = 0
    transitions: int = 2_000_000
    markets: int = 256
    slots: int = 8
    batch_size: int = 4096
    epochs: int = 6
    learning_rate: float = 1e-3
    hidden: tuple[int, ...] = (128, 128)
    initial_log_std: float = -1.0
    evaluate_every: int = 200_000
    evaluation_slots: int = 64
    final_evaluation_slots: int = 512
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name, (low, high) in _WHOLE_NUMBERS.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{name} = {value!r} must be a whole number from {low} to {high}")
        for name in ("load", "learning_rate", "initial_log_std", "checkpoint_seconds"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not math.isfinite(value):
                raise ValueError(f"{name} = {value!r} must be a finite number")
        if not self.hidden or not all(type(width) is int and 0 < width <= 65536 for width in self.hidden):
            raise ValueError(f"hidden = {self.hidden!r} must be widths from 1 to 65536")
        if not isinstance(self.scenario, str):
            raise ValueError(f"scenario = {self.scenario!r} must be a preset's name or a market file")

    def make_scenario(self) -> Scenario:
        """The fixed market with fading links that is trained on.

        Raises:
            ValueError: there is no such preset or file, or a load was given for a file.
        """
        if self.scenario in PRESETS:
            return Scenario.preset(self.scenario, load=self.load).fix(self.market_seed)
        if self.load != 1.0:
            raise ValueError("load applies to presets; a market file has its capacities")
        scenario = Scenario.of(self.scenario)
        return replace(scenario, dynamics=Dynamics())


def read_config(run: Path) -> LeaderConfig:
    """The configuration of a run folder.

    Raises:
        FileNotFoundError: the folder is not a run.
        ValueError: the file is damaged or from another version.
    """
    document = read_json(run / CONFIG_FILE)
    try:
        return LeaderConfig(**document | {"hidden": tuple(document["hidden"])})
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{run / CONFIG_FILE}: not the configuration of a run: {error}") from None


def train_leaders(config: LeaderConfig, out: Path, *, resume: bool = False) -> tuple[LeaderEvaluation, dict[str, Any]]:
    """Train, evaluate, and write a run folder; with ``resume``, go on from its checkpoint.

    Args:
        config: what to train.
        out: the run folder.
        resume: whether to continue what was begun there. A resumed run ends with the same weights, to the bit, as one
            that was never interrupted.

    Returns:
        The final evaluation, and what went into ``metrics.json``.

    Raises:
        ValueError: the scenario is unknown, or the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    scenario = config.make_scenario()
    env = LeaderVecEnv(scenario, config.markets)
    model = _make_model(config, env)
    env.seed(config.seed * _STREAMS_PER_SEED)  # PPO has seeded it with its own seed
    out.mkdir(parents=True, exist_ok=True)
    model.set_logger(configure(str(out), ["tensorboard"]))
    model.logger.record("config", "\n".join(f"    {key}: {value}" for key, value in asdict(config).items()))
    began, curve, spent = time.monotonic(), [], 0.0  # type: float, list[dict[str, float]], float
    if resume and (out / CHECKPOINT_FILE).exists():
        progress = load_checkpoint(out / CHECKPOINT_FILE, model, env)
        if progress.get("config") != _learning(config):
            raise ValueError(f"{out / CHECKPOINT_FILE}: of a run with another configuration than {out / CONFIG_FILE}")
        curve, spent = progress["curve"], progress["wall_seconds"]
    write_json(out / CONFIG_FILE, asdict(config))

    def clock() -> float:
        return spent + time.monotonic() - began

    def evaluate() -> LeaderEvaluation:
        policy = extract_policy(model, scenario, config.hidden)
        return evaluate_leaders(policy.act_batch, scenario, config.evaluation_slots)

    def state() -> dict[str, Any]:
        return {"config": _learning(config), "curve": curve, "wall_seconds": clock()}

    checkpoints = Checkpoints(out / CHECKPOINT_FILE, env, config.checkpoint_seconds, state)
    callbacks = [
        MarketScalars(env),
        Evaluations(evaluate, config.evaluate_every, curve, clock),
        checkpoints,
        ProgressBar(config.transitions, curve),
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
    policy = extract_policy(model, scenario, config.hidden)
    save_policy(policy, out)
    result = evaluate_leaders(policy.act_batch, scenario, config.final_evaluation_slots, certify=True)
    metrics = {
        "leader_regret_relative": result.leader_regret_relative,
        "follower_regret_relative": result.follower_regret_relative,
        "slots": model.num_timesteps // scenario.num_mus,
        "transitions": model.num_timesteps,
        "wall_seconds": clock(),
        "curve": curve,
    }
    write_json(out / METRICS_FILE, metrics)
    return result, metrics


def extract_policy(model: PPO, scenario: Scenario, hidden: tuple[int, ...]) -> LeaderPolicy:
    """A deterministic policy with a copy of the model's weights."""
    architecture = Architecture(scenario.num_mus, scenario.num_asps, hidden)
    network = architecture.network()
    layers = nn.Sequential(*model.policy.mlp_extractor.policy_net, model.policy.action_net)
    network.load_state_dict({name: tensor.clone() for name, tensor in layers.state_dict().items()}, assign=True)
    return LeaderPolicy(architecture, network)


def _make_model(config: LeaderConfig, env: LeaderVecEnv) -> PPO:
    hidden = list(config.hidden)
    rollout = env.num_envs * config.slots
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=lambda remaining: config.learning_rate * remaining,
        n_steps=config.slots,
        batch_size=_even_batch_size(rollout, config.batch_size),
        n_epochs=config.epochs,
        # Nothing that an MU does matters beyond the slot, so the return of an action is the slot's utility.
        gamma=0.0,
        gae_lambda=0.0,
        policy_kwargs={
            "net_arch": {"pi": hidden, "vf": hidden},
            "activation_fn": torch.nn.Tanh,
            "log_std_init": config.initial_log_std,
        },
        seed=config.seed,
        device="cpu",
    )


def _learning(config: LeaderConfig) -> dict[str, Any]:
    """What has to be the same when a run goes on, as plain numbers."""
    return {name: value for name, value in asdict(config).items() if name != "checkpoint_seconds"}


def _even_batch_size(rollout: int, batch_size: int) -> int:
    """The largest size up to ``batch_size`` that divides a rollout, unless that is less than half of it."""
    batches = math.ceil(rollout / batch_size)
    while rollout % batches:
        batches += 1
    even = rollout // batches
    return even if 2 * even >= min(batch_size, rollout) else min(batch_size, rollout)
