"""A task's test markets in parts, and how a part is judged.

Parts do not need one another, and how test markets are cut depends on their number and size alone: what is found is
the same to the last bit, wherever the parts are played and in whatever order.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FIELDS
from aigc_market_env.tasks.judged_episodes import JudgedEpisodes
from aigc_market_env.tasks.judged_slots import JudgedSlots, slots_of
from aigc_market_env.tasks.policy import Policy, actors
from aigc_market_env.tasks.task import Task
from aigc_market_env.wallets.episode_path import episode_path

Judged = JudgedSlots | JudgedEpisodes

#: A part has slots with about so many links in all: of campus 32, a few tenths of a second of a core.
LINKS_IN_PART = 1024


@dataclass(frozen=True)
class Part:
    """Some of a task's test episodes.

    Attributes:
        size: number of the size of their markets, 0 where there is one.
        first: number of the first.
        count: how many.
    """

    size: int
    first: int
    count: int

    def play(self, task: Task, policy: Policy) -> Judged:
        """Have a policy act in them, and search everyone's best deviations.

        Raises:
            ValueError: the policy is not for this task; see :class:`~aigc_market_env.tasks.policy.Actor`.
        """
        scenario = task.test_scenarios[self.size]
        episodes = self.count, self.first
        acting = actors(task, policy, scenario.num_mus, scenario.num_asps, episodes, check=self.first == 0)
        if task.has_wallets:
            return JudgedEpisodes.of(task, scenario, self.first, self.count, acting["mu"])
        seeds = task.test_seeds[self.size][self.first : self.first + self.count]
        return JudgedSlots.of(task, scenario, list(seeds), self.first, acting)


def parts_of(task: Task) -> list[Part]:
    """A task's test episodes, in parts; those of one size follow one another. Whole episodes are parts of their own."""
    parts = []
    for size, (scenario, seeds) in enumerate(zip(task.test_scenarios, task.test_seeds, strict=True)):
        most = 1 if task.has_wallets else max(LINKS_IN_PART // (scenario.num_mus * scenario.num_asps), 1)
        parts += [Part(size, first, min(most, len(seeds) - first)) for first in range(0, len(seeds), most)]
    return parts


def fingerprint(task: Task) -> str:
    """SHA-256 of a task's test markets, rounded to float32 so that it is the same on every platform.

    Of tasks with wallets, it is of all slots of the episodes, and of the wallets.
    """
    digest = hashlib.sha256()
    for scenario, seeds in zip(task.test_scenarios, task.test_seeds, strict=True):
        if task.has_wallets:
            begun = [episode_path(scenario, seed, task.horizon) for seed in seeds]
            wallets = [amount for _, wallet in begun if wallet is not None for amount in wallet.amounts]
            shown = Market.stack([path for path, _ in begun])
        else:
            shown, wallets = slots_of(scenario, seeds, task.warm_up), []
        for array in (*(getattr(shown, name) for name in FIELDS), *wallets):
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()
