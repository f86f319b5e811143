"""How far a set policy is from best in markets that training has not seen: of sizes that it was trained on, and others.

Every size has markets of its own, drawn from the distribution's preset and loads with its fading. Leaders are measured
at what they post, the ASPs responding exactly. Followers serve what leaders may do, as in the training of a single
market: by default equilibrium rewards missed by a tenth.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from agents.market_draws import LARGER_SIZES, MarketDistribution, Size
from agents.policy.follower_set import FollowerSetPolicy
from agents.policy.leader_set import LeaderSetPolicy
from aigc_market_env import Market, Scenario, follower_regret
from aigc_market_env.evaluation.episodes import EpisodeEvaluation
from aigc_market_env.evaluation.followers import FollowerEvaluation
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, LeaderEvaluation, judge_rewards
from aigc_market_env.evaluation.protocol import OneSidedEvaluation
from aigc_market_env.evaluation.reward_sources import NEAR, RewardSource, Situation, equilibrium_shares
from aigc_market_env.evaluation.side_regret import worst_of

AnySetPolicy = LeaderSetPolicy | FollowerSetPolicy
OneSize = TypeVar("OneSize", LeaderEvaluation, FollowerEvaluation, EpisodeEvaluation, covariant=True)

#: Evaluation markets of a size have about so many links in all, and so many markets at least.
LINKS, LEAST_MARKETS = 2048, 8


@dataclass(frozen=True, eq=False)
class SetEvaluation(Generic[OneSize]):
    """What a set policy comes to, size by size.

    Attributes:
        by_size: the evaluation of every size measured; its "slots" are markets, each seen once, or
            episodes of MUs with wallets.
        trained: the distribution that the policy was trained on.
    """

    by_size: Mapping[Size, OneSize]
    trained: MarketDistribution

    @property
    def regret_name(self) -> str:
        """Which regret is measured, as the evaluations of a size name it."""
        name: str = next(iter(self.by_size.values())).regret_name
        return name

    @property
    def regret(self) -> dict[Size, float]:
        """Relative regret by size: mean regret over the MUs' mean utility at equilibrium, or the ASPs' best profit."""
        return {size: float(getattr(result, self.regret_name)) for size, result in self.by_size.items()}

    def was_trained(self, size: Size) -> bool:
        """Whether markets of this size were among those trained on."""
        return self.trained.includes(*size)

    @property
    def worst_agent(self) -> dict[Size, float]:
        """Regret of the worst agent by size, relative to its own utility at equilibrium, or its own best profit."""
        return {size: result.relative.worst for size, result in self.by_size.items()}

    def worst(self, *, trained: bool) -> float | None:
        """The largest relative regret of all sizes trained on, or of all others; None if none was measured."""
        return self._largest(self.regret, trained=trained)

    def worst_agent_of_all(self, *, trained: bool) -> float | None:
        """The largest regret of an agent in all sizes trained on, or in all others; None if none was measured."""
        return self._largest(self.worst_agent, trained=trained)

    def _largest(self, regret: Mapping[Size, float], *, trained: bool) -> float | None:
        return max((value for size, value in regret.items() if self.was_trained(size) == trained), default=None)

    def figures(self) -> dict[str, Any]:
        """Regret in markets of the usual size, and the worst regret of the sizes trained on and of the others.

        Beside each of them stands that of the worst agent.

        The usual size is missing where it was not measured, and the worst is None where no size was.
        """
        name, usual = self.regret_name, usual_size(self.trained)
        worst = {
            f"{name}_trained_sizes": self.worst(trained=True),
            f"{name}_other_sizes": self.worst(trained=False),
            f"{worst_of(name)}_trained_sizes": self.worst_agent_of_all(trained=True),
            f"{worst_of(name)}_other_sizes": self.worst_agent_of_all(trained=False),
        }
        return (self.by_size[usual].relative.figures(name) if usual in self.by_size else {}) | worst

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``: those of :meth:`figures`, and all of every size."""
        return {
            "markets": sum(len(result.regret) for result in self.by_size.values()),
            **self.figures(),
            "sizes": [
                {"num_mus": size[0], "num_asps": size[1], "trained": self.was_trained(size), **result.summary()}
                for size, result in self.by_size.items()
            ],
        }


def evaluation_sizes(distribution: MarketDistribution, larger: Iterable[Size] = LARGER_SIZES) -> list[Size]:
    """Sizes to measure: the smallest of a distribution, the usual one and the largest, then others."""
    (least, most), (fewest, largest) = distribution.num_mus, distribution.num_asps
    return list(dict.fromkeys([(least, fewest), usual_size(distribution), (most, largest), *larger]))


def usual_size(distribution: MarketDistribution) -> Size:
    """The preset's own size if the distribution has it, else one in the middle."""
    preset = Scenario.preset(distribution.scenario)
    if distribution.includes(preset.num_mus, preset.num_asps):
        return preset.num_mus, preset.num_asps
    return sum(distribution.num_mus) // 2, sum(distribution.num_asps) // 2


def held_out(distribution: MarketDistribution, size: Size, count: int | None = None) -> Market:
    """Markets of a size from the stream of evaluation, which no training reads. batch (count,).

    Args:
        distribution: preset and loads to draw from.
        size: M and N, which may lie outside of the distribution's.
        count: how many; by default as many as have ``LINKS`` links, and ``LEAST_MARKETS`` at least.
    """
    count = max(LEAST_MARKETS, LINKS // (size[0] * size[1])) if count is None else count
    return distribution.sample_size(np.random.default_rng([EVALUATION_SEED, *size]), *size, count)


def evaluate_set_policy(
    policy: AnySetPolicy,
    distribution: MarketDistribution,
    sizes: Iterable[Size] | None = None,
    *,
    count: int | None = None,
    certify: bool = False,
    source: RewardSource = NEAR,
) -> SetEvaluation[Any]:
    """Measure a set policy in held-out markets of several sizes.

    Args:
        policy: of leaders or of followers.
        distribution: to draw from, such as the ``held_out`` one of that which it was trained on.
        sizes: M and N of each size to measure; by default those of :func:`evaluation_sizes`.
        count: markets of each size; see :func:`held_out`.
        certify: whether to certify the equilibria that leaders are compared with, which takes longer than to find them.
        source: what leaders post while followers are measured.

    Raises:
        ValueError: there are no sizes, or the policy's output is not finite, because its weights are damaged.
    """
    measured = list(evaluation_sizes(distribution) if sizes is None else sizes)
    if not measured:
        raise ValueError("sizes is empty; name at least one, such as (8, 4)")
    results: dict[Size, Any] = {}
    for size in measured:
        market = held_out(distribution, size, count)
        results[size] = judge_set_policy(policy, market, source, certify=certify)
    return SetEvaluation(results, distribution)


def judge_set_policy(
    policy: AnySetPolicy, market: Market, source: RewardSource = NEAR, seed: int = EVALUATION_SEED, *, certify: bool
) -> OneSidedEvaluation:
    """Have a set policy act in S markets of one size, and compare what it does with best responses.

    Args:
        policy: of leaders or of followers.
        market: the markets. batch (S,)
        source: what leaders post while followers are measured.
        seed: of what is posted.
        certify: whether to certify the equilibria that leaders are compared with.
    """
    if policy.mus is not None:
        return judge_rewards(market, policy.mus.rewards(market), certify=certify)
    return judge_allocation(policy.asps, market, source, seed)


def judge_allocation(policy: FollowerSetPolicy, market: Market, source: RewardSource, seed: int) -> FollowerEvaluation:
    """Have followers serve what a source posts in S markets, from a seed, and compare it with best responses."""
    nothing_seen = np.empty((*market.batch_shape, market.num_mus, 0), np.float32)
    rng = np.random.default_rng(seed)
    shares = source(Situation(nothing_seen, equilibrium_shares(market), rng))
    rewards = shares * market.reward_bound[..., None]
    compute, bandwidth = policy.allocate(market, rewards)
    return FollowerEvaluation(
        market=market,
        outcome=market.outcome(rewards, compute, bandwidth),
        regret=follower_regret(market, rewards, compute, bandwidth),
    )
