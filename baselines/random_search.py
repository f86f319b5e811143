"""Black-box pricing by random search: every MU tries rewards and keeps what has served it better.

    r' = r exp(σ Z), Z standard normal, one factor per ASP
    r ← r' if U_m(r') > U_m(r)

A round takes two probes of the whole market: all MUs post the rewards that they hold, then all post a trial. Each sees
nothing but its own two utilities. log σ grows after a success and shrinks by a quarter as much after a failure,
so that one trial in five succeeds: the (1+1) evolution strategy (Rechenberg 1973), played by every MU by itself. That
rivals move at the same time is noise to it; one MU at a time would be free of that, and take M times as many probes.
Black-box pricing is a family that the field compares with; this form is the project's choice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market
from aigc_market_env.equilibrium.dual_perturbation import Probe, probe_of
from aigc_market_env.model import satisfaction
from aigc_market_env.model.options import nonnegative_number, positive_fraction, positive_number, whole_number
from aigc_market_env.model.parameters import FloatArray
from baselines.learning import play_until_goal
from baselines.mechanism import MechanismResult


@dataclass(frozen=True)
class RandomSearch:
    """A (1+1) evolution strategy for every MU.

    Attributes:
        rounds: the cap.
        start: rewards to start from, as a share of the reward bound.
        size: first σ.
        growth: of log σ at a success.

    Raises:
        ValueError: an attribute is out of its range.
    """

    name: str = "random_search"
    label: str = "random search"
    rounds: int = 1000
    start: float = 0.2
    size: float = 0.3
    growth: float = 0.2

    def __post_init__(self) -> None:
        whole_number("rounds", self.rounds, 0)
        positive_fraction("start", self.start)
        positive_number("size", self.size)
        nonnegative_number("growth", self.growth)

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Search until the relative regret is at most GOAL, or for ``rounds`` rounds."""
        return play_until_goal(market, self.updates(market, probe_of(market), rng), 2, self.rounds)

    def updates(self, market: Market, probe: Probe, rng: np.random.Generator) -> Iterator[FloatArray]:
        """The start, then the rewards (M, N) held after every round, without end."""
        bound = market.reward_bound[:, None]
        rewards = np.repeat(self.start * bound, market.num_asps, axis=1)
        size = np.full_like(bound, self.size)
        while True:
            yield rewards
            trial = np.minimum(rewards * np.exp(size * rng.standard_normal(rewards.shape)), bound)
            before, after = (own_utility(market, posted, probe(posted)) for posted in (rewards, trial))
            success = (after > before)[:, None]
            rewards = np.where(success, trial, rewards)
            size = size * np.exp(np.where(success, self.growth, -0.25 * self.growth))


def own_utility(market: Market, rewards: FloatArray, qoe: FloatArray) -> FloatArray:
    """What every MU makes of the QoE delivered for its rewards, both (M, N), by its own ω, q and k; shape (M,)."""
    wants = market.satisfaction_scale, market.qoe_requirement, market.satiation
    satisfied = satisfaction.values(qoe.sum(axis=1), *wants)
    utility: FloatArray = satisfied - (rewards * qoe).sum(axis=1)
    return utility
