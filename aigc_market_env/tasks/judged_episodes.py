"""What a policy does over whole test episodes, MUs having wallets, and bounds on what everybody could have gained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from aigc_market_env.evaluation.episodes import (
    EpisodeEvaluation,
    EpisodePlay,
    HeldOutEpisodes,
    evaluate_episodes,
    judge_episodes,
    together,
)
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.tasks.figures import Found
from aigc_market_env.tasks.policy import Actor
from aigc_market_env.tasks.task import Role, Task
from aigc_market_env.wallets.play import play_episode


@dataclass(frozen=True, eq=False)
class JudgedEpisodes:
    """What was found in test episodes.

    Attributes:
        result: the evaluation, of what the policy did and of the equilibria.
        uniform: samples of the action space instead, slot by slot.
    """

    result: EpisodeEvaluation
    uniform: EpisodeEvaluation

    @classmethod
    def of(cls, task: Task, scenario: Scenario, first: int, count: int, acting: Actor) -> Self:
        """Have a policy act in the episodes number ``first`` and those that follow, and bound best deviations."""
        held_out = HeldOutEpisodes.of(scenario, count, task.horizon, first=first, certify=True)
        result = evaluate_episodes(acting, held_out, thorough=True)
        shares = np.random.default_rng([first, 1]).random(held_out.path.accuracy.shape)
        rewards = shares * held_out.path.reward_bound[..., None]
        drawn = judge_episodes(held_out, {"learned": play_episode(held_out.path, rewards, held_out.wallet)})
        return cls(result, EpisodeEvaluation(drawn, None))

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """What was found part by part, as if found at once."""
        return cls(together([part.result for part in parts]), together([part.uniform for part in parts]))

    def found(self, roles: Sequence[Role]) -> Found:
        """What figures are made of; regrets are their bounds, credits over the episode."""
        learned, uniform = self.result.learned, self.uniform.learned
        path = learned.path
        return Found(
            f"{path.num_mus}x{path.num_asps}",
            regret=_of_mus(learned),
            scale={"mu": learned.scale},
            payoff={"mu": learned.utility},
            relative={"mu": learned.relative},
            uniform_regret=_of_mus(uniform),
            uniform_scale={"mu": uniform.scale},
        )

    def certificates(self) -> tuple[float | None, float | None]:
        """Share of the equilibria compared with that are certified, and of those in which MUs mix: none."""
        return self.result.certified, 0.0


def _of_mus(play: EpisodePlay) -> dict[Role, FloatArray]:
    return {"mu": play.found.regret_bound}
