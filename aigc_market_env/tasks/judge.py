"""Plays a task's test markets by a policy, part by part, and measures everyone's best deviations.

Parts do not need one another, and how test markets are cut depends on their number and size alone: what is found is
the same to the last bit, wherever the parts are played and in whatever order.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market_env.batch import BatchedMarketEnv
from aigc_market_env.evaluation.both import evaluate_both
from aigc_market_env.evaluation.followers import evaluate_followers
from aigc_market_env.evaluation.leaders import evaluate_leaders, judge_rewards
from aigc_market_env.evaluation.plays import Play, plays_of
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.game.followers import follower_regret
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FIELDS, FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.spaces import HEADROOM
from aigc_market_env.tasks.figures import Found
from aigc_market_env.tasks.policy import Actor, Policy, actors
from aigc_market_env.tasks.task import Role, Task
from aigc_market_env.wallets.episode_path import episode_path

#: A part has slots with about so many links in all: of campus 32, a few tenths of a second of a core.
LINKS_IN_PART = 1024


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found in test markets of one size.

    Attributes:
        result: the evaluation.
        plays: what it is to be seen beside; see :func:`~aigc_market_env.evaluation.plays.plays_of`.
        uniform: all who act by the policy draw samples of their action spaces instead.
    """

    result: Evaluation
    plays: dict[str, Play]
    uniform: Play

    def found(self, roles: Sequence[Role]) -> Found:
        """What figures are made of, of those who act by the policy."""
        learned = self.plays["learned"]
        (regret, scale), (uniform_regret, uniform_scale) = _of(learned), _of(self.uniform)
        payoff: dict[Role, FloatArray] = {"mu": learned.outcome.mu_utility, "asp": learned.outcome.asp_profit}
        names: dict[Role, str] = {"mu": "leader_regret_relative", "asp": "follower_regret_relative"}
        return Found(
            f"{learned.market.num_mus}x{learned.market.num_asps}",
            regret={role: regret[role] for role in roles},
            scale={role: scale[role] for role in roles},
            payoff={role: payoff[role] for role in roles},
            relative={role: learned.relative_regrets[names[role]] for role in roles},
            uniform_regret={role: uniform_regret[role] for role in roles},
            uniform_scale={role: uniform_scale[role] for role in roles},
        )

    def certificates(self) -> tuple[float | None, float | None]:
        """Share of the equilibria compared with that are certified, and of those in which MUs mix."""
        leaders = self.result.leaders
        if leaders is None or leaders.equilibrium.certificate is None:
            return None, None
        certified = leaders.equilibrium.certificate.converged
        return float(certified.mean()), float((leaders.equilibrium.kind == "mixed").mean())


@dataclass(frozen=True)
class Part:
    """Some of a task's test markets.

    Attributes:
        size: number of their size, 0 where there is one.
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
        seeds = self.seeds(task)
        acting = actors(
            task, policy, scenario.num_mus, scenario.num_asps, (self.count, self.first), check=self.first == 0
        )
        result = _measured(task, scenario, seeds, acting)
        plays = plays_of(result, self.first)
        return Judged(result, plays, _uniform(task, result, plays, self.first))

    def seeds(self, task: Task) -> list[int]:
        """Of the episodes."""
        return list(task.test_seeds[self.size][self.first : self.first + self.count])


def _of(play: Play) -> tuple[dict[Role, FloatArray], dict[Role, FloatArray]]:
    """Regrets, and what they are relative to, by role."""
    return {"mu": play.leader_regret, "asp": play.follower_regret}, {"mu": play.mu_scale, "asp": play.asp_scale}


def parts_of(task: Task) -> list[Part]:
    """A task's test markets, in parts; those of one size follow one another."""
    parts = []
    for size, (scenario, seeds) in enumerate(zip(task.test_scenarios, task.test_seeds, strict=True)):
        most = max(LINKS_IN_PART // (scenario.num_mus * scenario.num_asps), 1)
        parts += [Part(size, first, min(most, len(seeds) - first)) for first in range(0, len(seeds), most)]
    return parts


def _measured(task: Task, scenario: Scenario, seeds: Sequence[int], acting: dict[Role, Actor]) -> Any:
    if task.view == "market":
        market = _slots(scenario, seeds, task.warm_up)
        return judge_rewards(market, acting["mu"](market) * market.reward_bound[..., None], certify=True)
    if task.roles == ("mu",):
        return evaluate_leaders(acting["mu"], scenario, len(seeds), seeds, certify=True, view=task.view)
    if task.roles == ("asp",):
        assert task.posts is not None
        return evaluate_followers(acting["asp"], scenario, len(seeds), task.posts, seeds[0])
    return evaluate_both(acting["mu"], acting["asp"], scenario, len(seeds), seeds[0], certify=True)


def _slots(scenario: Scenario, seeds: Sequence[int], warm_up: int) -> Market:
    """The markets of the slots that are measured, which do not depend on what is played. batch (S,)."""
    env = BatchedMarketEnv(scenario, len(seeds), asps="best_response", max_cycles=None)
    env.reset(seed=seeds)
    for _ in range(warm_up):
        env.step({"mu": np.zeros((len(seeds), env.num_mus, env.num_asps))})
    return env.market


def _uniform(task: Task, result: Evaluation, plays: dict[str, Play], seed: int) -> Play:
    """The same slots as samples of action spaces play them."""
    if task.roles == ("mu",):
        return plays["uniform"]
    learned = plays["learned"]
    market = learned.market
    mus = plays["uniform"] if "mu" in task.roles else learned
    shares = np.random.default_rng([seed, 1]).random((*market.batch_shape, market.num_asps, 2, market.num_mus))
    shares *= HEADROOM / np.maximum(shares.sum(axis=-1, keepdims=True), 1.0)
    rewards = mus.outcome.rewards
    compute = shares[..., 0, :].swapaxes(-1, -2) * market.compute_capacity[..., None, :]
    bandwidth = shares[..., 1, :].swapaxes(-1, -2) * market.bandwidth_capacity[..., None, :]
    return Play(
        market,
        market.outcome(rewards, compute, bandwidth),
        mus.leader_regret,
        follower_regret(market, rewards, compute, bandwidth),
        mus.mu_scale,
    )


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
            shown, wallets = _slots(scenario, seeds, task.warm_up), []
        for array in (*(getattr(shown, name) for name in FIELDS), *wallets):
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()
