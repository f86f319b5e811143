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
| observation | Box(-10, 10, (9+8N,)) | see :func:`aigc_market_env.spaces.mu_observation_names`; 7 more with wallets |
| action | Box(0, 1, (N,)) | rewards, as shares of the bound ω/q; finite values outside are clipped |
| reward | float | U = satisfaction - payments, credits per slot; satisfaction is ω log(1 + Q/q), less with satiation |

With wallets (docs/wallets.md) the others post the slot's equilibrium rewards as if money never ran out, for as long as
they have some; and what is best for the MU is no longer best in the slot alone.

Episodes never terminate; they are truncated after ``max_episode_steps`` slots, 64 unless asked for otherwise.

Rendering shows the slot served last, of all MUs and ASPs: ``render_mode="ansi"``, ``"rgb_array"`` or ``"human"``.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market_env import rendering, spaces
from aigc_market_env._engine.leader_lanes import LeaderLanes, Mask
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.market import Market
from aigc_market_env.model.options import check_reset_options, check_seed, positive_integer
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.registration import EPISODE_SLOTS
from aigc_market_env.scenarios import Scenario
from aigc_market_env.wallets import Wallet, WalletRange

ScenarioLike = str | PathLike[str] | Scenario | Market
Observation = npt.NDArray[np.float32]

#: Of an environment of one lane.
_ALL = np.ones(1, bool)
_RENDERING: dict[str, Any] = {"render_modes": list(rendering.MODES), "render_fps": rendering.FPS}


class LeaderVectorEnv(OwnsArrays, VectorEnv[Observation, npt.ArrayLike, npt.NDArray[Any]]):
    """One MU in each of B markets; lane i, reset with seed s, is a :class:`LeaderEnv` reset with seed s + i.

    What happens when a lane's episode is over is ``autoreset_mode``, one of Gymnasium's:

    * ``AutoresetMode.SAME_STEP``: the step that ends it returns the first observation of the next; the last one of the
      old is in ``infos["final_obs"]``.
    * ``AutoresetMode.NEXT_STEP``: the step after it begins the next, whatever the action, at a reward of 0. Gymnasium's
      wrappers that normalise observations need this mode.
    * ``AutoresetMode.DISABLED``: nothing, until ``reset(options={"reset_mask": …})`` begins the next.

    Args:
        num_envs: B.
        scenario: a preset's name, a market file, a Scenario or a Market.
        mu: which MU acts.
        max_episode_steps: slots in an episode; None for one that never ends.
        render_mode: None, ``"ansi"``, ``"rgb_array"`` or ``"human"``.
        autoreset_mode: an AutoresetMode, or its value as a string: ``"SameStep"``, ``"NextStep"`` or ``"Disabled"``.
        wallet: the MUs', instead of the scenario's own.
        info_regret: whether ``infos["regret"]`` of each step tells what the MU could have gained in the slot served by
            other rewards, credits (B,), and ``infos["_regret"]`` in which lanes a slot was; that takes several steps'
            time. Not with wallets, where a slot's regret is not an episode's.

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

    metadata: dict[str, Any] = _RENDERING | {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        scenario: ScenarioLike = "campus",
        mu: int = 0,
        max_episode_steps: int | None = EPISODE_SLOTS,
        render_mode: str | None = None,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        wallet: Wallet | WalletRange | None = None,
        info_regret: bool = False,
    ) -> None:
        self.max_episode_steps = (
            None if max_episode_steps is None else positive_integer("max_episode_steps", max_episode_steps)
        )
        self._lanes = LeaderLanes(scenario, num_envs, mu, render_mode, wallet, info_regret, self.max_episode_steps)
        self.num_envs, self.mu = self._lanes.num_lanes, self._lanes.mu
        self.render_mode = render_mode
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self.single_observation_space = self._lanes.observation_space
        self.single_action_space = self._lanes.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._over = np.zeros(self.num_envs, bool)

    @property
    def market(self) -> Market:
        """The markets of the current slot, with batch shape (B,)."""
        return self._lanes.market

    @property
    def wallet(self) -> Wallet | None:
        """Every MU's wallet as the slot begins, in credits; None in scenarios without. (B, M)."""
        return self._lanes.wallet

    @property
    def equilibrium_rewards(self) -> FloatArray:
        """What the MUs post at the equilibrium of the current slot, credits per QoE; the others do. (B, M, N)."""
        return self._lanes.equilibrium_rewards

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in every lane, or in some.

        Args:
            seed: lane i gets ``seed + i``, or the i-th of a sequence; None continues the lanes' random streams.
            options: ``{"reset_mask": mask}`` resets only the lanes that are True in ``mask``, an array (B,) of bool.

        Returns:
            The observations of all lanes (B, ·), those not reset as they were last, and an empty info.

        Raises:
            ValueError: a seed or an option is not valid, or the first reset leaves lanes out. Nothing changes.
        """
        mask = check_reset_options(options, "reset_mask", by="Leader-v0's vector environment").get("reset_mask")
        lanes = np.ones(self.num_envs, bool) if mask is None else self._checked_mask(mask)
        self._begin(lanes, seed)
        self._seed_generator(seed)
        self._lanes.open_slot()
        return self._lanes.observations.copy(), {}

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[Observation, FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Trade one slot in every lane, with the MU's actions (B, N).

        Raises:
            ValueError: an action has a wrong shape or is not finite, reset() was not called or, without autoreset, a
                lane's episode is over. Nothing changes.
        """
        self._lanes.check_started("step()")
        own = spaces.as_action(actions, self.action_space.shape or (), f"'mu_{self.mu}'", strict=False)
        waiting = self._over
        if self.autoreset_mode == AutoresetMode.DISABLED and waiting.any():
            lanes = np.flatnonzero(waiting).tolist()
            raise ValueError(f"the episodes of lanes {lanes} are over; call reset(options={{'reset_mask': …}}) first")
        rewards, infos = self._lanes.trade(~waiting, own)
        self._begin(waiting)
        over = self._lanes.slots == self.max_episode_steps
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            self._over = over
        elif over.any():
            infos |= {"final_obs": self._last_observations(over), "_final_obs": over.copy()}
            self._begin(over)
        self._lanes.open_slot()
        return self._lanes.observations.copy(), rewards, np.zeros(self.num_envs, bool), over.copy(), infos

    def render(self) -> tuple[Any, ...] | None:
        """Every lane's slot served last: tables, pictures, or None each and a window per lane; None without a mode."""
        return self._lanes.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the windows, if there are any."""
        if hasattr(self, "_lanes"):  # an environment that could not be made is closed all the same
            self._lanes.close()

    def _checked_mask(self, mask: Any) -> Mask:
        lanes = np.asarray(mask)
        if lanes.shape != (self.num_envs,) or lanes.dtype != np.bool_ or not lanes.any():
            shape = f"({self.num_envs},)"
            raise ValueError(
                f"options['reset_mask'] = {mask!r} must be an array of bool of shape {shape}, not all False"
            )
        if not (self._lanes.started or lanes.all()):
            raise ValueError("options['reset_mask'] of the first reset() must be True for all lanes")
        return lanes

    def _begin(self, lanes: Mask, seed: int | Sequence[int | None] | None = None) -> None:
        self._lanes.begin(lanes, seed)
        self._over = self._over & ~lanes

    def _last_observations(self, lanes: Mask) -> npt.NDArray[Any]:
        """What these lanes see, as an array (B,) of arrays; None for the others."""
        last = np.full(self.num_envs, None, object)
        for lane in np.flatnonzero(lanes):
            last[lane] = self._lanes.observations[lane].copy()
        return last

    def _seed_generator(self, seed: int | Sequence[int | None] | None) -> None:
        """Seed ``np_random``, for wrappers; Gymnasium calls the seed of a generator that has several -1."""
        if isinstance(seed, Sequence | np.ndarray):
            self.np_random = np.random.default_rng([number for number in seed if number is not None] or None)
        else:
            super().reset(seed=check_seed(seed))


class LeaderEnv(gymnasium.Env[Observation, npt.ArrayLike]):
    """One MU among others that post equilibrium rewards; see the module for observation, action and reward.

    Args:
        scenario: a preset's name, a market file, a Scenario or a Market.
        mu: which MU acts.
        render_mode: None, ``"ansi"``, ``"rgb_array"`` or ``"human"``.
        wallet: the MUs', instead of the scenario's own.
        info_regret: whether ``info["regret"]`` of each step tells what the MU could have gained in the slot by other
            rewards, credits; that takes several steps' time. Not with wallets.
        horizon: slots in an episode, as MUs with wallets see what is left of it: what ``gymnasium.make`` is given as
            ``max_episode_steps``, which it does not tell. None for episodes of which all is left all along.

    Raises:
        ValueError: an argument is not one of those above.

    Examples:
        >>> import gymnasium
        >>> env = gymnasium.make("aigc_market_env/Leader-v0", scenario="duo")
        >>> observation, info = env.reset(seed=0)
        >>> action = env.action_space.sample()
        >>> observation, reward, terminated, truncated, info = env.step(action)
    """

    metadata: dict[str, Any] = dict(_RENDERING)  # noqa: RUF012

    def __init__(
        self,
        scenario: ScenarioLike = "campus",
        mu: int = 0,
        render_mode: str | None = None,
        *,
        wallet: Wallet | WalletRange | None = None,
        info_regret: bool = False,
        horizon: int | None = EPISODE_SLOTS,
    ) -> None:
        horizon = None if horizon is None else positive_integer("horizon", horizon)
        self._lane = LeaderLanes(scenario, 1, mu, render_mode, wallet, info_regret, horizon)
        self.render_mode = render_mode
        self.mu = self._lane.mu
        self.observation_space = self._lane.observation_space
        self.action_space = self._lane.action_space

    @property
    def market(self) -> Market:
        """The market of the current slot."""
        return self._lane.market[0]

    @property
    def wallet(self) -> Wallet | None:
        """Every MU's wallet as the slot begins, in credits; None in scenarios without. (M,)."""
        found = self._lane.wallet
        return None if found is None else Wallet(*(amount[0] for amount in found.amounts))

    @property
    def equilibrium_rewards(self) -> FloatArray:
        """What the MUs post at the equilibrium of the current slot, credits per QoE; the others do. (M, N)."""
        return self._lane.equilibrium_rewards[0]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; without a seed, the random stream goes on.

        Raises:
            ValueError: the seed is no integer >= 0, or there are options, which mean nothing here. Nothing changes.
        """
        check_reset_options(options, by="Leader-v0")
        seed = check_seed(seed)
        super().reset(seed=seed)
        self._lane.begin(_ALL, seed)
        self._lane.open_slot()
        return self._lane.observations[0].copy(), {}

    def step(self, action: npt.ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade one slot, with the MU's action (N,).

        Raises:
            ValueError: the action has a wrong shape or is not finite. Nothing changes.
        """
        checked = spaces.as_action(action, self.action_space.shape or (), f"'mu_{self.mu}'", strict=False)
        self._lane.check_started("step()")
        rewards, infos = self._lane.trade(_ALL, checked[None])
        self._lane.open_slot()
        info = {"regret": float(infos["regret"][0])} if infos else {}
        return self._lane.observations[0].copy(), float(rewards[0]), False, False, info

    def render(self) -> Any:
        """The slot served last: a table (``"ansi"``), a picture (``"rgb_array"``), or a window (``"human"``)."""
        frames = self._lane.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Close the window, if there is one."""
        self._lane.close()


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        names = ", ".join(repr(known.value) for known in AutoresetMode)
        raise ValueError(f"autoreset_mode = {mode!r} must be an AutoresetMode or one of {names}") from None
