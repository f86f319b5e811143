"""Rewards that nobody adapts: the same share of the reward bound on every link.

    r[m, n] = share · ω_m/q_m

The share is tuned once, and the same in every market: the one with the largest mean MU utility over TUNED_ON ``campus``
markets at load 1 (:func:`best_share`). All of this is this project's choice.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, Scenario, follower_response
from aigc_market_env.model.options import fraction
from aigc_market_env.model.parameters import FloatArray
from baselines.mechanism import MechanismResult

#: Shares to choose from.
SHARES = np.round(np.geomspace(0.02, 1.0, 60), 3)
#: Markets that the share is tuned on, and their seed; reports draw theirs from other seeds.
TUNED_ON, TUNING_SEED = 200, 760_000
#: What :func:`best_share` gives on :func:`tuning_markets`.
SHARE = 0.092


@dataclass(frozen=True)
class FixedReward:
    """The same share of the reward bound on every link of every market."""

    name: str = "fixed_reward"
    label: str = "fixed reward"
    share: float = SHARE

    def __post_init__(self) -> None:
        fraction("share", self.share)

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Post the rewards; nobody chooses any."""
        rewards = rewards_of(market.reward_bound, np.asarray(self.share), market.num_asps)
        return MechanismResult.of_rewards(market, rewards)


def tuning_markets() -> Market:
    """The markets that SHARE is tuned on, as a batch."""
    return Scenario.preset("campus").sample(TUNING_SEED, batch=(TUNED_ON,))


def best_share(markets: Market) -> float:
    """The share among SHARES with the largest MU utility, on average over a batch of markets and their MUs."""
    return best_of_shares(markets, markets.reward_bound)


def best_of_shares(markets: Market, whole: FloatArray) -> float:
    """The same where a share is one of ``whole``, credits per QoE (S, M)."""
    rewards = rewards_of(whole, SHARES[:, None], markets.num_asps)
    response = follower_response(markets, rewards)
    utility = markets.outcome(rewards, response.compute, response.bandwidth).mu_utility
    return float(SHARES[utility.mean(axis=(1, 2)).argmax()])


def rewards_of(whole: FloatArray, share: FloatArray, num_asps: int) -> FloatArray:
    """Shares (...) of ``whole`` (..., M), for every link (..., M, N)."""
    return share[..., None, None] * np.repeat(whole[..., None], num_asps, axis=-1)
