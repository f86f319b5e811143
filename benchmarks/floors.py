"""Environments that do nothing: what PettingZoo's and stable-baselines3's interfaces cost by themselves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from pettingzoo import ParallelEnv
from stable_baselines3.common.vec_env import VecEnv


class DoNothingParallelEnv(ParallelEnv[str, npt.NDArray[np.float32], npt.ArrayLike]):
    """A native Parallel environment with the agents and spaces of another that computes nothing.

    Observations are views of one array, made once; the five dictionaries are made at every step, as PettingZoo's
    interface asks, and every agent has an info of its own.

    Args:
        twin: the environment whose agents and spaces to take.
        max_cycles: steps in an episode.
    """

    metadata: dict[str, Any] = {"name": "do_nothing"}  # noqa: RUF012 - PettingZoo's own convention

    def __init__(self, twin: Any, max_cycles: int = 64) -> None:
        self.possible_agents = list(twin.possible_agents)
        self.agents: list[str] = []
        self.max_cycles = max_cycles
        self.observation_spaces = {agent: twin.observation_space(agent) for agent in self.possible_agents}
        self.action_spaces = {agent: twin.action_space(agent) for agent in self.possible_agents}
        sizes = [space.shape[0] for space in self.observation_spaces.values()]
        ends = np.cumsum(sizes)
        self._rows = np.split(np.zeros(ends[-1], np.float32), ends[:-1])
        self._cycle = 0

    def observation_space(self, agent: str) -> Box:
        """The twin's."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """The twin's."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Begin an episode."""
        self.agents = list(self.possible_agents)
        self._cycle = 0
        return dict(zip(self.agents, self._rows, strict=True)), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, npt.ArrayLike]
    ) -> tuple[
        dict[str, npt.NDArray[np.float32]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Build what a step returns."""
        agents = self.agents
        self._cycle += 1
        over = self._cycle >= self.max_cycles
        if over:
            self.agents = []
        return (
            dict(zip(agents, self._rows, strict=True)),
            dict.fromkeys(agents, 0.0),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, over),
            {agent: {} for agent in agents},
        )


class DoNothingVecEnv(VecEnv):
    """A VecEnv with the spaces and the size of another that returns the same arrays at every step.

    Args:
        twin: the VecEnv whose spaces and number of environments to take.
    """

    def __init__(self, twin: VecEnv) -> None:
        self.render_mode = None
        super().__init__(twin.num_envs, twin.observation_space, twin.action_space)
        shape = (self.num_envs, *self.observation_space.shape)
        self._returned = (
            np.zeros(shape, np.float32),
            np.zeros(self.num_envs, np.float32),
            np.zeros(self.num_envs, bool),
            [{} for _ in range(self.num_envs)],
        )

    def reset(self) -> npt.NDArray[np.float32]:
        """The one observation."""
        return self._returned[0]

    def step_async(self, actions: npt.NDArray[np.float32]) -> None:
        """Forget the actions."""

    def step_wait(self) -> tuple[Any, ...]:
        """The same observations, rewards, ends and infos as ever."""
        return self._returned

    def close(self) -> None:
        """Nothing to close."""

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Nothing is random."""
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of this object, once per environment asked for."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of this object."""
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of this object, once per environment asked for."""
        return [getattr(self, method_name)(*args, **kwargs) for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Never wrapped."""
        return [False] * len(list(self._get_indices(indices)))
