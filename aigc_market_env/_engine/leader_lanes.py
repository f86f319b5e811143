"""Markets in which one MU acts and all others post equilibrium rewards: what Leader-v0 is made of (private)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from aigc_market_env import rendering
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.batch import BatchedMarketEnv
from aigc_market_env.equilibrium import solve_equilibrium
from aigc_market_env.game.leaders import leader_regret
from aigc_market_env.market import Market
from aigc_market_env.model.options import whole_number
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets import Wallet, WalletRange

Mask = npt.NDArray[np.bool_]


class LeaderLanes(OwnsArrays):
    """B such markets side by side; an episode begins, and a slot is traded, in all of them or in some.

    Args:
        scenario: a preset's name, a market file, a Scenario or a Market.
        num_lanes: B.
        mu: which MU acts.
        render_mode: None, ``"ansi"``, ``"rgb_array"`` or ``"human"``.
        wallet: the MUs', instead of the scenario's own.
        info_regret: whether infos are to tell regrets.
        horizon: slots in an episode, as MUs with wallets see what is left of it; None for one that has no end.

    Attributes:
        observations: what the MU sees in each lane, (B, size).
        slots: served since the lane's episode began, (B,).

    Raises:
        ValueError: an argument is not one of those above.
    """

    def __init__(
        self,
        scenario: Any,
        num_lanes: int,
        mu: int,
        render_mode: str | None,
        wallet: Wallet | WalletRange | None,
        info_regret: bool,
        horizon: int | None,
    ) -> None:
        self._markets = BatchedMarketEnv(scenario, num_lanes, asps="best_response", max_cycles=None, wallet=wallet)
        self.num_lanes = self._markets.num_envs
        self.mu = _mu_index(mu, self._markets.num_mus)
        if info_regret and self._markets.scenario.wallet is not None:
            raise ValueError("info_regret = True is for scenarios without wallets; give False, and see episode_regret")
        self._info_regret = info_regret
        self._markets._engine.set_horizon(horizon)
        self._renderers = tuple(rendering.Renderer(render_mode) for _ in range(self.num_lanes))
        self.render_mode = render_mode
        self.observation_space: gymnasium.Space[Any] = self._markets.single_observation_space["mu"]
        self.action_space = self._markets.single_action_space["mu"]
        self.observations = np.zeros((self.num_lanes, *(self.observation_space.shape or ())), np.float32)
        self.slots = np.zeros(self.num_lanes, np.int64)
        self.started = False

    @property
    def market(self) -> Market:
        """The markets of the current slot, with batch shape (B,)."""
        self.check_started("market")
        return self._market

    @property
    def wallet(self) -> Wallet | None:
        """Every MU's wallet as the slot begins, in credits; None in scenarios without. (B, M)."""
        self.check_started("wallet")
        return self._markets.wallet

    @property
    def equilibrium_rewards(self) -> FloatArray:
        """What the MUs post at the equilibrium of the current slot, credits per QoE. (B, M, N)."""
        self.check_started("equilibrium_rewards")
        return self._equilibrium.copy()

    def check_started(self, what: str) -> None:
        """Make sure that episodes have begun.

        Raises:
            ValueError: they have not.
        """
        if not self.started:
            raise ValueError(f"reset() must be called before {what}")

    def begin(self, lanes: Mask, seed: int | Sequence[int | None] | None = None) -> None:
        """Begin an episode in these lanes, seeded as by :meth:`~aigc_market_env.BatchedMarketEnv.reset`."""
        if lanes.any():
            with self._only(lanes):
                observations, _ = self._markets.reset(seed=seed)
            self._renew(lanes, observations)
            self.slots = np.where(lanes, 0, self.slots)
            self.started = True

    def trade(self, lanes: Mask, own: FloatArray) -> tuple[FloatArray, dict[str, Any]]:
        """Trade one slot in these lanes, with the MU's actions (B, N).

        Returns:
            The MU's utilities (B,), 0 in the other lanes, and infos.
        """
        utilities = np.zeros(self.num_lanes)
        if lanes.any():
            shares = self._equilibrium / self._market.reward_bound[..., None]
            shares[:, self.mu] = own
            with self._only(lanes):
                observations, rewards, *_ = self._markets.step({"mu": shares})
            self._renew(lanes, observations)
            self.slots = self.slots + lanes
            utilities = np.where(lanes, rewards["mu"][:, self.mu], 0.0)
        return utilities, self._regret(lanes) if self._info_regret else {}

    def _regret(self, lanes: Mask) -> dict[str, Any]:
        """What the MU could have gained by other rewards in the slot that these lanes have served, 0 in the others."""
        regret = np.zeros(self.num_lanes)
        if lanes.any():
            posted = self._markets.served.rewards[lanes]
            regret[lanes] = leader_regret(self._market[lanes], posted)[:, self.mu]
        return {"regret": regret, "_regret": lanes.copy()}

    @contextmanager
    def _only(self, lanes: Mask) -> Iterator[None]:
        """Whatever is done to the markets meanwhile, lanes other than these stay as they are."""
        before = None if lanes.all() else self._markets.state()
        yield
        if before is not None:
            after = self._markets.state()
            for name, array in after.items():
                if array.ndim:
                    array[~lanes] = before[name][~lanes]
            self._markets.restore(after)

    def _renew(self, lanes: Mask, observations: dict[str, npt.NDArray[Any]]) -> None:
        self.observations = np.where(lanes[:, None], observations["mu"][:, self.mu], self.observations)

    def open_slot(self) -> None:
        """Find what the others post in the slot that begins; draw the windows, which show the one before."""
        self._market = self._markets.market
        self._equilibrium = solve_equilibrium(self._market, certify=False).rewards
        if self.render_mode == "human":
            self.render()

    def render(self) -> tuple[Any, ...] | None:
        """Every lane's slot served last: tables, pictures, or None each and a window per lane; None without a mode."""
        self.check_started("render()")
        if self.render_mode is None:
            gymnasium.logger.warn("render() without a render_mode shows nothing")
            return None
        name, engine = self._markets.scenario.name, self._markets._engine
        snapshots = (rendering.Snapshot.of(engine, name, int(slot), lane) for lane, slot in enumerate(self.slots))
        return tuple(renderer.show(snapshot) for renderer, snapshot in zip(self._renderers, snapshots, strict=True))

    def close(self) -> None:
        """Close the windows, if there are any."""
        for renderer in self._renderers:
            renderer.close()


def _mu_index(mu: int, num_mus: int) -> int:
    index = whole_number("mu", mu)
    if not 0 <= index < num_mus:
        raise ValueError(f"mu = {index} must be in 0 … {num_mus - 1}, the scenario has {num_mus} MUs")
    return index
