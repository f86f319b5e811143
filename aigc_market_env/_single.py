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
        # One buffer, so that all actions are checked at once.
        links = self.num_mus * self.num_asps
        self._shares = np.zeros(links * (3 if providers else 1))
        self._share_out()
        self._engine = Engine(self.scenario, 1)
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
        return self._engine.lanes.rewards[0].copy()

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
        mus, asps = self._engine.views.mus[0], self._engine.views.asps[0]
        return np.concatenate([mus[0, :1], mus[:, 1:].ravel(), asps[:, 1:].ravel()])

    def render(self) -> Any:
        """The slot served last: a table (``"ansi"``), a picture (``"rgb_array"``), or a window (``"human"``)."""
        if not self._has_reset:
            EnvLogger.error_render_before_reset()
        if self.render_mode is None:
            EnvLogger._generic_warning("[WARNING]: render() without a render_mode shows nothing.")
            return None
        snapshot = rendering.Snapshot.of(self._engine.lanes, self.scenario.name)
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
        """Give every agent a row of the buffer of actions."""
        links = self.num_mus * self.num_asps
        self._mu_shares = self._shares[:links].reshape(self.num_mus, self.num_asps)
        self._asp_shares = self._shares[links:].reshape(-1, 2, self.num_mus)
        self._rows = dict(zip(self.possible_agents, [*self._mu_shares, *self._asp_shares], strict=True))

    # Copies and pickles of the rows would be arrays of their own; a window belongs to one environment.
    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_mu_shares", "_asp_shares", "_rows", "_window")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _window=None)
        self._share_out()

    def _begin(self, seed: int | None) -> None:
        self._engine.reset(None if seed is None else [seed])
        self._has_reset = True

    def _store(self, agent: str, action: Any) -> int:
        """Check an action and keep it for the step; how many of its entries are out of range."""
        row = self._rows[agent]
        array = spaces.as_action(action, row.shape, repr(agent), strict=self.strict)
        np.clip(array, 0.0, 1.0, out=row)
        return int(np.count_nonzero(row != array))

    def _store_all(self, actions: Mapping[str, Any]) -> list[int]:
        """Check all actions and keep them for the step; how many entries of each are out of range.

        What a refused call leaves in the buffer does no harm: every step fills all of it before it is used.
        """
        if not isinstance(actions, Mapping):
            raise ValueError(f"actions must be a dictionary by agent, got {actions!r}")
        if actions.keys() != self._rows.keys():
            missing, unknown = self._rows.keys() - actions.keys(), actions.keys() - self._rows.keys()
            wrong = f"missing for {min(missing)!r}" if missing else f"for unknown agent {min(unknown, key=str)!r}"
            raise ValueError(f"action {wrong}; the agents are {', '.join(self.possible_agents)}")
        for agent, row in self._rows.items():
            action = actions[agent]
            if type(action) is not np.ndarray or action.shape != row.shape or action.dtype.kind != "f":
                action = spaces.as_action(action, row.shape, repr(agent), strict=self.strict)
            row[...] = action
        if self._shares.min() >= 0.0 and self._shares.max() <= 1.0:  # also false when there is a NaN
            return [0] * len(self._rows)
        return [self._store(agent, actions[agent]) for agent in self.possible_agents]

    def _post(self) -> None:
        self._engine.post(self._mu_shares)

    def _serve(self) -> dict[str, float]:
        """Close the slot; every agent's payoff."""
        if self.asps == "best_response":
            self._engine.trade(self._mu_shares)
        else:
            self._engine.serve(self._asp_shares)
        lanes = self._engine.lanes
        payoffs = [*lanes.utility[0].tolist(), *lanes.profit[0].tolist()]
        return dict(zip(self.possible_agents, payoffs, strict=False))

    def _observe(self, agent: str) -> npt.NDArray[np.float32]:
        position = self._positions[agent]
        views = self._engine.views
        return (
            views.mus[0, position].copy() if position < self.num_mus else views.asps[0, position - self.num_mus].copy()
        )

    def _observations(self) -> dict[str, npt.NDArray[np.float32]]:
        views = self._engine.views
        rows = list(views.mus[0].copy())
        if self.asps == "agents":
            rows += list(views.asps[0].copy())
        return dict(zip(self.possible_agents, rows, strict=True))
