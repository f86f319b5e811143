"""The learning algorithms: PPO, and SAC as an off-policy alternative, all of stable-baselines3, for either side."""

import math
from collections.abc import Callable
from typing import Any

from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from agents.config import TrainingConfig
from agents.training.vec_env import MarketVecEnv


def make_model(config: TrainingConfig, env: MarketVecEnv) -> BaseAlgorithm:
    """The learner of one side, untrained."""
    return {"ppo": _make_ppo, "sac": _make_sac}[config.algorithm](config, env)


def deterministic_layers(model: BaseAlgorithm) -> nn.Sequential:
    """What a model does on average, as layers from what it sees to its outputs; they share the model's weights."""
    policy: Any = model.policy
    if isinstance(model, SAC):
        return nn.Sequential(*policy.actor.latent_pi, policy.actor.mu, nn.Tanh())
    return nn.Sequential(*policy.mlp_extractor.policy_net, policy.action_net)


def nonlinearities(model: BaseAlgorithm) -> dict[str, Any]:
    """The ``activation`` and ``squashed`` of :func:`agents.policy.mlp.mlp` that :func:`deterministic_layers` have."""
    return {"activation": "relu", "squashed": isinstance(model, SAC)}


def _rate(config: TrainingConfig) -> Callable[[float], float]:
    # The last rollout may reach beyond the end, where the rate would be negative and undo what was learned.
    return lambda remaining: config.learning_rate * max(remaining, 0.0)


def _make_ppo(config: TrainingConfig, env: MarketVecEnv) -> PPO:
    hidden = list(config.hidden)
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=_rate(config),
        n_steps=config.slots,
        batch_size=_even_batch_size(env.num_envs * config.slots, config.batch_size),
        n_epochs=config.epochs,
        # Nothing that a learner does matters beyond the slot, so the return of an action is the slot's reward.
        gamma=0.0,
        gae_lambda=0.0,
        policy_kwargs={
            "net_arch": {"pi": hidden, "vf": hidden},
            "activation_fn": nn.ReLU,  # as good here as tanh, and an update takes a quarter less time
            "log_std_init": config.initial_log_std,
        },
        seed=config.seed,
        device="cpu",
    )


def _make_sac(config: TrainingConfig, env: MarketVecEnv) -> SAC:
    rollout = env.num_envs * config.slots
    return SAC(
        "MlpPolicy",
        env,
        learning_rate=_rate(config),
        # A transition's successor is the one stored next, so at least two slots must fit.
        buffer_size=max(config.replay, 2 * env.num_envs),
        optimize_memory_usage=True,
        replay_buffer_kwargs={"handle_timeout_termination": False},  # episodes do not end
        learning_starts=0,
        batch_size=config.batch_size,
        train_freq=config.slots,
        gradient_steps=math.ceil(config.epochs * rollout / config.batch_size),
        gamma=0.0,
        ent_coef=f"auto_{config.initial_entropy_coefficient}",
        policy_kwargs={"net_arch": list(config.hidden), "activation_fn": nn.ReLU},
        seed=config.seed,
        device="cpu",
    )


def _even_batch_size(rollout: int, batch_size: int) -> int:
    """The largest size up to ``batch_size`` that divides a rollout, unless that is less than half of it."""
    batches = math.ceil(rollout / batch_size)
    while rollout % batches:
        batches += 1
    even = rollout // batches
    return even if 2 * even >= min(batch_size, rollout) else min(batch_size, rollout)
