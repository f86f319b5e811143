"""Mechanisms for episodes as policies of a task with wallets: privileged, for they see the market of every slot."""

from typing import Any

import numpy as np

from aigc_market_env.evaluation.episodes import Mechanism
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks import Task
from aigc_market_env.wallets.episode_path import episode_path


class MechanismPlay:
    """Posts, slot by slot, what a mechanism posts in the test episode that is played.

    Nothing that is done moves a market, and money is what the mechanism has made of it: so whole episodes are played by
    the mechanism first.

    Args:
        task: of MUs with wallets.
        mechanism: what to play.
    """

    def __init__(self, task: Task, mechanism: Mechanism) -> None:
        self._task, self._mechanism = task, mechanism
        self._posted: dict[int, FloatArray] = {}

    def reset(self, num_envs: int, first: int) -> None:
        """Begin test episodes number ``first`` and those that follow."""
        self._episodes, self._slot = range(first, first + num_envs), 0

    def __call__(self, observations: Any) -> FloatArray:
        """Shares of ω/q. (B, M, N)."""
        shares = np.stack([self._shares(episode)[self._slot] for episode in self._episodes])
        self._slot += 1
        return shares

    def _shares(self, episode: int) -> FloatArray:
        """Of the whole episode; kept, for a judge asks again. (T, M, N)."""
        if episode not in self._posted:
            seed, scenario = self._task.test_seeds[0][episode], self._task.test_scenarios[0]
            path, wallet = episode_path(scenario, seed, self._task.horizon)
            assert wallet is not None
            rewards = self._mechanism.run(path, wallet, np.random.default_rng(seed)).rewards
            self._posted[episode] = np.minimum(rewards / path.reward_bound[..., None], 1.0)
        return self._posted[episode]
