"""The ASPs of many markets as one stable-baselines3 VecEnv: every ASP of every market is an environment."""

from typing import Any

import numpy as np
import numpy.typing as npt

from agents.policy.actions import allocation_of
from agents.policy.agent_features import Features, features_per_asp, plan_features, with_identity
from agents.policy.rule_of_thumb import Seen
from agents.training.vec_env import MarketVecEnv
from aigc_market_env import BatchedMarketEnv, Scenario
from aigc_market_env.evaluation.reward_sources import EVERYTHING, RewardSource, Situation, equilibrium_shares
from aigc_market_env.model.parameters import FloatArray

#: What a learner's reward is measured in, as a share of the rewards posted: the order of what there is to gain.
_UNIT = 0.1


class FollowerVecEnv(MarketVecEnv):
    """ASPs as independent learners that share parameters, MUs posting rewards from a given source.

    Environment ``i·N + n`` is ASP n of market i; see :class:`~agents.training.vec_env.MarketVecEnv`. A step is a slot:
    the ASPs serve what was posted, and the MUs post for the next one.

    Args:
        scenario: where markets come from.
        num_markets: markets side by side.
        source: what the MUs post. Its equilibrium is that of the market's first slot.
        seed: seed of the first market; market i gets ``seed + i``. What is posted depends on it, too.
        episode_slots: slots whose rewards are summed up for the episode statistics.

    Observation: the ASP's identity and :func:`plan_features`. Action: Box(-1, 1, (M + 1,)), see
    :func:`~agents.policy.actions.allocation_of`. Reward: what the ASP earned more than its rule of thumb would have, in
    tenths of the rewards posted to it, Σ r. Both are known to it and neither depends on its action, so what is best
    stays the same; but rewards over three decades become comparable, and most of the chance goes out of them.
    """

    def __init__(
        self,
        scenario: Scenario,
        num_markets: int,
        *,
        source: RewardSource = EVERYTHING,
        seed: int = 0,
        episode_slots: int = 64,
    ) -> None:
        markets = BatchedMarketEnv(scenario, num_markets, asps="agents", max_cycles=None, seed=seed, copy=False)
        m, n = scenario.num_mus, scenario.num_asps
        super().__init__(markets, n, n + features_per_asp(m), m + 1, episode_slots)
        self.source = source
        self._posting = np.array([seed, 0], np.uint64)  # the seed and the slot that what is posted is drawn from
        self._shares = np.zeros((self.num_envs, 2, m))

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Reseed every market and what is posted; the next reset uses it."""
        if seed is not None:
            self._posting = np.array([seed, 0], np.uint64)
        return list(super().seed(seed))

    def step_async(self, actions: npt.NDArray[np.float32]) -> None:
        """Take the actions (B·N, M + 1) for the rewards posted.

        Raises:
            ValueError: the actions have another shape, or one is not finite. Nothing changes.
        """
        expected = self.num_envs, self.markets.num_mus + 1
        if np.shape(actions) != expected:
            raise ValueError(f"actions of the asps have shape {np.shape(actions)}, expected {expected}")
        if not np.isfinite(actions).all():
            raise ValueError("actions of the asps must be finite")
        self._shares = allocation_of(actions, self._seen)

    def state(self) -> dict[str, Any]:
        """Copies of all that the environment's future depends on; for checkpoints."""
        state = super().state()
        own = {"posting": self._posting, "equilibrium": self._equilibrium, "asp_observations": self._observations}
        state["markets"] |= {name: array.copy() for name, array in own.items()}
        return state

    def restore(self, markets: dict[str, npt.NDArray[Any]], slot: int, returns: npt.NDArray[np.float64]) -> None:
        """Go on from a :meth:`state` of an environment made with the same arguments, bit for bit.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        env = self.markets
        shapes = {
            "posting": (2,),
            "equilibrium": (env.num_envs, env.num_mus, env.num_asps),
            "asp_observations": (self.num_envs, *env.single_observation_space["asp"].shape),
        }
        for name, shape in shapes.items():
            if name not in markets or markets[name].shape != shape:
                raise ValueError(f"state {name!r} is missing or not of shape {shape}")
        super().restore(markets, slot, returns)
        self._posting, self._equilibrium = markets["posting"].copy(), markets["equilibrium"].copy()
        self._look(markets["asp_observations"])

    def _begin(self) -> Features:
        observations, _ = self.markets.reset()
        self._equilibrium = equilibrium_shares(self.markets.market)
        return self._post(observations["mu"])

    def _trade(self) -> tuple[Features, npt.NDArray[np.float64]]:
        by_market = self._shares.reshape(self.markets.num_envs, -1, *self._shares.shape[1:])
        observations, profits, _, _, _ = self.markets.step({"asp": by_market})
        gains = (profits["asp"].ravel() - self._expected) / (_UNIT * self._at_stake)
        return self._post(observations["mu"]), gains

    def _post(self, observations: npt.NDArray[np.float32]) -> Features:
        """MUs post; what the ASPs then see."""
        rng = np.random.default_rng(self._posting)
        self._posting[1] += np.uint64(1)
        shares: FloatArray = self.source(Situation(observations, self._equilibrium, rng))
        seen, _, _, _, _ = self.markets.step({"mu": shares})
        return self._look(seen["asp"].reshape(self.num_envs, -1))

    def _look(self, observations: npt.NDArray[np.float32]) -> Features:
        self._observations = observations.copy()
        slot_durations = np.repeat(self.markets.market.slot_duration, self.num_agents)
        self._seen = Seen.of(self._observations, slot_durations)
        self._expected = self._seen.profit(self._seen.rule_of_thumb)
        posted = self._seen.rewards.sum(axis=-1)
        self._at_stake = np.where(posted > 0.0, posted, 1.0)
        features = plan_features(self._seen).reshape(self.markets.num_envs, self.num_agents, -1)
        return with_identity(features).reshape(self.num_envs, -1)
