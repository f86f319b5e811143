"""One mobile user among others that post equilibrium rewards: a single-agent view of the market, for Gymnasium.

``gymnasium.make("aigc_market_env/Leader-v0")`` makes a :class:`LeaderEnv` and
``gymnasium.make_vec("aigc_market_env/Leader-v0", num_envs=…)`` a :class:`LeaderVectorEnv`; both are registered when
:mod:`aigc_market_env` is imported.

In each slot the other MUs post the rewards that :func:`~aigc_market_env.solve_equilibrium` finds for the slot's market,
and the ASPs respond exactly. So the best that the MU can do is to post its own equilibrium rewards, and what it earns
less than that is its regret: learning here is learning a best response. Scarce markets may have no equilibrium in pure
strategies, or none that is found (docs/equilibrium.md). There the others post the best point found, and another action
may gain the MU something; ``leader_regret(env.unwrapped.market, env.unwrapped.equilibrium_rewards)`` tells what.

| | | |
|---|---|---|
| observation | Box(-10, 10, (9+8N,)) | the MU's own, see :func:`aigc_market_env.spaces.mu_observation_names` |
| action | Box(0, 1, (N,)) | rewards, as shares of the bound ω/q; finite values outside are clipped |
| reward | float | U = ω log(1 + Q/q) - payments, credits per slot |

Episodes never terminate; they are truncated after ``max_episode_steps`` slots, 64 unless asked for otherwise.
"""

import operator
from collections.abc import Sequence
from os import PathLike
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market_env import spaces
from aigc_market_env.batch import BatchedMarketEnv
from aigc_market_env.equilibrium import solve_equilibrium
from aigc_market_env.market import FloatArray, Market
from aigc_market_env.scenarios import Scenario

ScenarioLike = str | PathLike[str] | Scenario | Market
Observation = npt.NDArray[np.float32]


class LeaderVectorEnv(VectorEnv[Observation, npt.ArrayLike, npt.NDArray[Any]]):
    """One MU in each of B markets; lane i, reset with seed s, is a :class:`LeaderEnv` reset with seed s + i.

    All lanes' episodes end together, and the step that ends them returns the first observations of the next
    (``AutoresetMode.SAME_STEP``); the last ones of the old are in ``infos["final_obs"]``.

    Args:
        num_envs: B.
        scenario: a preset's name, a market file, a Scenario or a Market.
        mu: which MU acts.
        max_episode_steps: slots in an episode; None for one that never ends.

    Raises:
        ValueError: an argument is not one of those above.

    Examples:
        >>> env = LeaderVectorEnv(16, "campus")
        >>> observations, infos = env.reset(seed=0)
        >>> actions = env.action_space.sample()
        >>> observations, rewards, terminations, truncations, infos = env.step(actions)
        >>> rewards.shape
        (16,)
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        scenario: ScenarioLike = "campus",
        mu: int = 0,
        max_episode_steps: int | None = 64,
    ) -> None:
        self._markets = BatchedMarketEnv(scenario, num_envs, asps="best_response", max_cycles=max_episode_steps)
        self._started = False
        self.num_envs = self._markets.num_envs
        self.mu = _mu_index(mu, self._markets.num_mus)
        self.single_observation_space = self._markets.single_observation_space["mu"]
        self.single_action_space = self._markets.single_action_space["mu"]
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    @property
    def market(self) -> Market:
        """The markets of the current slot, with batch shape (B,)."""
        self._check_started("market")
        return self._market

    @property
    def equilibrium_rewards(self) -> FloatArray:
        """What the MUs post at the equilibrium of the current slot, credits per QoE; the others do. (B, M, N)."""
        self._check_started("equilibrium_rewards")
        return self._equilibrium.copy()

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in every lane.

        Args:
            seed: lane i gets ``seed + i``, or the i-th of a sequence; None continues the lanes' random streams.
            options: none are known.

        Raises:
            ValueError: a seed is not valid, or only some lanes are to be reset. Nothing changes.
        """
        if "reset_mask" in (options or {}):
            raise ValueError("options['reset_mask'] cannot be obeyed: all lanes' episodes begin and end together")
        observations, _ = self._markets.reset(seed=seed)
        self._solve()
        self._started = True
        return self._own(observations), {}

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[Observation, FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Trade one slot in every lane, with the MU's actions (B, N).

        Raises:
            ValueError: an action has a wrong shape or is not finite, or reset() was not called. Nothing changes.
        """
        self._check_started("step()")
        shares = self._equilibrium / self._market.reward_bound[..., None]
        shares[:, self.mu] = spaces.as_action(actions, self.action_space.shape or (), f"'mu_{self.mu}'", strict=False)
        observations, rewards, terminations, truncations, infos = self._markets.step({"mu": shares})
        self._solve()
        if infos:
            last = np.empty(self.num_envs, object)
            last[:] = list(self._own(infos["final_obs"]))
            infos = {"final_obs": last, "_final_obs": np.ones(self.num_envs, bool)}
        return self._own(observations), rewards["mu"][:, self.mu].copy(), terminations, truncations, infos

    def _check_started(self, what: str) -> None:
        if not self._started:
            raise ValueError(f"reset() must be called before {what}")

    def _solve(self) -> None:
        self._market = self._markets.market
        self._equilibrium = solve_equilibrium(self._market, certify=False).rewards

    def _own(self, observations: dict[str, npt.NDArray[Any]]) -> Observation:
        return observations["mu"][:, self.mu].copy()


class LeaderEnv(gymnasium.Env[Observation, npt.ArrayLike]):
    """One MU among others that post equilibrium rewards; see the module for observation, action and reward.

    Args:
        scenario: a preset's name, a market file, a Scenario or a Market.
        mu: which MU acts.

    Raises:
        ValueError: an argument is not one of those above.

    Examples:
        >>> import gymnasium
        >>> env = gymnasium.make("aigc_market_env/Leader-v0", scenario="duo")
        >>> observation, info = env.reset(seed=0)
        >>> action = env.action_space.sample()
        >>> observation, reward, terminated, truncated, info = env.step(action)
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, scenario: ScenarioLike = "campus", mu: int = 0) -> None:
        self._lane = LeaderVectorEnv(1, scenario, mu, max_episode_steps=None)
        self.mu = self._lane.mu
        self.observation_space = self._lane.single_observation_space
        self.action_space = self._lane.single_action_space

    @property
    def market(self) -> Market:
        """The market of the current slot."""
        return self._lane.market[0]

    @property
    def equilibrium_rewards(self) -> FloatArray:
        """What the MUs post at the equilibrium of the current slot, credits per QoE; the others do. (M, N)."""
        return self._lane.equilibrium_rewards[0]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; without a seed, the random stream goes on."""
        super().reset(seed=seed)
        observations, _ = self._lane.reset(seed=seed)
        return observations[0], {}

    def step(self, action: npt.ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade one slot, with the MU's action (N,).

        Raises:
            ValueError: the action has a wrong shape or is not finite. Nothing changes.
        """
        checked = spaces.as_action(action, self.action_space.shape or (), f"'mu_{self.mu}'", strict=False)
        observations, rewards, _, _, _ = self._lane.step(checked[None])
        return observations[0], float(rewards[0]), False, False, {}


def _mu_index(mu: int, num_mus: int) -> int:
    try:
        index = operator.index(mu)
    except TypeError:
        raise ValueError(f"mu = {mu!r} must be an integer") from None
    if not 0 <= index < num_mus:
        raise ValueError(f"mu = {index} must be in 0 … {num_mus - 1}, the scenario has {num_mus} MUs")
    return index
