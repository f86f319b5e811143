"""The PettingZoo environment of the market, version 0: AEC and Parallel.

**Agents.** ``mu_0 … mu_{M-1}``, the mobile users, and ``asp_0 … asp_{N-1}``, the AIGC service providers; with
``asps="best_response"`` the ASPs respond exactly and are not agents.

**Slot.** MUs post rewards, all at once and none seeing the others'; ASPs see the rewards posted to them and allocate;
payoffs are given when the slot closes; channels fade; the next slot begins. Nothing that an agent does changes the
channels, so the equilibrium of the slot, played in every slot, is an equilibrium of the whole.

| agent | observation | action | reward |
|---|---|---|---|
| ``mu_m`` | Box(-10, 10, (9+8N,)) | Box(0, 1, (N,)): rewards as shares of ω/q | U = satisfaction - payments |
| ``asp_n`` | Box(-10, 10, (7+12M,)) | Box(0, 1, (2, M)): shares of compute and bandwidth | P = payments - costs |

Satisfaction is ω log(1 + Q/q) or, with satiation k, ω (1 - (1 + Q/q)^-k)/k; an MU's observation then has an entry more.
Rewards are in credits per slot. A share of compute, row 0, or of bandwidth, row 1, is what the ASP gives that MU.

**Wallets.** With ``wallet=``, or in a scenario that has one, such as the preset ``prepaid``, what an MU pays now is
missing later (docs/wallets.md). MUs then have seven more entries, and are told how many slots are left of the episode's
``max_cycles``. An MU without money posts nothing, whatever its action; one whose money covers only a share of what it
would pay is served for that share of the slot.

**Views.** ``view="links"`` hides from MUs what only the market tells, ``view="full"`` shows them all of it
(:mod:`aigc_market_env.views`); their observations then are shorter or longer.

What every entry of an observation means is listed by :mod:`aigc_market_env.spaces`. Observations are float32, finite
and of order one. A row of an ASP's action that sums to more than 1 is scaled down to 1, so capacities always hold.

**AEC** (:func:`env`): each slot, every MU acts and then every ASP. **Parallel** (:func:`parallel_env`): with
``asps="agents"`` a slot is two steps, *post* and *serve*. All agents stay in ``agents``; the actions of the group whose
turn it is not must be valid but are ignored, and the first entry of the observation and ``info["acting"]`` say whose
turn it is. For loops that do not look, :func:`aigc_market_env.wrappers.own_turns` gives each agent its own turns alone.

**End.** Episodes are truncated after ``max_cycles`` turns of each agent (AEC) or steps (Parallel); they never
terminate. A Parallel episode of an odd number of steps with ``asps="agents"`` ends after *post*, unpaid.

**Actions** of any number type are taken. Not finite, of a wrong shape, missing, or of an unknown agent: ValueError, and
the environment stays as it was. Finite but outside [0, 1]: clipped, and counted in ``info["clipped"]``; with
``strict=True``, a ValueError.

Examples:
    >>> from aigc_market_env import market_v0
    >>> env = market_v0.parallel_env("campus", asps="best_response", max_cycles=8)
    >>> observations, infos = env.reset(seed=0)
    >>> while env.agents:
    ...     actions = {name: env.action_space(name).sample() for name in env.agents}
    ...     observations, rewards, terminations, truncations, _ = env.step(actions)
"""

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.env import AECIterable
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market_env._engine.single import SingleMarket
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.views import ViewName
from aigc_market_env.wallets import Wallet, WalletRange

__all__ = ["env", "parallel_env", "raw_env"]

ScenarioLike = str | PathLike[str] | Scenario | Market
Observation = npt.NDArray[np.float32]


class _SetByReset:
    """An attribute that ``reset()`` sets. ``__getattr__`` could say so too, but would slow down all that are there."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        raise AttributeError(f"{self._name} cannot be accessed before reset")


class _Turns(AECIterable[str, Observation, npt.ArrayLike]):
    """What PettingZoo's class of that name does, in less time a turn."""

    def __iter__(self) -> Iterator[str]:
        env, left = self.env, self.max_iter
        while left > 0 and env.agents:
            yield env.agent_selection
            left -= 1


class raw_env(SingleMarket, AECEnv[str, Observation, npt.ArrayLike]):  # noqa: N801 - PettingZoo's naming
    """The market as an AEC environment; see the module for observations, actions and rewards.

    It enforces the order of calls by itself, and needs none of PettingZoo's wrappers.

    Args:
        scenario: a preset's name, a market file, a Scenario or a Market.
        max_cycles: turns of each agent in an episode.
        render_mode: None, ``"ansi"``, ``"rgb_array"`` or ``"human"``.
        asps: ``"agents"``, or ``"best_response"`` for ASPs that respond exactly.
        strict: whether a finite action outside of [0, 1] is an error.
        wallet: the MUs', instead of the scenario's own.
        view: what MUs observe: ``"board"``, as in the module, ``"links"`` or ``"full"``.

    Raises:
        ValueError: an argument is not one of those above.
    """

    # Not parallelizable: a follower's observation would be from before the leaders moved.
    metadata: ClassVar[dict[str, Any]] = SingleMarket.metadata | {"is_parallelizable": False}
    _cycles_per_slot: ClassVar[int] = 1
    _hands_out: ClassVar[bool] = False

    agents: Any = _SetByReset()
    agent_selection: Any = _SetByReset()
    rewards: Any = _SetByReset()
    terminations: Any = _SetByReset()
    truncations: Any = _SetByReset()
    infos: Any = _SetByReset()

    def __init__(
        self,
        scenario: ScenarioLike = "campus",
        max_cycles: int = 64,
        render_mode: str | None = None,
        *,
        asps: Literal["agents", "best_response"] = "agents",
        strict: bool = False,
        wallet: Wallet | WalletRange | None = None,
        view: ViewName = "board",
    ) -> None:
        SingleMarket.__init__(self, scenario, max_cycles, render_mode, asps, strict, wallet, view)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode; without a seed, the random stream goes on.

        Raises:
            ValueError: the seed is no integer >= 0, or there are options, which mean nothing here. Nothing changes.
        """
        self._begin(seed, options)
        self.agents = list(self.possible_agents)
        self.rewards = self._nothing.copy()
        self._cumulative_rewards = self._nothing.copy()
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {"acting": True, "clipped": 0} for agent in self.agents}
        self._turn = 0
        self._cycle = 0
        self.agent_selection = self.agents[0]

    def step(self, action: npt.ArrayLike | None) -> None:
        """Take the selected agent's action; the slot closes with the last agent's.

        Raises:
            ValueError: the action is bad, or the episode is over. Nothing changes.
        """
        if not self._has_reset:
            EnvLogger.error_step_before_reset()
        agent, truncations = self.agent_selection, self.truncations
        if not truncations:  # of nobody
            raise ValueError("step() after the end of the episode; call reset() first")
        if truncations[agent]:
            self._was_dead_step(action)
            return
        clipped = self._store(agent, action)
        self.infos[agent] = {"acting": True, "clipped": clipped}
        self._cumulative_rewards[agent] = 0.0
        turn = self._turn
        if turn == 0:
            self.rewards = self._nothing.copy()
        turn += 1
        if turn == len(self.possible_agents):
            turn = 0
            self._close_slot()
        elif turn == self.num_mus:
            self._post()
        self._turn = turn
        self.agent_selection = self.possible_agents[turn]
        if turn == 0 and self.render_mode == "human":
            self.render()

    def _close_slot(self) -> None:
        self.rewards = self._serve()
        self._cumulative_rewards = self.rewards.copy()  # all agents have acted in this slot, which set theirs to 0
        self._cycle += 1
        if self._cycle >= self.max_cycles:
            self.truncations = dict.fromkeys(self.agents, True)

    def agent_iter(self, max_iter: int = 2**63) -> AECIterable[str, Observation, npt.ArrayLike]:
        """The agent whose turn it is, until the episode is over or there were ``max_iter`` turns."""
        return _Turns(self, max_iter)

    def observe(self, agent: str) -> Observation:
        """A fresh copy of what the agent sees now. The array is never overwritten later."""
        if not self._has_reset:
            EnvLogger.error_observe_before_reset()
        return (self._current if self.view == "board" else self._observations())[agent].copy()


class parallel_env(SingleMarket, ParallelEnv[str, Observation, npt.ArrayLike]):  # noqa: N801 - PettingZoo's naming
    """The market as a Parallel environment; see the module for observations, actions and rewards.

    Args:
        scenario: a preset's name, a market file, a Scenario or a Market.
        max_cycles: steps in an episode.
        render_mode: None, ``"ansi"``, ``"rgb_array"`` or ``"human"``.
        asps: ``"agents"`` (a slot is two steps), or ``"best_response"`` for ASPs that respond exactly (one step).
        strict: whether a finite action outside of [0, 1] is an error.
        wallet: the MUs', instead of the scenario's own.
        view: what MUs observe: ``"board"``, as in the module, ``"links"`` or ``"full"``.

    Raises:
        ValueError: an argument is not one of those above.
    """

    metadata: ClassVar[dict[str, Any]] = SingleMarket.metadata | {"is_parallelizable": True}
    _cycles_per_slot: ClassVar[int] = 2
    _hands_out: ClassVar[bool] = True

    def __init__(
        self,
        scenario: ScenarioLike = "campus",
        max_cycles: int = 64,
        render_mode: str | None = None,
        *,
        asps: Literal["agents", "best_response"] = "agents",
        strict: bool = False,
        wallet: Wallet | WalletRange | None = None,
        view: ViewName = "board",
    ) -> None:
        SingleMarket.__init__(self, scenario, max_cycles, render_mode, asps, strict, wallet, view)
        self.agents: list[str] = []
        # The infos of an ordinary step, when it is the ASPs' turn and when it is the MUs'.
        self._plain_infos = [
            [
                (agent, {"acting": (position < self.num_mus) is turn, "clipped": 0})
                for position, agent in enumerate(self.possible_agents)
            ]
            for turn in (False, True)
        ]
        self._all = {answer: dict.fromkeys(self.possible_agents, answer) for answer in (False, True)}

    @property
    def rewards(self) -> FloatArray:
        """Rewards posted in the slot last served, like :attr:`posted_rewards`."""
        return self.posted_rewards

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Begin an episode; without a seed, the random stream goes on.

        Raises:
            ValueError: the seed is no integer >= 0, or there are options, which mean nothing here. Nothing changes.
        """
        self._begin(seed, options)
        self.agents = list(self.possible_agents)
        self._cycle = 0
        return self._observations(), self._infos(None)

    def step(
        self, actions: Mapping[str, npt.ArrayLike]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Take one step with the actions of all agents.

        Raises:
            ValueError: an action is bad, missing or of an unknown agent, or the episode is over. Nothing changes.
        """
        if not self._has_reset:
            EnvLogger.error_step_before_reset()
        if not self.agents:
            raise ValueError("step() after the end of the episode; call reset() first")
        clipped = self._store_all(actions)
        if self._mus_turn and self.asps == "agents":
            self._post()
            rewards = self._nothing.copy()
        else:
            rewards = self._serve()
        self._cycle += 1
        over = self._cycle >= self.max_cycles
        observations, infos = self._observations(), self._infos(clipped)
        if over:
            self.agents = []
        if self.render_mode == "human":
            self.render()
        return observations, rewards, self._all[False].copy(), self._all[over].copy(), infos

    def _infos(self, clipped: list[int] | None) -> dict[str, dict[str, Any]]:
        infos: dict[str, Any] = self._nothing.copy()  # with room for all, as in _serve
        for agent, info in self._plain_infos[self._mus_turn]:
            infos[agent] = info.copy()
        if clipped is not None:
            for info, count in zip(infos.values(), clipped, strict=True):
                info["clipped"] = count
        return infos


def env(
    scenario: ScenarioLike = "campus",
    max_cycles: int = 64,
    render_mode: str | None = None,
    *,
    asps: Literal["agents", "best_response"] = "agents",
    strict: bool = False,
    wallet: Wallet | WalletRange | None = None,
    view: ViewName = "board",
) -> raw_env:
    """The market as an AEC environment: each slot, every MU acts, then every ASP. See :class:`raw_env`."""
    return raw_env(scenario, max_cycles, render_mode, asps=asps, strict=strict, wallet=wallet, view=view)
