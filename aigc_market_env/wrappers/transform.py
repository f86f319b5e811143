"""What most wrappers have in common: agent by agent, they change actions, observations, payoffs, and their spaces."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper, BaseWrapper

from aigc_market_env import spaces
from aigc_market_env.scenarios import Scenario

Env: TypeAlias = AECEnv[Any, Any, Any] | ParallelEnv[Any, Any, Any]
Array = npt.NDArray[Any]


class Transform:
    """A change of actions, observations or payoffs; as it stands here, none.

    What a subclass leaves as it is here is not asked for in a step.
    """

    def action_space(self, space: Box) -> Box:
        """The action space, from that of the environment inside."""
        return space

    def observation_space(self, agent: str, space: Box) -> Box:
        """The observation space of an agent, from that of the environment inside."""
        return space

    def action(self, action: Array, inside: Box) -> Array:
        """The action for the environment inside, whose space is given."""
        return action

    def observation(self, agent: str, observation: Array) -> Array:
        """What an agent is shown."""
        return observation

    def payoff(self, agent: str, payoff: float) -> float:
        """What an agent is paid."""
        return payoff

    def begin(self, market_env: Any) -> None:
        """An episode has begun in the market's environment."""


def transformed(env: Env, transform: Transform) -> Env:
    """The environment with a change, in the form that it has.

    Raises:
        ValueError: it is no PettingZoo environment of this package, wrapped or not.
    """
    check_market(env)
    return TransformedParallel(env, transform) if isinstance(env, ParallelEnv) else TransformedAEC(env, transform)


def check_market(env: object) -> None:
    """Make sure that what is to be wrapped is one of this package's PettingZoo environments, wrapped or not.

    Raises:
        ValueError: it is not.
    """
    ours = isinstance(env, AECEnv | ParallelEnv) and isinstance(getattr(env.unwrapped, "scenario", None), Scenario)
    if not ours:
        raise ValueError(
            f"env = {env!r} must be a PettingZoo environment of this package, such as market_v0.parallel_env(); "
            "for arrays and for Gymnasium's environments see docs/how-to/wrappers.md"
        )


class _Spaces:
    """The spaces of a transformed environment, and what its actions become."""

    env: Any
    _transform: Transform

    def _set_spaces(self) -> None:
        env, change = self.env, self._transform
        self.action_spaces = {agent: change.action_space(env.action_space(agent)) for agent in env.possible_agents}
        self.observation_spaces = {
            agent: change.observation_space(agent, env.observation_space(agent)) for agent in env.possible_agents
        }
        self._strict = getattr(env.unwrapped, "strict", False)
        self._acts, self._sees, self._earns = map(self._changes, ("action", "observation", "payoff"))

    def action_space(self, agent: str) -> Box:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]

    def observation_space(self, agent: str) -> Box:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def _changes(self, part: str) -> bool:
        """Whether the transform changes actions, observations or payoffs, ``part`` being the method that would."""
        return getattr(type(self._transform), part) is not getattr(Transform, part)

    def _inside(self, agent: str, action: npt.ArrayLike) -> Array:
        """An agent's action as the environment inside takes it.

        Raises:
            ValueError: it has a wrong shape, is not finite or, where the market is strict, is not in its space.
        """
        space = self.action_spaces[agent]
        plain = type(action) is np.ndarray and action.shape == space.shape and action.dtype in spaces.PLAIN
        if not plain or not np.isfinite(action).all():
            action = spaces.as_action(action, space.shape, repr(agent), strict=False)
        if self._strict:
            self._check_within(agent, np.asarray(action))
        return self._transform.action(np.asarray(action), self.env.action_space(agent))

    def _check_within(self, agent: str, action: Array) -> None:
        space = self.action_spaces[agent]
        outside = np.argwhere((action < space.low) | (action > space.high))
        if len(outside):
            index = tuple(int(i) for i in outside[0])
            bounds = f"[{space.low[index]:g}, {space.high[index]:g}]"
            raise ValueError(f"action of {agent!r}: entry {list(index)} = {action[index]} must be in {bounds}")


class TransformedParallel(_Spaces, BaseParallelWrapper[str, Any, Any]):
    """A Parallel environment with a change."""

    def __init__(self, env: ParallelEnv[Any, Any, Any], transform: Transform) -> None:
        BaseParallelWrapper.__init__(self, env)
        self._transform = transform
        self._set_spaces()

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See :meth:`~aigc_market_env.market_v0.parallel_env.reset`."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._transform.begin(self.env.unwrapped)
        return self._shown(observations), infos

    def step(self, actions: Mapping[str, npt.ArrayLike]) -> Any:
        """See :meth:`~aigc_market_env.market_v0.parallel_env.step`."""
        if self._acts and isinstance(
            actions, Mapping
        ):  # what is wrong otherwise, or unknown or missing, is told inside
            known = self.action_spaces
            actions = {agent: self._inside(agent, a) if agent in known else a for agent, a in actions.items()}
        observations, payoffs, terminations, truncations, infos = self.env.step(actions)
        if self._earns:
            payoffs = {agent: self._transform.payoff(agent, payoff) for agent, payoff in payoffs.items()}
        return self._shown(observations), payoffs, terminations, truncations, infos

    def _shown(self, observations: dict[str, Array]) -> dict[str, Array]:
        if not self._sees:
            return observations
        return {agent: self._transform.observation(agent, seen) for agent, seen in observations.items()}


class TransformedAEC(_Spaces, BaseWrapper[str, Any, Any]):
    """An AEC environment with a change."""

    def __init__(self, env: AECEnv[Any, Any, Any], transform: Transform) -> None:
        BaseWrapper.__init__(self, env)
        self._transform = transform
        self._set_spaces()

    @property
    def rewards(self) -> dict[str, float]:
        """What every agent was paid in the last step."""
        return self._paid(self.env.rewards)

    @property
    def _cumulative_rewards(self) -> dict[str, float]:
        """What every agent was paid since it acted last; what ``last()`` gives."""
        return self._paid(self.env._cumulative_rewards)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """See :meth:`~aigc_market_env.market_v0.raw_env.reset`."""
        self.env.reset(seed=seed, options=options)
        self._transform.begin(self.env.unwrapped)

    def step(self, action: npt.ArrayLike | None) -> None:
        """See :meth:`~aigc_market_env.market_v0.raw_env.step`."""
        agent = self.env.agent_selection
        if self._acts and action is not None and not self.env.truncations.get(agent, True):
            action = self._inside(agent, action)
        self.env.step(action)

    def observe(self, agent: str) -> Any:
        """See :meth:`~aigc_market_env.market_v0.raw_env.observe`."""
        return self._transform.observation(agent, self.env.observe(agent))

    def _paid(self, payoffs: Mapping[str, float]) -> dict[str, float]:
        return {agent: self._transform.payoff(agent, payoff) for agent, payoff in payoffs.items()}
