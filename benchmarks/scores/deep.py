"""PPO, SAC and MAPPO by the recipe of ``agents``, on a task's own environment and view; agents share parameters."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from agents.algorithms.algorithm import Algorithm
from agents.algorithms.ppo import PPO
from agents.config import STREAMS_PER_SEED, FollowerConfig, JointConfig, LeaderConfig
from agents.policy.actions import shares_of
from agents.policy.agent_features import Features, with_identity
from agents.torch_settings import one_torch_thread, usual_numerics
from agents.training.both import JointRun
from agents.training.leader_env import FIRST_UNSERVED_COST
from agents.training.learner import Learner, asp_learner, mu_learner
from agents.training.vec_env import MarketVecEnv
from aigc_market_env import BatchedMarketEnv
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks import Policy, Task

#: Is told of a policy while it learns: transitions, seconds, the policy.
Watch = Callable[[int, float, Policy], None]


class TaskVecEnv(MarketVecEnv):
    """The MUs of a task as independent learners, as :class:`~agents.training.leader_env.LeaderVecEnv` of a scenario.

    Args:
        task: of MUs, one size, no wallets.
        num_markets: markets side by side.
        joint: whether what all MUs of the market see follows what the MU itself does.

    Attributes:
        own: entries of what an MU itself sees.
        unserved_cost: see :class:`~agents.training.leader_env.LeaderVecEnv`.
    """

    def __init__(self, task: Task, num_markets: int, *, joint: bool) -> None:
        markets = task.batched_env(num_markets)
        assert isinstance(markets, BatchedMarketEnv)
        m, size = markets.num_mus, markets.single_observation_space["mu"].shape[0]
        self.own, self._joint, self._ends = m + size, joint, task.horizon
        super().__init__(markets, m, self.own + joint * m * size, markets.num_asps, task.horizon)
        self.unserved_cost = 0.0
        self._actions = np.zeros((num_markets, m, markets.num_asps))

    def anneal(self, remaining: float) -> None:
        """See :meth:`MarketVecEnv.anneal`."""
        self.unserved_cost = FIRST_UNSERVED_COST * remaining**2

    def step_async(self, actions: npt.NDArray[np.float32]) -> None:
        """Take the actions (B·M, N) for the next slot."""
        self._actions = shares_of(actions).reshape(self._actions.shape)

    def _begin(self) -> Features:
        observations, _ = self.markets.reset()
        return self._flat(observations["mu"])

    def _trade(self) -> tuple[Features, npt.NDArray[np.float64]]:
        scale = self.markets.base_market.satisfaction_scale
        observations, rewards, *_ = self.markets.step({"mu": self._actions})
        gains = rewards["mu"] / scale
        begins = (self.slot + 1) % self._ends == 0  # and nothing is known of the slot that was served
        if self.unserved_cost > 0.0 and not begins:
            unserved = self.markets.served.qoe == 0.0
            gains = gains + self.unserved_cost * np.where(unserved, np.log(self._actions), 0.0).sum(axis=-1)
        return self._flat(observations["mu"]), gains.ravel()

    def _flat(self, observations: npt.NDArray[np.float32]) -> Features:
        seen = with_identity(observations)
        if self._joint:
            whole = observations.reshape(len(observations), 1, -1)
            seen = np.concatenate([seen, np.repeat(whole, self.num_agents, axis=1)], axis=-1)
        return seen.reshape(self.num_envs, -1)


class FirstEntries(nn.Module):
    """What an actor sees of what a critic sees."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """The first entries alone."""
        return seen[..., : self.count]


class CentralCritic(ActorCriticPolicy):
    """An actor of an agent's own observation, and a critic of all agents'.

    Attributes:
        own: entries that the actor sees, the first ones; a subclass for each task says so.
    """

    own = 0

    def _build_mlp_extractor(self) -> None:
        super()._build_mlp_extractor()
        extractor = self.mlp_extractor
        first, *others = extractor.policy_net
        narrow = nn.Linear(self.own, first.weight.shape[0])
        extractor.policy_net = nn.Sequential(FirstEntries(self.own), narrow, *others)


@dataclass(frozen=True)
class MAPPO(PPO):
    """PPO with a critic that sees what all agents see (Yu et al., NeurIPS 2022, arXiv 2103.01955).

    Attributes:
        own: entries that the actor sees.
    """

    own: int = 0

    @property
    def policy(self) -> Any:
        """See :class:`CentralCritic`."""
        return type(CentralCritic.__name__, (CentralCritic,), {"own": self.own})


class Acting:
    """A network's policy of the MUs, deterministic."""

    def __init__(self, layers: nn.Sequential) -> None:
        self._layers = layers

    @torch.no_grad()
    def __call__(self, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Shares of ω/q. (B, M, N)."""
        return shares_of(self._layers(torch.from_numpy(with_identity(observations))).numpy())


def learn(
    task: Task, seed: int, algorithm: Algorithm, transitions: int, watch: Watch | None = None, *, central: bool = False
) -> tuple[Policy, int]:
    """Train whoever learns in a task.

    Args:
        task: not any-v1; with wallets, the critic is not central.
        seed: of the weights and the markets.
        algorithm: how.
        transitions: for how long, at the least.
        watch: is told at six points, evenly spaced.
        central: whether the critic sees what all MUs see, by :class:`MAPPO`.

    Returns:
        A policy and the transitions that it took.
    """
    with one_torch_thread(), usual_numerics():
        if task.has_wallets:
            return _mus_with_wallets(task, seed, algorithm, transitions)
        if task.roles == ("mu",):
            return _mus(task, seed, algorithm, transitions, watch, central=central)
        if task.roles == ("asp",):
            return _asps(task, seed, algorithm, transitions)
        return _both(task, seed, algorithm, transitions)


def _mus(
    task: Task, seed: int, algorithm: Algorithm, transitions: int, watch: Watch | None, *, central: bool
) -> tuple[Policy, int]:
    env = TaskVecEnv(task, 64, joint=central)
    algorithm = MAPPO(own=env.own) if central else algorithm
    config = LeaderConfig(seed=seed, transitions=transitions, algorithm=algorithm)
    learner: Any = Learner(env, config, lambda model: Acting(algorithm.layers(model)))
    learner.begin(seed * STREAMS_PER_SEED)
    _run(learner, transitions, watch)
    return learner.policy, learner.model.num_timesteps


def _mus_with_wallets(task: Task, seed: int, algorithm: Algorithm, transitions: int) -> tuple[Policy, int]:
    config = LeaderConfig(
        scenario=task.scenario, horizon=task.horizon, seed=seed, transitions=transitions, algorithm=algorithm
    )
    learner = mu_learner(config, task.scenario)
    learner.begin(seed * STREAMS_PER_SEED)
    _run(learner, transitions, None)
    return learner.policy.act_batch, learner.model.num_timesteps


def _asps(task: Task, seed: int, algorithm: Algorithm, transitions: int) -> tuple[Policy, int]:
    assert task.posts is not None
    config = FollowerConfig(seed=seed, transitions=transitions, algorithm=algorithm)
    learner = asp_learner(config, task.scenario, task.posts)
    learner.begin(seed * STREAMS_PER_SEED)
    _run(learner, transitions, None)
    return learner.policy.act_batch, learner.model.num_timesteps


def _both(task: Task, seed: int, algorithm: Algorithm, transitions: int) -> tuple[Policy, int]:
    assert task.market_seed is not None
    config = JointConfig(
        scenario=task.preset, market_seed=task.market_seed, seed=seed, transitions=transitions, algorithm=algorithm
    )
    run = JointRun(config)
    while not run.finished:
        run.advance()
    taken = sum(learner.model.num_timesteps for learner in run.learners.values())
    return {"mu": run.mus.policy.act_batch, "asp": run.asps.policy.act_batch}, taken


def _run(learner: Learner[Any], transitions: int, watch: Watch | None) -> None:
    rollouts, began, spent = max(-(-transitions // learner.rollout), 1), time.perf_counter(), 0.0
    points = {max(round(rollouts * i / 6), 1) for i in range(1, 7)}
    for rollout in range(rollouts):
        learner.learn(1.0 - rollout / rollouts)
        if watch is not None and rollout + 1 in points:
            paused = time.perf_counter()
            watch(learner.model.num_timesteps, paused - began - spent, learner.policy)
            spent += time.perf_counter() - paused
