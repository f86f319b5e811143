"""Training by PPO or SAC on a fixed market with fading links: of the mobile users, or of the providers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.config import FollowerConfig, LeaderConfig
from agents.run_folder import read_config
from agents.training.episode_run import EpisodeRun
from agents.training.learner import asp_learner, mu_learner
from agents.training.market_run import MarketRun
from agents.training.run import HERE, train
from agents.training.schedule import Alone
from aigc_market_env.evaluation.episodes import EpisodeEvaluation
from aigc_market_env.evaluation.followers import FollowerEvaluation, evaluate_followers
from aigc_market_env.evaluation.leaders import LeaderEvaluation, evaluate_leaders
from aigc_market_env.evaluation.reward_sources import NEAR

__all__ = ["FollowerConfig", "LeaderConfig", "read_config", "train_followers", "train_leaders"]


def train_leaders(
    config: LeaderConfig, out: Path, *, resume: bool = False
) -> tuple[LeaderEvaluation | EpisodeEvaluation, dict[str, Any]]:
    """Train the MUs against exact ASPs, evaluate, and write a run folder; with ``resume``, go on from its checkpoint.

    Args:
        config: what to train.
        out: the run folder.
        resume: whether to continue what was begun there. A resumed run ends with the same weights, to the bit, as one
            that was never interrupted. It may be longer than it was: from there on its learning rate falls as that of a
            run that was so long from the beginning.

    Returns:
        The final evaluation, of whole episodes where MUs have wallets, and what went into ``metrics.json``.

    Raises:
        ValueError: the scenario is unknown, or the checkpoint is damaged or of another configuration.
        KeyboardInterrupt: the run was told to stop; its checkpoint is written.
    """
    if config.has_wallets:
        return train(EpisodeRun, config, out, resume=resume)
    return train(LeaderRun, config, out, resume=resume)


def train_followers(
    config: FollowerConfig, out: Path, *, resume: bool = False
) -> tuple[FollowerEvaluation, dict[str, Any]]:
    """Train the ASPs on the rewards that the configuration names; otherwise like :func:`train_leaders`.

    Regret is measured on rewards from the source that is trained on. ``metrics.json`` also has
    ``follower_regret_relative_near``, that on rewards near equilibrium
    (:data:`~aigc_market_env.evaluation.reward_sources.NEAR`), and ``leader_regret_relative``, that of the rewards
    posted, which nobody has learned.
    """
    return train(FollowerRun, config, out, resume=resume)


class LeaderRun(MarketRun[LeaderEvaluation]):
    """MUs learn, among ASPs at their best response.

    Args:
        config: what to train.
    """

    config: LeaderConfig
    regrets = ("leader_regret_relative",)

    def __init__(self, config: LeaderConfig) -> None:
        self.scenario = config.make_scenario()
        self.mus = mu_learner(config, self.scenario)
        super().__init__(config, {HERE: self.mus}, Alone(HERE, config.transitions, self.mus.rollout))

    def _evaluate(self) -> LeaderEvaluation:
        return evaluate_leaders(self.mus.policy.act_batch, self.scenario.held_out, self.config.evaluation_slots)

    def evaluate_finally(self) -> tuple[LeaderEvaluation, dict[str, Any]]:
        """Measure the MUs among exact ASPs, with certified equilibria."""
        slots = self.config.final_evaluation_slots
        result = evaluate_leaders(self.mus.policy.act_batch, self.scenario.held_out, slots, certify=True)
        return result, {
            **result.relative.figures("leader_regret_relative"),
            **result.followers_relative.figures("follower_regret_relative"),
        }

    def _by_folder(self, result: LeaderEvaluation) -> Mapping[str, tuple[dict[str, float], LeaderEvaluation]]:
        return {HERE: (result.point(), result)}


class FollowerRun(MarketRun[FollowerEvaluation]):
    """ASPs learn, on rewards from a source.

    Args:
        config: what to train.
    """

    config: FollowerConfig
    regrets = ("follower_regret_relative",)

    def __init__(self, config: FollowerConfig) -> None:
        self.scenario, self.source = config.make_scenario(), config.make_source()
        self.asps = asp_learner(config, self.scenario, self.source)
        super().__init__(config, {HERE: self.asps}, Alone(HERE, config.transitions, self.asps.rollout))

    def _evaluate(self) -> FollowerEvaluation:
        serve, slots = self.asps.policy.act_batch, self.config.evaluation_slots
        return evaluate_followers(serve, self.scenario.held_out, slots, self.source)

    def evaluate_finally(self) -> tuple[FollowerEvaluation, dict[str, Any]]:
        """Measure the ASPs on rewards from the source, and near equilibrium."""
        serve, slots = self.asps.policy.act_batch, self.config.final_evaluation_slots
        result = evaluate_followers(serve, self.scenario.held_out, slots, self.source)
        near = evaluate_followers(serve, self.scenario.held_out, slots, NEAR)
        return result, {
            **result.relative.figures("follower_regret_relative"),
            **result.as_posted.relative.figures("leader_regret_relative"),
            **near.relative.figures("follower_regret_relative_near"),
        }

    def _by_folder(self, result: FollowerEvaluation) -> Mapping[str, tuple[dict[str, float], FollowerEvaluation]]:
        return {HERE: (result.point(), result)}
