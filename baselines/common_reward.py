"""One reward for everybody: what not telling users apart costs.

    r[m, n] = share · B for all m and n,        B the geometric mean of the bounds ω_m/q_m

Nothing is personalised, neither by MU nor by ASP. So where every MU is to be served well relative to what it requires,
the reward must satisfy the most demanding one, and overpays all others: the benchmark against which a personalised
mechanism is seen at equal guarantee (docs/mechanisms.md#at-equal-guarantee). As played, the share is tuned as that of
:mod:`baselines.fixed_reward` is, whose rewards know every MU's own bound. All of this is this project's choice.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market
from aigc_market_env.model.options import fraction
from aigc_market_env.model.parameters import FloatArray
from baselines.fixed_reward import best_of_shares, rewards_of
from baselines.mechanism import MechanismResult

#: What :func:`best_common_share` gives on :func:`~baselines.fixed_reward.tuning_markets`.
SHARE = 0.105


@dataclass(frozen=True)
class CommonReward:
    """The same reward on every link of a market."""

    name: str = "common_reward"
    label: str = "common reward"
    share: float = SHARE

    def __post_init__(self) -> None:
        fraction("share", self.share)

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Post the reward; nobody chooses any."""
        rewards = rewards_of(common_bound(market), np.asarray(self.share), market.num_asps)
        return MechanismResult.of_rewards(market, rewards)


def common_bound(market: Market) -> FloatArray:
    """The geometric mean of the reward bounds, credits per QoE, for every MU; shape (..., M)."""
    mean = np.exp(np.log(market.reward_bound).mean(axis=-1, keepdims=True))
    return np.broadcast_to(mean, market.reward_bound.shape)


def best_common_share(markets: Market) -> float:
    """As :func:`~baselines.fixed_reward.best_share`."""
    return best_of_shares(markets, common_bound(markets))
