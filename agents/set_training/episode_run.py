"""Training of one network for every market and every wallet: measured over whole episodes, not in single slots."""

from collections.abc import Mapping
from typing import Any

from rich.markup import escape

from agents.algorithms.set_levels import LevelConfig
from agents.evaluation.set_episodes import evaluate_level_policy, held_out_episodes, judge_level_policy
from agents.evaluation.sets import SetEvaluation, evaluation_sizes, usual_size
from agents.reports.set_episodes import save_set_episode_figures, set_episodes_table
from agents.set_training.run import SetRun
from agents.training.run import HERE
from aigc_market_env.evaluation.episodes import EpisodeEvaluation, HeldOutEpisodes
from aigc_market_env.evaluation.protocol import OneSidedEvaluation
from experiments.tables import NumberTable


class SetEpisodeRun(SetRun):
    """A network of levels and one of prices learn, in episodes that are fresh in every update.

    Args:
        config: what to train.
    """

    save_figures = staticmethod(save_set_episode_figures)
    config: LevelConfig

    def __init__(self, config: LevelConfig) -> None:
        super().__init__(config)
        self._measured_in: HeldOutEpisodes | None = None

    @staticmethod
    def table(result: SetEvaluation[Any], name: str) -> NumberTable:
        """Regrets by size."""
        return set_episodes_table(result, escape(f"{result.summary()['markets']} held-out episodes; trained on {name}"))

    def evaluate_finally(self) -> tuple[SetEvaluation[Any], dict[str, Any]]:
        """Measure the policy over held-out episodes of every size, beside their certified equilibria."""
        config = self.config
        sizes, count = evaluation_sizes(config.markets, config.larger_sizes), config.final_episodes
        policy = self.learner.policy()
        result = evaluate_level_policy(policy, config.markets.held_out, sizes, count=count, thorough=True)
        return result, result.figures()

    def _evaluate(self) -> SetEvaluation[Any]:
        config, size = self.config, usual_size(self.config.markets)
        if self._measured_in is None:  # their equilibria are found once
            markets, count = config.markets.held_out, config.evaluation_markets
            self._measured_in = held_out_episodes(markets, size, count, config.horizon)
        found = judge_level_policy(self.learner.policy(), self._measured_in, thorough=False)
        return SetEvaluation({size: found}, config.markets)

    def _by_folder(self, result: SetEvaluation[Any]) -> Mapping[str, tuple[dict[str, float], OneSidedEvaluation]]:
        usual: EpisodeEvaluation = result.by_size[usual_size(self.config.markets)]
        return {HERE: (usual.point(), usual)}
