"""Training on a fixed market whose mobile users have wallets: measured over whole episodes, not in single slots."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.markup import escape

from agents.config import LeaderConfig
from agents.reports.episodes import episodes_table, save_episode_figures
from agents.training.learner import mu_learner
from agents.training.market_run import MarketRun
from agents.training.run import HERE
from agents.training.schedule import Alone
from aigc_market_env.evaluation.episodes import EpisodeEvaluation, HeldOutEpisodes, evaluate_episodes
from experiments.pictures import Pictures
from experiments.tables import NumberTable


class EpisodeRun(MarketRun[EpisodeEvaluation]):
    """MUs with wallets learn, among ASPs at their best response.

    Args:
        config: what to train.
    """

    config: LeaderConfig
    regrets = ("leader_regret_relative",)

    def __init__(self, config: LeaderConfig) -> None:
        self.scenario = config.make_scenario()
        self.mus = mu_learner(config, self.scenario)
        super().__init__(config, {HERE: self.mus}, Alone(HERE, config.transitions, self.mus.rollout))

    @staticmethod
    def save_figures(result: Any, curve: list[dict[str, float]], pictures: Pictures) -> list[Path]:
        """Money and its price over an episode, where regret comes from, and the learning curve; the files written."""
        return save_episode_figures(result, curve, pictures)

    @staticmethod
    def table(result: Any, name: str) -> NumberTable:
        """What is learned beside the equilibrium and other play."""
        return episodes_table(result, escape(name))

    def evaluate_finally(self) -> tuple[EpisodeEvaluation, dict[str, Any]]:
        """Measure the MUs beside the certified equilibria."""
        held_out = self._held_out(self.config.final_evaluation_slots, certify=True)
        result = evaluate_episodes(self.mus.policy.act_batch, held_out, thorough=True)
        return result, result.learned.relative.figures("leader_regret_relative")

    def _evaluate(self) -> EpisodeEvaluation:
        return evaluate_episodes(self.mus.policy.act_batch, self._measured_in)

    @cached_property
    def _measured_in(self) -> HeldOutEpisodes:
        """While learning; their equilibria are found once."""
        return self._held_out(self.config.evaluation_slots)

    def _held_out(self, slots: int, *, certify: bool = False) -> HeldOutEpisodes:
        horizon = self.config.horizon
        return HeldOutEpisodes.of(self.scenario.held_out, max(slots // horizon, 1), horizon, certify=certify)

    def _by_folder(self, result: EpisodeEvaluation) -> Mapping[str, tuple[dict[str, float], EpisodeEvaluation]]:
        return {HERE: (result.point(), result)}
