"""Thousands of markets a step, as arrays: what training loops run on."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from aigc_market_env import spaces
from aigc_market_env._engine.buffers import ObservationBuffer
from aigc_market_env._engine.engine import TOLERANCE, Engine
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.market import Market
from aigc_market_env.model.options import check_asps, check_seed, positive_integer, positive_number
from aigc_market_env.scenarios import Scenario
from aigc_market_env.served import ServedSlot
from aigc_market_env.views import VIEWS, ViewName, check_view
from aigc_market_env.wallets import Wallet, WalletRange

Arrays = dict[str, npt.NDArray[Any]]


class BatchedMarketEnv(OwnsArrays):
    """B copies of the market environment, stepped together.

    Lane i, reset with seed s, goes through the same markets, observations and payoffs as
    ``market_v0.parallel_env(scenario).reset(seed=s)``, bit for bit. Episodes have one length, so all lanes end
    together; the step that ends them already returns the first observations of the next episode
    (``AutoresetMode.SAME_STEP``), the last ones of the old are in ``infos["final_obs"]``.

    Agents come in two groups, ``"mu"`` and ``"asp"`` (only ``"mu"`` when ``asps="best_response"``); observations,
    actions and rewards are dictionaries of arrays by group.

    | array | shape | meaning |
    |---|---|---|
    | observations | (B, M, ·), (B, N, ·) | float32, entries named in :mod:`aigc_market_env.spaces` |
    | actions | (B, M, N) | ``"mu"``: rewards as shares of ω/q |
    | actions | (B, N, 2, M) | ``"asp"``: shares of compute and of bandwidth for each MU |
    | rewards | (B, M), (B, N) | float64, utility of each MU and profit of each ASP, credits per slot |

    With ``asps="agents"`` a slot is two steps, as in the PettingZoo environment: in the first the MUs post, in the
    second the ASPs serve; the other group's action is ignored and may be left out.

    Args:
        scenario: a preset's name, a market file, a Scenario or a Market.
        num_envs: B.
        asps: ``"agents"``, or ``"best_response"`` for ASPs that respond exactly.
        max_cycles: steps in an episode; None for one that never ends.
        seed: seed of the first reset; lane i gets ``seed + i``.
        tolerance: accuracy to which best responses use up a binding capacity, relative to it. The default leaves a
            duality gap far below 1e-6 of what an ASP earns.
        copy: whether observations are the caller's to keep. Otherwise they are views of one buffer, which saves a
            copy, and which the next step overwrites.
        wallet: the MUs', instead of the scenario's own.
        view: what MUs observe: ``"board"``, as above, ``"links"`` or ``"full"``; see :mod:`aigc_market_env.views`.

    Raises:
        ValueError: an argument is not one of those above.

    Examples:
        >>> env = BatchedMarketEnv("campus", num_envs=16, asps="best_response", seed=0)
        >>> observations, _ = env.reset()
        >>> observations["mu"].shape
        (16, 8, 41)
        >>> _, rewards, _, _, _ = env.step({"mu": np.full((16, 8, 4), 0.2)})
        >>> rewards["mu"].shape
        (16, 8)
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - Gymnasium's own convention

    def __init__(
        self,
        scenario: str | PathLike[str] | Scenario | Market = "campus",
        num_envs: int = 1024,
        *,
        asps: Literal["agents", "best_response"] = "agents",
        max_cycles: int | None = 64,
        seed: int | None = None,
        tolerance: float = TOLERANCE,
        copy: bool = True,
        wallet: Wallet | WalletRange | None = None,
        view: ViewName = "board",
    ) -> None:
        self.scenario = Scenario.of(scenario, wallet=wallet)
        self.view = check_view(view)
        self.num_envs = positive_integer("num_envs", num_envs)
        self.asps = check_asps(asps)
        self.max_cycles = None if max_cycles is None else positive_integer("max_cycles", max_cycles)
        self.num_mus, self.num_asps = self.scenario.num_mus, self.scenario.num_asps
        self.single_observation_space = {"mu": VIEWS[self.view].space(self.scenario)}
        self.single_action_space = {"mu": spaces.mu_action_space(self.num_asps)}
        if asps == "agents":
            self.single_observation_space["asp"] = spaces.asp_observation_space(self.num_mus)
            self.single_action_space["asp"] = spaces.asp_action_space(self.num_mus)
        tolerance = positive_number("tolerance", tolerance)
        groups = list(self.single_observation_space)
        slots = None if self.max_cycles is None else max(self.max_cycles // len(groups), 1)
        self._engine = Engine(
            self.scenario, self.num_envs, groups=groups, tolerance=tolerance, copy=bool(copy), horizon=slots
        )
        self._shares = {
            group: np.zeros((self.num_envs, agents, *self.single_action_space[group].shape))
            for group, agents in zip(groups, (self.num_mus, self.num_asps), strict=False)
        }
        self._first_seed = check_seed(seed)
        self._started = False
        self._cycle = 0
        self._mus_turn = True

    @property
    def market(self) -> Market:
        """The markets of the current slot, with batch shape (B,)."""
        self._check_started("market")
        return self._engine.market()

    @property
    def base_market(self) -> Market:
        """The markets that the episodes began from, before anything had changed, with batch shape (B,)."""
        self._check_started("base_market")
        return self._engine.base_market()

    @property
    def wallet(self) -> Wallet | None:
        """Every MU's wallet as the slot begins, in credits; None in scenarios without. (B, M)."""
        self._check_started("wallet")
        return self._engine.wallet()

    @property
    def served(self) -> ServedSlot:
        """A copy of what happened in the slot served last; zero when none was since the last reset.

        The step that ends an episode resets, so that what its slot came to is told by its rewards alone.
        """
        self._check_started("served")
        return ServedSlot.of(self._engine)

    @property
    def acting(self) -> str:
        """The group whose actions count in the next step."""
        return "mu" if self._mus_turn else "asp"

    def reseed(self, seed: int) -> None:
        """Have the next reset seed lane i with ``seed + i``."""
        self._first_seed, self._started = check_seed(seed), False

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of all arrays that the environment's future depends on, by name; for checkpoints.

        Raises:
            ValueError: the environment has not been reset yet.
        """
        self._check_started("state()")
        return self._engine.state() | {"cycle": np.array(self._cycle), "mus_turn": np.array(self._mus_turn)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a :meth:`state` of an environment made with the same arguments, bit for bit.

        Raises:
            ValueError: an array is missing or has another shape or type. Nothing changes.
        """
        for name in ("cycle", "mus_turn"):
            if name not in state or state[name].shape != ():
                raise ValueError(f"state {name!r} is missing or not of shape ()")
        cycle, mus_turn = int(state["cycle"]), bool(state["mus_turn"])
        self._engine.restore(state)
        self._cycle, self._mus_turn, self._started = cycle, mus_turn, True

    def reset(self, seed: int | Sequence[int | None] | None = None) -> tuple[Arrays, dict[str, Any]]:
        """Begin an episode in every lane.

        Args:
            seed: lane i gets ``seed + i``, or the i-th of a sequence; None continues the lanes' random streams.

        Returns:
            Observations by group, and an empty info.

        Raises:
            ValueError: a seed is no integer >= 0, or a sequence of seeds has not one entry per lane. Nothing changes.
        """
        if seed is None and not self._started:
            seed = self._first_seed
        buffer = self._engine.reset(self._lane_seeds(seed))
        self._started = True
        self._cycle, self._mus_turn = 0, True
        return self._by_group(buffer), {}

    def step(
        self, actions: Mapping[str, npt.ArrayLike]
    ) -> tuple[Arrays, Arrays, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Take one step in every lane.

        Args:
            actions: arrays by group; only the acting group's is needed. Finite values outside [0, 1] are clipped.

        Returns:
            Observations and rewards by group, terminations (B,) (never), truncations (B,), and infos.

        Raises:
            ValueError: the acting group's actions are missing, have a wrong shape or are not finite. Nothing changes.
        """
        self._check_started("step()")
        action = self._checked(actions)
        if self.asps == "best_response":
            buffer = self._engine.trade(action)
            rewards = {"mu": self._engine.quantity("utility").copy()}
        elif self._mus_turn:
            buffer = self._engine.post(action)
            rewards = {"mu": np.zeros((self.num_envs, self.num_mus)), "asp": np.zeros((self.num_envs, self.num_asps))}
            self._mus_turn = False
        else:
            buffer = self._engine.serve(action)
            names = {"mu": "utility", "asp": "profit"}
            rewards = {group: self._engine.quantity(name).copy() for group, name in names.items()}
            self._mus_turn = True
        self._cycle += 1
        over = self.max_cycles is not None and self._cycle >= self.max_cycles
        observations, infos = self._by_group(buffer), {}
        if over:
            infos["final_obs"] = observations if self._engine.copy else {k: v.copy() for k, v in observations.items()}
            observations, _ = self.reset()
        return observations, rewards, np.zeros(self.num_envs, bool), np.full(self.num_envs, over), infos

    def close(self) -> None:
        """Do nothing: there is nothing to close. Vector environments have it."""

    def _check_started(self, what: str) -> None:
        if not self._started:
            raise ValueError(f"reset() must be called before {what}")

    def _by_group(self, buffer: ObservationBuffer) -> Arrays:
        observations: Arrays = dict(zip(self.single_observation_space, buffer.observations, strict=False))
        if self.view != "board":
            observations["mu"] = VIEWS[self.view].of(observations["mu"], self._engine.market())
        return observations

    def _lane_seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None] | None:
        if isinstance(seed, Sequence | np.ndarray) and not isinstance(seed, str | bytes):
            if len(seed) != self.num_envs:
                raise ValueError(f"seed has {len(seed)} entries, expected one for each of {self.num_envs} lanes")
            return list(seed)
        first = check_seed(seed)
        return None if first is None else [first + i for i in range(self.num_envs)]

    def _checked(self, actions: Mapping[str, npt.ArrayLike]) -> npt.NDArray[Any]:
        group = self.acting
        if not isinstance(actions, Mapping):
            raise ValueError(f"actions must be a dictionary of arrays by group, got {actions!r}")
        unknown = sorted(set(actions) - set(self.single_action_space), key=str)
        if unknown:
            raise ValueError(f"unknown group {unknown[0]!r}; the groups are {', '.join(self.single_action_space)}")
        if group not in actions:
            raise ValueError(f"actions of group {group!r}, whose turn it is, are missing")
        shares, action = self._shares[group], actions[group]
        if type(action) is not np.ndarray or action.shape != shares.shape or action.dtype not in spaces.PLAIN:
            action = spaces.as_action(action, shares.shape, f"group {group!r}", strict=False)
        if not spaces.keep_finite(action.reshape(-1), shares.reshape(-1)):
            spaces.as_action(action, shares.shape, f"group {group!r}", strict=False)
        return shares
