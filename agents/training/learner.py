"""What learns on one market: stable-baselines3's learner of a side, and its policy as the other side meets it."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from agents.config import FollowerConfig, LeaderConfig, TrainingConfig
from agents.policy.agent_features import Features
from agents.policy.followers import FollowerArchitecture, FollowerPolicy
from agents.policy.leaders import LeaderArchitecture, LeaderPolicy
from agents.training.follower_env import FollowerVecEnv
from agents.training.leader_env import LeaderVecEnv
from agents.training.tensorboard import MarketScalars
from agents.training.vec_env import MarketVecEnv
from aigc_market_env import Scenario
from aigc_market_env.evaluation.reward_sources import RewardSource
from aigc_market_env.model.parameters import FloatArray

SidePolicy = TypeVar("SidePolicy", LeaderPolicy, FollowerPolicy)


class Learner(Generic[SidePolicy]):
    """The learner of one side of a market.

    Args:
        env: where it learns.
        config: how.
        extract: a deterministic policy with a copy of a model's weights.

    Attributes:
        env: where it learns.
        model: what learns.
        policy: a deterministic policy with a copy of the model's weights.
        rollout: transitions in a rollout.
    """

    policy: SidePolicy

    def __init__(
        self, env: MarketVecEnv, config: TrainingConfig, extract: Callable[[BaseAlgorithm], SidePolicy]
    ) -> None:
        self.env, self.model, self._config = env, make_model(config, env), config
        self.rollout = config.rollout_size[1] * env.num_envs
        self._extract: Callable[[BaseAlgorithm], SidePolicy] = extract
        self._full_rate = self.model.lr_schedule(1.0)
        self.refresh()

    def begin(self, first_stream: int) -> None:
        """Open the markets, so that there is something to save before the first rollout."""
        self.env.seed(first_stream)  # the model has seeded it with its own seed
        self.model._last_obs = self.env.reset()
        self.model._last_episode_starts = np.ones(self.env.num_envs, bool)

    def refresh(self) -> None:
        """Have the policy be what the model is now."""
        self.policy = self._extract(self.model)

    def learn(self, remaining: float) -> None:
        """Play one rollout and learn from it, at a share of the learning rate.

        Raises:
            ValueError: the training has diverged.
        """
        self.model.lr_schedule = lambda _: self._full_rate * remaining
        usual = self._config.usual
        unsettled = max(remaining - usual.settled, 0.0) / (1.0 - usual.settled)
        self._config.algorithm.explore(self.model, usual_log_std=usual.log_std, remaining=unsettled)
        self.env.anneal(remaining)
        try:
            self.model.learn(self.rollout, callback=MarketScalars(self.env), reset_num_timesteps=False)
        except ValueError:  # what torch says of a distribution that is none, and environments of such actions
            self._check_finite()
            raise
        self._check_finite()
        self.refresh()

    def _check_finite(self) -> None:
        """Make sure that the model puts out numbers for what it sees.

        Raises:
            ValueError: it does not.
        """
        with torch.no_grad():
            outputs = self._config.algorithm.layers(self.model)(torch.from_numpy(np.array(self.model._last_obs)))
        if not bool(torch.isfinite(outputs).all()):
            rate = self._config.learning_rate
            raise ValueError(f"learning_rate = {rate!r}: the training has diverged; try again with a lower one")


def mu_learner(
    config: LeaderConfig, scenario: Scenario, followers: Callable[[Features], FloatArray] | None = None
) -> Learner[LeaderPolicy]:
    """The learner of the MUs, among ASPs at their best response or following a policy; see :class:`LeaderVecEnv`."""
    markets, copies = config.rollout_size[0], config.algorithm.copies if config.has_wallets else 1
    env = LeaderVecEnv(scenario, markets, followers=followers, horizon=config.horizon, copies=math.gcd(markets, copies))
    return Learner(env, config, lambda model: extract_leader_policy(model, scenario, config))


def asp_learner(config: FollowerConfig, scenario: Scenario, source: RewardSource) -> Learner[FollowerPolicy]:
    """The learner of the ASPs, on rewards from a source."""
    env = FollowerVecEnv(scenario, config.rollout_size[0], source=source)
    return Learner(env, config, lambda model: extract_follower_policy(model, scenario, config))


def make_model(config: TrainingConfig, env: MarketVecEnv) -> BaseAlgorithm:
    """What learns, untrained, by the configuration's algorithm."""
    usual, algorithm = config.usual, config.algorithm
    if algorithm.gamma is None:
        algorithm = replace(algorithm, gamma=usual.gamma)
    model = algorithm.make(
        env,
        slots=config.rollout_size[1],
        hidden=config.hidden,
        # The last rollout may reach beyond the end, where the rate would be negative and undo what was learned.
        rate=lambda remaining: config.learning_rate * max(remaining, 0.0),
        usual_log_std=usual.log_std,
        seed=config.seed,
    )
    last = [layer for layer in algorithm.layers(model) if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.bias.add_(usual.first_output)
    return model


def extract_leader_policy(model: BaseAlgorithm, scenario: Scenario, config: TrainingConfig) -> LeaderPolicy:
    """A deterministic policy of the MUs with a copy of the model's weights."""
    sizes, squashed = (scenario.num_mus, scenario.num_asps), config.algorithm.squashed
    architecture = LeaderArchitecture(*sizes, config.hidden, "relu", squashed, **scenario.extra_entries)
    return LeaderPolicy(architecture, _copy_weights(model, config, architecture.network()))


def extract_follower_policy(model: BaseAlgorithm, scenario: Scenario, config: TrainingConfig) -> FollowerPolicy:
    """A deterministic policy of the ASPs with a copy of the model's weights."""
    sizes, squashed = (scenario.num_mus, scenario.num_asps), config.algorithm.squashed
    slot_duration = float(scenario.sample(0).slot_duration)
    architecture = FollowerArchitecture(*sizes, config.hidden, slot_duration, activation="relu", squashed=squashed)
    return FollowerPolicy(architecture, _copy_weights(model, config, architecture.network()))


def _copy_weights(model: BaseAlgorithm, config: TrainingConfig, network: nn.Sequential) -> nn.Sequential:
    weights: dict[str, Any] = config.algorithm.layers(model).state_dict()
    network.load_state_dict({name: tensor.clone() for name, tensor in weights.items()}, assign=True)
    return network
