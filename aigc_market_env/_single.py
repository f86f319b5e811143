"""What the AEC and the Parallel environment share: one market, its agents, their actions and observations (private)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market_env import rendering, spaces
from aigc_market_env._engine import Engine
from aigc_market_env._options import check_asps, positive_integer
from aigc_market_env.market import FloatArray, Market
from aigc_market_env.scenarios import Scenario

#: Attributes that are views of buffers.
_VIEWS = ("_groups", "_rows", "_payoffs")


class Group:
    """Agents that act together, and where their actions are kept: an array with a row for each."""

    def __init__(self, agents: list[str], rows: FloatArray) -> None:
        self.agents = agents
        self.shapes = [row.shape for row in rows]
        self.flat = rows.reshape(-1)
        self.joined = rows.reshape(-1, *rows.shape[2:])

    def store(self, actions: list[Any]) -> bool:
        """Keep the actions of all agents if they are plain arrays with nothing to object to; whether they are."""
        try:
            if [action.shape for action in actions] != self.shapes:
                return False
            np.concatenate(actions, out=self.joined)
        except (AttributeError, TypeError, ValueError):
            return False
        return not spaces.any_outside(self.flat)


class SingleMarket:
    """One lane of the engine, and the names, spaces and buffers of its agents."""

    metadata: ClassVar[dict[str, Any]] = {
        "name": "market_v0",
        "render_modes": ["ansi", "rgb_array", "human"],
        "render_fps": 2,
    }

    def __init__(
        self,
        scenario: Any,
        max_cycles: int,
        render_mode: str | None,
        asps: Literal["agents", "best_response"],
        strict: bool,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode = {render_mode!r} must be None or one of {self.metadata['render_modes']}")
        self.scenario = Scenario.of(scenario)
        self.max_cycles = positive_integer("max_cycles", max_cycles)
        self.render_mode = render_mode
        self.asps = check_asps(asps)
        self.strict = strict
        self.num_mus, self.num_asps = self.scenario.num_mus, self.scenario.num_asps
        mus = [f"mu_{m}" for m in range(self.num_mus)]
        providers = [f"asp_{n}" for n in range(self.num_asps)] if asps == "agents" else []
        self.possible_agents = mus + providers
        self._positions = {agent: position for position, agent in enumerate(self.possible_agents)}
        self.observation_spaces = {agent: spaces.mu_observation_space(self.num_asps) for agent in mus}
        self.observation_spaces |= {agent: spaces.asp_observation_space(self.num_mus) for agent in providers}
        self.action_spaces = {agent: spaces.mu_action_space(self.num_asps) for agent in mus}
        self.action_spaces |= {agent: spaces.asp_action_space(self.num_mus) for agent in providers}
        self.state_space = spaces.state_space(self.num_mus, self.num_asps)
        self._mu_shares = np.zeros((1, self.num_mus, self.num_asps))
        self._asp_shares = np.zeros((1, self.num_asps if providers else 0, 2, self.num_mus))
        groups = ("mu", "asp") if providers else ("mu",)
        self._engine = Engine(self.scenario, 1, groups=groups, by_agent=True)
        self._share_out()
        self._window: rendering.Window | None = None
        self._has_reset = False

    # What users look at ----------------------------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        """The market of the current slot."""
        if not self._has_reset:
            raise AttributeError("market cannot be accessed before reset")
        return self._engine.market(lane=0)

    @property
    def posted_rewards(self) -> FloatArray:
        """Rewards posted in the slot last served, credits per QoE; zero before the first. (M, N)."""
        if not self._has_reset:
            return np.zeros((self.num_mus, self.num_asps))
        return self._engine.quantity("rewards")[0].copy()

    def observation_space(self, agent: str) -> Box:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]

    def state(self) -> npt.NDArray[np.float32]:
        """The whole market, for centralised critics; entries named by :func:`aigc_market_env.spaces.state_names`."""
        if not self._has_reset:
            EnvLogger.error_state_before_reset()
        views = self._engine.observe(mus_turn=self._mus_turn)
        mus, asps = views.mus[0], views.asps[0]
        return np.concatenate([mus[0, :1], mus[:, 1:].ravel(), asps[:, 1:].ravel()])

    def render(self) -> Any:
        """The slot served last: a table (``"ansi"``), a picture (``"rgb_array"``), or a window (``"human"``)."""
        if not self._has_reset:
            EnvLogger.error_render_before_reset()
        if self.render_mode is None:
            EnvLogger._generic_warning("[WARNING]: render() without a render_mode shows nothing.")
            return None
        snapshot = rendering.Snapshot.of(self._engine, self.scenario.name)
        if self.render_mode == "ansi":
            return rendering.table(snapshot)
        if self.render_mode == "rgb_array":
            return rendering.picture(snapshot)
        if self._window is None:
            self._window = rendering.Window()
        self._window.show(snapshot)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    # What the two environments are made of ---------------------------------------------------------------------------

    def _share_out(self) -> None:
        """Give every agent its row of the buffers of actions, and look up where payoffs will lie."""
        names = self.possible_agents
        self._groups = [Group(names[: self.num_mus], self._mu_shares[0])]
        if self.asps == "agents":
            self._groups.append(Group(names[self.num_mus :], self._asp_shares[0]))
        self._rows = dict(zip(names, [*self._mu_shares[0], *self._asp_shares[0]], strict=True))
        self._payoffs = [self._engine.quantity(name)[0] for name in ("utility", "profit")]

    # Copies and pickles of views would be arrays of their own; a window belongs to one environment.
    def __getstate__(self) -> dict[str, Any]:
        views = (*_VIEWS, "_window")
        return {name: value for name, value in vars(self).items() if name not in views}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _window=None)
        self._share_out()

    def _begin(self, seed: int | None) -> None:
        self._seen = self._engine.reset(None if seed is None else [seed]).rows
        self._has_reset = self._mus_turn = True

    def _store(self, agent: str, action: Any) -> int:
        """Check an action and keep it for the step; how many of its entries are out of range."""
        row = self._rows[agent]
        if type(action) is np.ndarray and action.shape == row.shape and action.dtype.char in "fd":
            row[...] = action
            if not spaces.any_outside(row.reshape(-1)):
                return 0
        array = spaces.as_action(action, row.shape, repr(agent), strict=self.strict)
        np.clip(array, 0.0, 1.0, out=row)
        return int(np.count_nonzero(row != array))

    def _store_all(self, actions: Mapping[str, Any]) -> list[int] | None:
        """Check all actions and keep them for the step.

        What a refused call leaves in the buffers does no harm: every step fills all of them before they are used.

        Returns:
            How many entries of each agent's are out of range, None when none is.
        """
        if not isinstance(actions, Mapping):
            raise ValueError(f"actions must be a dictionary by agent, got {actions!r}")
        if len(actions) != len(self._rows) or actions.keys() != self._rows.keys():
            missing, unknown = self._rows.keys() - actions.keys(), actions.keys() - self._rows.keys()
            wrong = f"missing for {min(missing)!r}" if missing else f"for unknown agent {min(unknown, key=str)!r}"
            raise ValueError(f"action {wrong}; the agents are {', '.join(self.possible_agents)}")
        if all(group.store([actions[agent] for agent in group.agents]) for group in self._groups):
            return None
        return [self._store(agent, actions[agent]) for agent in self.possible_agents]

    def _post(self) -> None:
        self._seen = self._engine.post(self._mu_shares).rows
        self._mus_turn = False

    def _serve(self) -> dict[str, float]:
        """Close the slot; every agent's payoff."""
        if self.asps == "best_response":
            self._seen = self._engine.trade(self._mu_shares).rows
        else:
            self._seen = self._engine.serve(self._asp_shares).rows
        self._mus_turn = True
        utility, profit = self._payoffs
        return dict(zip(self.possible_agents, utility.tolist() + profit.tolist(), strict=False))

    def _observe(self, agent: str) -> npt.NDArray[np.float32]:
        return self._seen[self._positions[agent]].copy()

    def _observations(self) -> dict[str, npt.NDArray[np.float32]]:
        """What all agents see, in arrays that are theirs."""
        return dict(zip(self.possible_agents, self._seen, strict=True))
