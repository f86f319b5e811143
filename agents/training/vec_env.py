"""What the two sides' stable-baselines3 environments share: every agent of every market is one environment."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from stable_baselines3.common.vec_env import VecEnv

from agents.policy.agent_features import Features
from aigc_market_env import BatchedMarketEnv
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.spaces import OBSERVATION_BOUND


class MarketVecEnv(OwnsArrays, VecEnv):
    """One side of many markets as independent learners that share parameters.

    Environment ``i·A + a`` is agent a of market i. Without a horizon an episode never ends, because nothing that an
    agent does matters beyond the slot; every ``episode_slots`` slots the return is reported as that of an episode all
    the same. With one, episodes terminate: nothing that is left at the end is worth anything.

    Args:
        markets: the markets.
        num_agents: A, agents of the side in each market.
        observation_size: entries of what a learner sees.
        action_size: its outputs, each in [-1, 1].
        episode_slots: slots whose rewards are summed up for the episode statistics.
        horizon: slots after which the markets begin a new episode; None if they never do.
    """

    #: How many markets in a row go through the same episodes, differing in play alone.
    copies: int = 1
    #: Which entries of an observation a critic sees; None for all of them.
    critic_entries: Sequence[int] | None = None

    def __init__(
        self,
        markets: BatchedMarketEnv,
        num_agents: int,
        observation_size: int,
        action_size: int,
        episode_slots: int,
        horizon: int | None = None,
    ) -> None:
        self.markets = markets
        self.num_agents = num_agents
        self.episode_slots = horizon or episode_slots
        self.horizon = horizon
        self.render_mode = None
        super().__init__(
            markets.num_envs * num_agents,
            Box(-OBSERVATION_BOUND, OBSERVATION_BOUND, (observation_size,), np.float32),
            Box(-1.0, 1.0, (action_size,), np.float32),
        )
        self.slot = 0
        self.returns = np.zeros(self.num_envs)

    @abstractmethod
    def _begin(self) -> Features:
        """Reset the markets; the first observations (B·A, D)."""

    @abstractmethod
    def _trade(self) -> tuple[Features, npt.NDArray[np.float64]]:
        """Play one slot with the actions taken last; the next observations (B·A, D) and the rewards (B·A,)."""

    def reset(self) -> Features:
        """Begin an episode in every market."""
        observations = self._begin()
        self.slot = 0
        self.returns[:] = 0.0
        return observations

    def step_wait(
        self,
    ) -> tuple[Features, npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        """Trade one slot in every market."""
        observations, gains = self._trade()
        self.returns += gains
        self.slot += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        over = self.slot % self.episode_slots == 0
        if over:
            infos = [{"episode": {"r": total, "l": self.episode_slots}} for total in self.returns.tolist()]
            self.returns[:] = 0.0
        dones = np.full(self.num_envs, over and self.horizon is not None)
        return observations, gains.astype(np.float32), dones, infos

    def anneal(self, remaining: float) -> None:
        """Prepare for the next rollout, a share of the training, from 1 to 0, remaining; nothing by default."""

    def state(self) -> dict[str, Any]:
        """Copies of all that the environment's future depends on; for checkpoints."""
        return {"markets": self.markets.state(), "slot": self.slot, "returns": self.returns.copy()}

    def restore(self, markets: dict[str, npt.NDArray[Any]], slot: int, returns: npt.NDArray[np.float64]) -> None:
        """Go on from a :meth:`state` of an environment made with the same arguments, bit for bit.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        if returns.shape != self.returns.shape:
            raise ValueError(f"returns has shape {returns.shape}, expected {self.returns.shape}")
        self.markets.restore(markets)
        self.slot = int(slot)
        self.returns[:] = returns

    # What else a VecEnv is asked for ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing to close."""

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Reseed every market; the next reset uses it."""
        if seed is not None:
            self.markets.reseed(seed)
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of this object, once per environment asked for."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Environments are rows of one array and have no attributes of their own."""
        raise NotImplementedError(f"the environments of a {type(self).__name__} share all attributes")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Environments are rows of one array and have no methods of their own."""
        raise NotImplementedError(f"the environments of a {type(self).__name__} have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """No environment is wrapped."""
        return [False] * len(list(self._get_indices(indices)))
