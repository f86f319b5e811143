"""What a policy does over whole test episodes, MUs having wallets, and bounds on what everybody could have gained.

Bounds are those at the equilibrium's prices of money (docs/wallets.md#certificate): proven, found without a search of
prices, and in all cases tried within 2 % of the least bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from aigc_market_env.evaluation.episodes import (
    EpisodeEvaluation,
    EpisodePlay,
    HeldOutEpisodes,
    judge_episodes,
    together,
)
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.tasks.figures import Found
from aigc_market_env.tasks.policy import Actor
from aigc_market_env.tasks.task import Role, Task
from aigc_market_env.wallets.play import Episode, play_episode


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
        path, wallet, oracle = held_out.path, held_out.wallet, held_out.oracle
        shares = np.random.default_rng([first, 1]).random(path.accuracy.shape)
        rewards = {"learned": held_out.posted_by(acting), "uniform": shares * path.reward_bound[..., None]}
        episodes: dict[str, Episode] = {"oracle": oracle} | {
            name: play_episode(path, posted, wallet) for name, posted in rewards.items()
        }
        plays = judge_episodes(held_out, episodes, thorough=False)
        certified = float(oracle.converged.mean())
        learned = EpisodeEvaluation({name: plays[name] for name in ("learned", "oracle")}, certified)
        return cls(learned, EpisodeEvaluation({"learned": plays["uniform"]}, None))

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
