"""What a policy does in test slots, and what everybody could have gained there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from aigc_market_env.batch import BatchedMarketEnv
from aigc_market_env.equilibrium.mixed import certify_mixtures
from aigc_market_env.equilibrium.solution import Equilibrium
from aigc_market_env.evaluation.both import evaluate_both
from aigc_market_env.evaluation.followers import evaluate_followers
from aigc_market_env.evaluation.joining import joined
from aigc_market_env.evaluation.leaders import evaluate_leaders, judge_rewards
from aigc_market_env.evaluation.plays import Play, plays_of
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.game.followers import follower_regret
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.spaces import HEADROOM
from aigc_market_env.tasks.figures import Found
from aigc_market_env.tasks.mixtures import read_mixtures
from aigc_market_env.tasks.policy import Actor
from aigc_market_env.tasks.task import Role, Task


@dataclass(frozen=True, eq=False)
class JudgedSlots:
    """What was found in test slots of one size.

    Attributes:
        result: the evaluation.
        plays: what it is to be seen beside; see :func:`~aigc_market_env.evaluation.plays.plays_of`.
        uniform: all who act by the policy draw samples of their action spaces instead.
    """

    result: Evaluation
    plays: dict[str, Play]
    uniform: Play

    @classmethod
    def of(cls, task: Task, scenario: Scenario, seeds: Sequence[int], first: int, acting: dict[Role, Actor]) -> Self:
        """Have a policy act in the test slots number ``first`` and those that follow, and search best deviations.

        Args:
            task: the task.
            scenario: its test markets of a size.
            seeds: of the episodes.
            first: number of the first.
            acting: what the policy does.
        """
        oracle = _kept_equilibria(task, first, len(seeds)) if task.kept_mixtures else None
        result = _measured(task, scenario, seeds, acting, oracle)
        plays = plays_of(result, first)
        return cls(result, plays, _uniform(task, plays, first))

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """What was found part by part, as if found at once."""
        whole: Self = joined(parts)
        return whole

    @property
    def label(self) -> str:
        """The size, ``"8x4"``."""
        market = self.plays["learned"].market
        return f"{market.num_mus}x{market.num_asps}"

    def found(self, roles: Sequence[Role]) -> Found:
        """What figures are made of, of those who act by the policy."""
        learned = self.plays["learned"]
        (regret, scale), (uniform_regret, uniform_scale) = _of(learned), _of(self.uniform)
        payoff: dict[Role, FloatArray] = {"mu": learned.outcome.mu_utility, "asp": learned.outcome.asp_profit}
        names: dict[Role, str] = {"mu": "leader_regret_relative", "asp": "follower_regret_relative"}
        return Found(
            self.label,
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


def slots_of(scenario: Scenario, seeds: Sequence[int], warm_up: int) -> Market:
    """The markets of the slots that are measured, which do not depend on what is played. batch (S,)."""
    env = BatchedMarketEnv(scenario, len(seeds), asps="best_response", max_cycles=None)
    env.reset(seed=seeds)
    for _ in range(warm_up):
        env.step({"mu": np.zeros((len(seeds), env.num_mus, env.num_asps))})
    return env.market


def _kept_equilibria(task: Task, first: int, count: int) -> Callable[[Market], Equilibrium]:
    """What certifies the equilibria that are kept of some test slots."""
    supports, probabilities = (array[first : first + count] for array in read_mixtures(task))
    return lambda market: certify_mixtures(market, supports, probabilities)


def _measured(
    task: Task,
    scenario: Scenario,
    seeds: Sequence[int],
    acting: dict[Role, Actor],
    oracle: Callable[[Market], Equilibrium] | None,
) -> Any:
    if task.view == "market":
        market = slots_of(scenario, seeds, task.warm_up)
        return judge_rewards(market, acting["mu"](market) * market.reward_bound[..., None], certify=True)
    if task.roles == ("mu",):
        return evaluate_leaders(acting["mu"], scenario, len(seeds), seeds, certify=True, view=task.view, oracle=oracle)
    if task.roles == ("asp",):
        assert task.posts is not None
        return evaluate_followers(acting["asp"], scenario, len(seeds), task.posts, seeds[0])
    return evaluate_both(acting["mu"], acting["asp"], scenario, len(seeds), seeds[0], certify=True)


def _uniform(task: Task, plays: dict[str, Play], seed: int) -> Play:
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


def _of(play: Play) -> tuple[dict[Role, FloatArray], dict[Role, FloatArray]]:
    """Regrets, and what they are relative to, by role."""
    return {"mu": play.leader_regret, "asp": play.follower_regret}, {"mu": play.mu_scale, "asp": play.asp_scale}
