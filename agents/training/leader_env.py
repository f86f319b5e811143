"""The mobile users of many markets as one stable-baselines3 VecEnv: every MU of every market is an environment."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agents.policy.actions import shares_of
from agents.policy.agent_features import Features, lasting_entries, leader_features, leader_features_size
from agents.training.vec_env import MarketVecEnv
from aigc_market_env import BatchedMarketEnv, Scenario
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.registration import EPISODE_SLOTS
from aigc_market_env.spaces import MU_LINK, MU_LINK_SIZE, MU_LINKS

#: What an offer that nothing is delivered for costs at first, in U/ω for each e-fold that it is below the bound.
FIRST_UNSERVED_COST = 0.03
#: Slots over which money matters, about; so many slots' utilities are of order one, as a critic's first outputs are.
_SLOTS_AHEAD = 10.0


class LeaderVecEnv(MarketVecEnv):
    """MUs as independent learners that share parameters, ASPs at their best response or following a policy.

    Environment ``i·M + m`` is MU m of market i; see :class:`~agents.training.vec_env.MarketVecEnv`.

    Args:
        scenario: where markets come from.
        num_markets: markets side by side.
        seed: seed of the first market; market i gets ``seed + i // copies``.
        episode_slots: slots whose utilities are summed up for the episode statistics.
        horizon: slots in an episode, where MUs have wallets; without effect otherwise.
        copies: markets in a row that go through the same episodes, so that they differ in play alone.
        followers: a policy of the ASPs, from observations (B, N, D) to shares of their capacities (B, N, 2, M); None
            for ASPs at their best response. Not part of :meth:`state`.

    Observation: the MU's features, see :func:`~agents.policy.agent_features.leader_features`. Action: Box(-1, 1, (N,)),
    see :func:`~agents.policy.actions.shares_of`. Reward: the MU's utility over its satisfaction scale in the market
    that episodes begin from, U/ω, less :attr:`unserved_cost`; a tenth of it where MUs have wallets.

    Attributes:
        unserved_cost: what an offer to an ASP that delivers nothing costs, in U/ω for each e-fold that it is below the
            bound; 0 at first. Below the entry threshold U is flat: a pair that is there for the noise of others, or for
            its own, would never be tried again. This tells it where the threshold is, and changes nothing for those
            that are served. A training has it fall to zero.
    """

    def __init__(
        self,
        scenario: Scenario,
        num_markets: int,
        *,
        seed: int = 0,
        episode_slots: int = 64,
        horizon: int = EPISODE_SLOTS,
        copies: int = 1,
        followers: Callable[[Features], FloatArray] | None = None,
    ) -> None:
        asps: Literal["agents", "best_response"] = "best_response" if followers is None else "agents"
        ends = None if scenario.wallet is None else horizon
        cycles = None if ends is None else ends * (1 if followers is None else 2)
        markets = BatchedMarketEnv(scenario, num_markets, asps=asps, max_cycles=cycles, copy=False)
        m, n = scenario.num_mus, scenario.num_asps
        self._wallet = scenario.wallet is not None
        size = leader_features_size(m, markets.single_observation_space["mu"].shape[0], wallet=self._wallet)
        super().__init__(markets, m, size, n, episode_slots, ends)
        self.copies = copies
        self.critic_entries = lasting_entries(scenario) if self._wallet else None
        self.seed(seed)
        self._unit = 1.0 if ends is None else _SLOTS_AHEAD
        self.followers = followers
        self.unserved_cost = 0.0
        self._actions = np.zeros((num_markets, m, n))

    def anneal(self, remaining: float) -> None:
        """See :meth:`MarketVecEnv.anneal`."""
        self.unserved_cost = FIRST_UNSERVED_COST * remaining**2

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Reseed every market, copies alike; the next reset uses it."""
        self._next_seeds: list[int | None] | None = (
            None if seed is None else [seed + i // self.copies for i in range(self.markets.num_envs)]
        )
        return super().seed(seed)

    def step_async(self, actions: npt.NDArray[np.float32]) -> None:
        """Take the actions (B·M, N) for the next slot."""
        self._actions = shares_of(actions).reshape(self._actions.shape)

    def restore(self, markets: dict[str, npt.NDArray[Any]], slot: int, returns: npt.NDArray[np.float64]) -> None:
        """Go on from a :meth:`state` of an environment made with the same arguments, bit for bit.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        super().restore(markets, slot, returns)
        self._scale = self.markets.base_market.satisfaction_scale

    def _begin(self) -> Features:
        observations, _ = self.markets.reset(seed=self._next_seeds)
        self._next_seeds = None
        self._scale = self.markets.base_market.satisfaction_scale
        return self._flat(observations["mu"])

    def _trade(self) -> tuple[Features, npt.NDArray[np.float64]]:
        observations, rewards, _, _, _ = self.markets.step({"mu": self._actions})
        if self.followers is not None:
            observations, rewards, _, _, _ = self.markets.step({"asp": self.followers(observations["asp"])})
        gains = rewards["mu"] / self._scale
        begins = self.horizon is not None and (self.slot + 1) % self.horizon == 0  # and nothing is seen of this slot
        if self.unserved_cost > 0.0 and not begins:
            end = MU_LINKS + self._actions.shape[-1] * MU_LINK_SIZE
            qoe = observations["mu"][..., MU_LINKS + MU_LINK.last_qoe : end : MU_LINK_SIZE]
            gains = gains + self.unserved_cost * np.where(qoe == 0.0, np.log(self._actions), 0.0).sum(axis=-1)
        return self._flat(observations["mu"]), (gains / self._unit).ravel()

    def _flat(self, observations: npt.NDArray[np.float32]) -> Features:
        return leader_features(observations, wallet=self._wallet).reshape(self.num_envs, -1)
