"""What every mechanism gives, so that all can stand in one table.

A mechanism decides who pays what and who serves whom in one market. Whatever its own currency (a reward per QoE, a unit
price, a bid), it is told in the market's terms: an allocation, and for every link the payment per QoE delivered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from aigc_market_env import Market, Outcome, follower_response, relative_regret
from aigc_market_env.equilibrium import Overhead
from aigc_market_env.model.parameters import FloatArray

#: Relative regret within its own rules at which a mechanism counts as having arrived.
GOAL = 0.01

#: What a slot produces where a mechanism's prices are as intense as a positive number says; 1 is as it is played.
AtIntensity = Callable[[float], Outcome]


@dataclass(frozen=True, eq=False)
class MechanismResult:
    """Where a mechanism ends in one market, and what it took.

    Attributes:
        outcome: what a slot produces there: ``outcome.rewards`` are payments per QoE delivered, credits (M, N),
            whatever the mechanism's own currency is; ``outcome.compute`` and ``outcome.bandwidth`` the allocation.
        overhead: what it took to get there; None for a mechanism that does not learn by being played (a closed form, or
            an equilibrium computed by one who knows the whole market).
        reached: whether its own relative regret is at most GOAL: for those who play until then, before their cap; for
            equilibria, at the point computed, since an equilibrium in pure strategies need not exist. True where nobody
            chooses anything.
        at_intensity: what a slot would produce were the mechanism as intense as a positive number says, whatever that
            is: a level of rewards, a margin, a scale of bids. The more intense, the more it is meant to deliver; at 1
            that is the ``outcome``. None for a mechanism that has no such number.
    """

    outcome: Outcome
    overhead: Overhead | None = None
    reached: bool = True
    at_intensity: AtIntensity | None = None

    @classmethod
    def of_rewards(
        cls, market: Market, rewards: FloatArray, overhead: Overhead | None = None, reached: bool = True
    ) -> Self:
        """ASPs respond at their best to posted rewards (M, N), credits per QoE; the intensity is a factor of all."""

        def at_intensity(level: float) -> Outcome:
            posted = level * rewards
            response = follower_response(market, posted)
            return market.outcome(posted, response.compute, response.bandwidth)

        return cls(at_intensity(1.0), overhead, reached, at_intensity)

    @classmethod
    def of_payments(
        cls,
        market: Market,
        payments: FloatArray,
        compute: FloatArray,
        bandwidth: FloatArray,
        overhead: Overhead | None = None,
        reached: bool = True,
        at_intensity: AtIntensity | None = None,
    ) -> Self:
        """An allocation (M, N) with payments (M, N), credits per slot; links that deliver nothing must cost nothing."""
        return cls(outcome_of_payments(market, payments, compute, bandwidth), overhead, reached, at_intensity)


class Mechanism(Protocol):
    """A way to price and allocate."""

    @property
    def name(self) -> str:
        """In tables and files, such as ``"uniform_reward"``."""
        ...

    @property
    def label(self) -> str:
        """For people, such as ``"uniform reward"``."""
        ...

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Price and allocate in one market (no batch axes); all randomness comes from ``rng``."""
        ...


def outcome_of_payments(market: Market, payments: FloatArray, compute: FloatArray, bandwidth: FloatArray) -> Outcome:
    """What a slot produces where an allocation is paid for by the link, credits per slot; all (M, N)."""
    delivered = market.outcome(np.zeros_like(payments), compute, bandwidth).qoe
    rewards = np.divide(payments, delivered, out=np.zeros_like(payments), where=delivered > 0.0)
    return market.outcome(rewards, compute, bandwidth)


def has_arrived(regret: FloatArray, payoffs: FloatArray) -> bool:
    """Whether players (K,) regret at most GOAL of what they have, on average."""
    return bool(relative_regret(regret[None], payoffs[None]).mean <= GOAL)
