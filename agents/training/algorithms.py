"""The learner of one side, by its configuration's algorithm."""

from collections.abc import Callable
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from agents.algorithms import ALGORITHMS
from agents.config import TrainingConfig
from agents.training.vec_env import MarketVecEnv


def make_model(config: TrainingConfig, env: MarketVecEnv) -> BaseAlgorithm:
    """The learner of one side, untrained."""
    return config.algorithm.make(
        env,
        slots=config.slots,
        hidden=config.hidden,
        rate=_rate(config),
        usual_log_std=config.usual_log_std,
        seed=config.seed,
    )


def _rate(config: TrainingConfig) -> Callable[[float], float]:
    # The last rollout may reach beyond the end, where the rate would be negative and undo what was learned.
    return lambda remaining: config.learning_rate * max(remaining, 0.0)


def _algorithm(model: BaseAlgorithm) -> Any:
    return ALGORITHMS[type(model).__name__.lower()]()


def deterministic_layers(model: BaseAlgorithm) -> nn.Sequential:
    """What a model does on average, as layers from what it sees to its outputs; they share the model's weights."""
    return _algorithm(model).layers(model)


def nonlinearities(model: BaseAlgorithm) -> dict[str, Any]:
    """The ``activation`` and ``squashed`` of :func:`agents.policy.mlp.mlp` that :func:`deterministic_layers` have."""
    return {"activation": "relu", "squashed": _algorithm(model).squashed}
