"""Advantages over what others made of the same episode: what chance brought to all of them is no merit of theirs."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.buffers import RolloutBuffer


class SharedEpisodeBuffer(RolloutBuffer):
    """A rollout of markets of which ``copies`` in a row go through the same episode, differing in play alone.

    From an advantage the mean of the same agent's in the same slot of all copies is taken off. No action influences
    what an episode brings; so that mean, but for the agent's own share of it, which shortens all advantages alike, is a
    baseline that leaves the gradient as it is on average. What is left of chance is that of exploration.

    Source: Mao, Venkatakrishnan, Schwarzkopf and Alizadeh (2019), arXiv 1807.02264 (baselines that depend on what comes
    from outside); here of the copies at hand, as in Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE samples, get a
    baseline for free".

    Args:
        args: see stable-baselines3's.
        copies: K, markets in a row that share their episodes.
        agents: learners in each market.
        options: see stable-baselines3's.
    """

    def __init__(self, *args: Any, copies: int, agents: int, **options: Any) -> None:
        self._copies, self._agents = copies, agents
        super().__init__(*args, **options)

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: npt.NDArray[Any]) -> None:
        """As stable-baselines3's; what the critic learns from stays as it is."""
        super().compute_returns_and_advantage(last_values, dones)
        self.advantages = over_copies(self.advantages, self._copies, self._agents)


def over_copies(advantages: npt.NDArray[np.float32], copies: int, agents: int) -> npt.NDArray[np.float32]:
    """Advantages (T, markets times agents) less the mean of the same agent's in copies of the market, in a row."""
    shared = advantages.reshape(len(advantages), -1, copies, agents)
    return (shared - shared.mean(axis=2, keepdims=True)).reshape(advantages.shape)
