"""The mobile users of many markets as one stable-baselines3 VecEnv: every MU of every market is an environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from stable_baselines3.common.vec_env import VecEnv

from agents.actions import shares_of
from aigc_market_env import BatchedMarketEnv, Scenario
from aigc_market_env.spaces import OBSERVATION_BOUND


def with_identity(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Observations (B, M, D) of MUs, each preceded by a one-hot vector of which MU it is. (B, M, M + D).

    Parameters are shared by all MUs; on a fixed market the identity lets one network price for each of them.
    """
    lanes, num_mus, size = observations.shape
    features = np.zeros((lanes, num_mus, num_mus + size), np.float32)
    features[:, np.arange(num_mus), np.arange(num_mus)] = 1.0
    features[:, :, num_mus:] = observations
    return features


class LeaderVecEnv(VecEnv):
    """MUs as independent learners that share parameters, ASPs at their best response.

    Environment ``i·M + m`` is MU m of market i. An episode never ends by itself, because nothing that an MU does
    matters beyond the slot; every ``episode_slots`` slots the return is reported as that of an episode all the same.

    Args:
        scenario: where markets come from.
        num_markets: markets side by side.
        seed: seed of the first market; market i gets ``seed + i``.
        episode_slots: slots whose utilities are summed up for the episode statistics.

    Observation: the MU's identity and its observation, see :func:`with_identity`. Action: Box(-1, 1, (N,)), see
    :func:`~agents.actions.shares_of`. Reward: the MU's utility over its satisfaction scale, U/ω.
    """

    def __init__(self, scenario: Scenario, num_markets: int, *, seed: int = 0, episode_slots: int = 64) -> None:
        self.markets = BatchedMarketEnv(scenario, num_markets, asps="best_response", max_cycles=None, seed=seed)
        self.episode_slots = episode_slots
        m, n = scenario.num_mus, scenario.num_asps
        size = m + self.markets.single_observation_space["mu"].shape[0]
        self.render_mode = None
        super().__init__(
            num_markets * m,
            Box(-OBSERVATION_BOUND, OBSERVATION_BOUND, (size,), np.float32),
            Box(-1.0, 1.0, (n,), np.float32),
        )
        self._actions = np.zeros((num_markets, m, n))
        self._no_dones = np.zeros(self.num_envs, bool)
        self.slot = 0
        self.returns = np.zeros(self.num_envs)

    def reset(self) -> npt.NDArray[np.float32]:
        """Begin an episode in every market."""
        observations, _ = self.markets.reset()
        self._scale = self.markets.market.satisfaction_scale
        self.slot = 0
        self.returns[:] = 0.0
        return self._flat(observations["mu"])

    def step_async(self, actions: npt.NDArray[np.float32]) -> None:
        """Take the actions (B·M, N) for the next slot."""
        self._actions = shares_of(actions).reshape(self._actions.shape)

    def step_wait(
        self,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        """Trade one slot in every market."""
        observations, rewards, _, _, _ = self.markets.step({"mu": self._actions})
        gains = (rewards["mu"] / self._scale).ravel()
        self.returns += gains
        self.slot += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if self.slot % self.episode_slots == 0:
            infos = [{"episode": {"r": total, "l": self.episode_slots}} for total in self.returns.tolist()]
            self.returns[:] = 0.0
        return self._flat(observations["mu"]), gains.astype(np.float32), self._no_dones.copy(), infos

    def state(self) -> dict[str, Any]:
        """Copies of all that the environment's future depends on; for checkpoints."""
        return {"markets": self.markets.state(), "slot": self.slot, "returns": self.returns.copy()}

    def restore(self, markets: dict[str, npt.NDArray[Any]], slot: int, returns: npt.NDArray[np.float64]) -> None:
        """Go on from a :meth:`state` of an environment made with the same arguments, bit for bit.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        if returns.shape != self.returns.shape:
            raise ValueError(f"returns has shape {returns.shape}, expected {self.returns.shape}")
        self.markets.restore(markets)
        self._scale = self.markets.market.satisfaction_scale
        self.slot = int(slot)
        self.returns[:] = returns

    def _flat(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return with_identity(observations).reshape(self.num_envs, -1)

    # What else a VecEnv is asked for ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing to close."""

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Reseed every market; the next reset uses it."""
        if seed is not None:
            self.markets.reseed(seed)
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of this object, once per environment asked for."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Environments are rows of one array and have no attributes of their own."""
        raise NotImplementedError("the environments of a LeaderVecEnv share all attributes")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Environments are rows of one array and have no methods of their own."""
        raise NotImplementedError("the environments of a LeaderVecEnv have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """No environment is wrapped."""
        return [False] * len(list(self._get_indices(indices)))
