"""How far a set policy of MUs with wallets is from best over episodes that training has not seen, size by size."""

from collections.abc import Iterable, Sequence

from agents.evaluation.sets import SetEvaluation, evaluation_sizes
from agents.market_draws import MarketDistribution, Size
from agents.policy.level_set import LevelSetPolicy
from aigc_market_env.evaluation.episodes import EpisodeEvaluation, HeldOutEpisodes, Mechanism, evaluate_rewards


def held_out_episodes(
    distribution: MarketDistribution, size: Size, count: int, horizon: int, *, first: int = 0, certify: bool = False
) -> HeldOutEpisodes:
    """Episodes number ``first`` and those that follow; each has a market and wallets of its own."""
    return HeldOutEpisodes.of(distribution.scenario_of(*size), count, horizon, first=first, certify=certify)


def evaluate_level_policy(
    policy: LevelSetPolicy,
    distribution: MarketDistribution,
    sizes: Iterable[Size] | None = None,
    *,
    count: int,
    mechanisms: Sequence[Mechanism] = (),
    thorough: bool = False,
) -> SetEvaluation[EpisodeEvaluation]:
    """Play a set policy over held-out episodes of several sizes, of as many slots as it was trained on.

    Args:
        policy: of leaders with wallets.
        distribution: to draw from.
        sizes: M and N of each size to measure; by default those of :func:`~agents.evaluation.sets.evaluation_sizes`.
        count: episodes of each size.
        mechanisms: what else to play.
        thorough: see :func:`~aigc_market_env.evaluation.episodes.evaluate_episodes`.

    Raises:
        ValueError: there are no sizes, or the policy's output is not finite, because its weights are damaged.
    """
    measured = list(evaluation_sizes(distribution) if sizes is None else sizes)
    if not measured:
        raise ValueError("sizes is empty; name at least one, such as (8, 4)")
    results, horizon = {}, policy.architecture.horizon
    for size in measured:
        episodes = held_out_episodes(distribution, size, count, horizon, certify=thorough)
        results[size] = judge_level_policy(policy, episodes, mechanisms, thorough=thorough)
    return SetEvaluation(results, distribution)


def judge_level_policy(
    policy: LevelSetPolicy, episodes: HeldOutEpisodes, mechanisms: Sequence[Mechanism] = (), *, thorough: bool
) -> EpisodeEvaluation:
    """Play a set policy over episodes of one size; see :func:`evaluate_level_policy`."""
    return evaluate_rewards(episodes.posted_in_markets(policy.post), episodes, mechanisms, thorough=thorough)
