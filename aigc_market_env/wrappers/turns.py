"""One side's turns: what a step is to an agent that learns where a slot is two."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

from aigc_market_env.wrappers.transform import check_market

Observations = dict[str, npt.NDArray[np.float32]]
#: What acts for the other side: from its agents' observations to their actions, by name.
Others = Callable[[Observations], Mapping[str, npt.ArrayLike]]


def own_turns(
    env: ParallelEnv[Any, Any, Any], side: Literal["mu", "asp"], others: Others
) -> ParallelEnv[Any, Any, Any]:
    """Agents of one side alone; a step is a slot, begins with what they see as they act, and pays for it.

    For usual loops where ASPs are agents. A Parallel slot is two steps there, *post* and *serve*. An MU that acts in
    the first is paid in the second; a loop that does not know credits its action with nothing, and its payoff to an
    action that was ignored. No order of steps avoids it as long as both sides act through one ``step``: what MUs are
    paid depends on what ASPs do after having seen the rewards. So here the other side acts within the step. With a
    policy that is learning, too, in an environment of its own, both sides are learners, each with its own turns. (An
    AEC loop needs no wrapper: ``last()`` gives an agent what it was paid since its own last action.)

    An episode has ``max_cycles // 2`` slots, and all are served. For ASPs give an odd ``max_cycles``: the MUs then post
    once more, so that an ASP's last observation is one to act on.

    Args:
        env: one of this package's Parallel environments with ``asps="agents"``, wrapped or not.
        side: ``"mu"`` or ``"asp"``, whose turns these are.
        others: acts for the other side, from its observations by agent to its actions, as ``env`` gives and takes them.

    Raises:
        ValueError: ``env`` or ``side`` is something else, ``others`` cannot be called, or an episode has no slot.

    Examples:
        >>> from aigc_market_env import market_v0, wrappers
        >>> env = market_v0.parallel_env("campus")
        >>> env = wrappers.own_turns(env, "mu", lambda seen: {asp: env.action_space(asp).sample() for asp in seen})
    """
    check_market(env)
    if not isinstance(env, ParallelEnv) or getattr(env.unwrapped, "asps", None) != "agents":
        raise ValueError(
            f"env = {env!r} must be a Parallel environment with asps='agents'; with asps='best_response' a step is a "
            "slot already, and in AEC environments last() pays for an agent's own turn"
        )
    if side not in ("mu", "asp"):
        raise ValueError(f"side = {side!r} must be 'mu' or 'asp'")
    if not callable(others):
        raise ValueError(f"others = {others!r} must be a function from observations by agent to actions by agent")
    if env.unwrapped.max_cycles < 2:
        raise ValueError("max_cycles = 1 is half a slot; make env with max_cycles=2 or more")
    return OwnTurns(env, side, others)


class OwnTurns(BaseParallelWrapper[str, Any, Any]):
    """See :func:`own_turns`."""

    def __init__(self, env: ParallelEnv[Any, Any, Any], side: str, others: Others) -> None:
        super().__init__(env)
        self._others, self._posting = others, side == "mu"
        everybody = env.possible_agents
        self.possible_agents = [agent for agent in everybody if agent.startswith(f"{side}_")]
        self._other_agents = [agent for agent in everybody if not agent.startswith(f"{side}_")]
        self.agents: list[str] = []
        self.action_spaces = {agent: env.action_space(agent) for agent in self.possible_agents}
        self.observation_spaces = {agent: env.observation_space(agent) for agent in self.possible_agents}
        # What those whose turn it is not are said to do: it is checked, and ignored.
        self._idle = {agent: env.action_space(agent).low for agent in everybody}

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observations, Any]:
        """Begin an episode; without a seed, the random stream goes on."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self.agents = list(self.possible_agents)
        self._slots_left = self.env.unwrapped.max_cycles // 2
        if not self._posting:
            observations, _, _, _, infos = self._others_turn(observations)
        return self._own(observations), self._own(infos)

    def step(self, actions: Mapping[str, npt.ArrayLike]) -> tuple[Any, Any, Any, Any, Any]:
        """Serve a slot.

        Raises:
            ValueError: an action is bad, missing or of an unknown agent, or the episode is over, and nothing changes;
                or ``others`` did not give an action for each agent of its side.
        """
        if not self.agents:
            raise ValueError("step() after the end of the episode; call reset() first")
        if not isinstance(actions, Mapping) or actions.keys() != self.action_spaces.keys():
            raise ValueError(f"actions must be a dictionary of one for each of {', '.join(self.possible_agents)}")
        observations, payoffs, _, _, infos = self.env.step(self._idle | dict(actions))
        clipped = {agent: infos[agent]["clipped"] for agent in self.possible_agents}
        if self._posting:
            observations, payoffs, _, _, infos = self._others_turn(observations)
        elif self.env.agents:
            observations, _, _, _, infos = self._others_turn(observations)
        self._slots_left -= 1
        over = self._slots_left == 0
        if over:
            self.agents = []
        own_infos = {agent: infos[agent] | {"clipped": count} for agent, count in clipped.items()}
        terminations, truncations = (dict.fromkeys(self.possible_agents, end) for end in (False, over))
        return self._own(observations), self._own(payoffs), terminations, truncations, own_infos

    def _others_turn(self, observations: Observations) -> Any:
        """Let the other side act on what it sees; what the step gives."""
        seen = {agent: observations[agent] for agent in self._other_agents}
        actions = self._others(seen)
        if not isinstance(actions, Mapping) or actions.keys() != seen.keys():
            raise ValueError(f"others gave {actions!r}, expected actions of {', '.join(seen)} by name")
        return self.env.step(self._idle | dict(actions))

    def _own(self, by_agent: Mapping[str, Any]) -> dict[str, Any]:
        return {agent: by_agent[agent] for agent in self.possible_agents}
