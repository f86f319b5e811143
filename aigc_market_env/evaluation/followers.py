"""How far learned allocation is from best: regret of the ASPs on slots unseen in training."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from aigc_market_env import BatchedMarketEnv, Market, Outcome, Scenario, follower_regret
from aigc_market_env.evaluation.intervals import CONFIDENCE, ratio_interval
from aigc_market_env.evaluation.leaders import (
    EVALUATION_SEED,
    WARM_UP_SLOTS,
    LeaderEvaluation,
    judge_rewards,
    outcome_means,
)
from aigc_market_env.evaluation.reward_sources import NEAR, RewardSource, Situation, equilibrium_shares
from aigc_market_env.evaluation.side_regret import SideRegret, side_regret
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.spaces import HEADROOM

#: From observations of the ASPs (S, N, D) to shares of compute and bandwidth (S, N, 2, M).
Serving = Callable[[npt.NDArray[np.float32]], FloatArray]


@dataclass(frozen=True, eq=False)
class FollowerEvaluation:
    """Learned allocation on S evaluation slots, one from each of S independent episodes, beside best responses.

    Attributes:
        market: the slots' markets. batch (S,)
        outcome: at the rewards posted, the ASPs allocating as learned. batch (S,)
        regret: best profit at those rewards less the profit earned, credits per slot. (S, N)
    """

    #: Who was measured, as agents and figures are named.
    group: ClassVar[Literal["asp"]] = "asp"
    regret_name: ClassVar[str] = "follower_regret_relative"
    #: Nothing was measured beside; see :attr:`~aigc_market_env.evaluation.JointEvaluation.near`.
    near: ClassVar[None] = None

    market: Market
    outcome: Outcome
    regret: FloatArray

    @property
    def leaders(self) -> None:
        """No policy of the MUs was measured."""

    @property
    def followers(self) -> Self:
        """The evaluation of the ASPs, which this is."""
        return self

    @property
    def payoffs(self) -> FloatArray:
        """Profit of each ASP in each slot, credits per slot. (S, N)."""
        return self.outcome.asp_profit

    @property
    def mu_utility_ratio(self) -> float:
        """Mean utility of the MUs over that by exact ASPs at the same rewards; 1 for 0 / 0."""
        exact = float(self.as_posted.outcome.mu_utility.mean())
        return float(self.outcome.mu_utility.mean()) / exact if exact > 0.0 else 1.0

    @cached_property
    def as_posted(self) -> LeaderEvaluation:
        """The rewards served, as exact ASPs would have served them, beside the MUs' best responses."""
        return judge_rewards(self.market, self.outcome.rewards)

    @property
    def best_profit(self) -> FloatArray:
        """What each ASP could have earned, credits per slot. (S, N)."""
        best: FloatArray = self.outcome.asp_profit + self.regret
        return best

    @property
    def relative(self) -> SideRegret:
        """The ASPs' regret relative to best profits: of all of them, and of the worst one relative to its own."""
        return side_regret(self.market, self.regret, self.best_profit, "asp")

    @property
    def follower_regret_relative(self) -> float:
        """Mean regret over the mean best profit, over all ASPs and slots."""
        return self.relative.mean

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Bootstrap interval of the relative regret; see :mod:`aigc_market_env.evaluation.intervals`."""
        point = self.follower_regret_relative
        return ratio_interval(self.regret.mean(axis=1), self.best_profit.mean(axis=1), point, confidence)

    def point(self) -> dict[str, float]:
        """The figures that a learning curve is made of."""
        regret = self.relative
        return {
            "follower_regret_relative": regret.mean,
            "follower_regret_worst": regret.worst,
            "asp_profit_learned": float(self.outcome.asp_profit.mean()),
            "asp_profit_best": float(self.best_profit.mean()),
        }

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``.

        Leader regret is that of the rewards served, whoever posted them, the ASPs responding exactly.
        """
        interval, posted, regret = self.interval(), self.as_posted, self.relative
        return {
            "slots": len(self.regret),
            **posted.relative.figures("leader_regret_relative"),
            **regret.figures("follower_regret_relative"),
            "follower_regret_relative_interval_95": None if interval is None else list(interval),
            "asp_best_profit": float(self.best_profit.mean()),
            "learned": outcome_means(self.outcome),
            "best_response": outcome_means(posted.outcome),
            "regret_by_asp": self.regret.mean(axis=0).tolist(),
            "regret_relative_by_asp": regret.by_agent(),
        }


def evaluate_followers(
    policy: Serving, scenario: Scenario, num_slots: int, source: RewardSource = NEAR, seed: int = EVALUATION_SEED
) -> FollowerEvaluation:
    """Have a policy of the ASPs serve what a source posts, and compare it with best responses to the same rewards.

    Args:
        policy: from observations (S, N, D) to shares of compute and bandwidth (S, N, 2, M).
        scenario: where markets come from.
        num_slots: S, slots measured, each in an episode of its own.
        source: what the MUs post; around the equilibrium of the very slot that is measured.
        seed: of the first episode, the others follow; and of what is posted.
    """
    env = BatchedMarketEnv(scenario, num_slots, asps="agents", max_cycles=None, seed=seed)
    rng = np.random.default_rng(seed)
    observations, _ = env.reset()
    equilibrium = equilibrium_shares(env.market)
    for slot in range(WARM_UP_SLOTS + 1):
        market = env.market
        if slot == WARM_UP_SLOTS:
            equilibrium = equilibrium_shares(market)
        posted, *_ = env.step({"mu": source(Situation(observations["mu"], equilibrium, rng))})
        observations, *_ = env.step({"asp": policy(posted["asp"])})
    served = env.served
    compute, bandwidth = served.compute * HEADROOM, served.bandwidth * HEADROOM
    return FollowerEvaluation(
        market=market,
        outcome=market.outcome(served.rewards, compute, bandwidth),
        regret=follower_regret(market, served.rewards, compute, bandwidth),
    )
