"""What an evaluation is to tables, figures and files, whoever has learned."""

from typing import Any, Protocol

from aigc_market_env.evaluation.episodes import EpisodeEvaluation
from aigc_market_env.evaluation.followers import FollowerEvaluation
from aigc_market_env.evaluation.leaders import LeaderEvaluation

#: Of one side, with its ``payoffs`` and ``regret`` (S, agents), over slots or whole episodes.
OneSidedEvaluation = LeaderEvaluation | FollowerEvaluation | EpisodeEvaluation


class Evaluation(Protocol):
    """Policies of the MUs, of the ASPs or of both, in evaluation slots."""

    @property
    def leaders(self) -> LeaderEvaluation | None:
        """Of the MUs; None if they have not learned."""

    @property
    def followers(self) -> FollowerEvaluation | None:
        """Of the ASPs; None if they have not learned."""

    @property
    def near(self) -> FollowerEvaluation | None:
        """Of ASPs that have learned beside MUs, on rewards near equilibrium; None otherwise."""

    def point(self) -> dict[str, float]:
        """The figures that a learning curve is made of."""

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``."""
