"""One policy for every market: a network over the links prices markets of any size for all of their MUs at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from agents.policy.link_features import (
    LEADER_FEATURES,
    OUTCOME_FEATURES,
    leader_features,
    outcome_features,
    with_satiation,
)
from agents.policy.mlp import checked_flag
from agents.policy.network import SetNetwork
from agents.policy.set_policy import SetArchitecture, SetPolicy, finite
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray

#: Rewards that the first pass starts from, as a share of the bound ω/q.
FIRST_SHARE = 0.3
_LOG_REWARD, _STEP = LEADER_FEATURES.index("log_reward"), LEADER_FEATURES.index("step")
#: No reward falls below the logarithm of this share within a pass: far below, there is nothing to see.
_LOWEST = -12.0
_SHARES_OF_ASP = tuple(LEADER_FEATURES.index(name) for name in ("compute_share", "bandwidth_share"))
_SHARES_OF_MU = (LEADER_FEATURES.index("qoe_share"),)


@dataclass(frozen=True)
class LeaderSetArchitecture(SetArchitecture):
    """Shape of a :class:`LeaderSetPolicy`'s network.

    Attributes:
        first_order: whether the network sees the step that the leaders' first-order conditions ask for, and corrects
            it; otherwise it sees what rewards brought about, as the players do, and corrects the rewards.
        satiation: whether the network sees each MU's satiation. One that does not acts in markets that have it all the
            same: on what QoE is worth at the rewards of a pass, but not on how soon that falls.
    """

    first_order: bool = True
    satiation: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The architecture that a policy's description tells.

        Raises:
            ValueError: an entry is missing, or not one of the values that it may have.
        """
        first_order = document.get("first_order")
        if type(first_order) is not bool:
            raise ValueError(f"first_order = {first_order!r} must be true or false")
        flags = {"first_order": first_order, "satiation": checked_flag(document, "satiation")}
        return replace(super().of(document), **flags)

    def network(self) -> SetNetwork:
        """The network: features of links in, one number for each link out, drawn from torch's global generator."""
        names = LEADER_FEATURES if self.first_order else OUTCOME_FEATURES
        inputs = len(names) + int(self.satiation)
        return SetNetwork(inputs, self.width, self.layers, 1, _SHARES_OF_ASP, _SHARES_OF_MU)

    def policy(self, network: SetNetwork) -> "LeaderSetPolicy":
        """The policy that a network of this shape is."""
        return LeaderSetPolicy(self, network)

    def features(self, market: Market, rewards: FloatArray) -> npt.NDArray[np.float32]:
        """What the network sees of every link at rewards (..., M, N). (..., M, N, K) float32."""
        features = (leader_features if self.first_order else outcome_features)(market, rewards)
        return with_satiation(market, features) if self.satiation else features

    def log_shares(self, network: SetNetwork, features: torch.Tensor) -> torch.Tensor:
        """Logarithms of r/(ω/q) from features (B, M, N, K), not yet cut at the bound. (B, M, N).

        The network's output is not squashed: where a sigmoid or a clamp saturates, learning would end.
        """
        start = features[..., _LOG_REWARD]
        return (start + features[..., _STEP] if self.first_order else start) + network(features).squeeze(-1)


class LeaderSetPolicy(SetPolicy):
    """Posts rewards for all MUs of a market of any size, from complete information, deterministically.

    The network looks at what rewards would bring about and corrects them, in a few passes. What a pass gets wrong in a
    market unlike those that it was trained on, the next one sees.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    architecture: LeaderSetArchitecture
    network: SetNetwork
    kind: ClassVar[str] = "leader_set"
    architecture_type: ClassVar[type[SetArchitecture]] = LeaderSetArchitecture

    @property
    def mus(self) -> Self:
        """Who acts for the MUs."""
        return self

    @property
    def asps(self) -> None:
        """Nobody acts for the ASPs."""

    def post(self, market: Market, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Rewards as shares of ω/q, (B, M, N), by the market, whatever is observed of it; see :meth:`act_market`."""
        return self.act_market(market)

    def rewards(self, market: Market, *, passes: int = 2) -> FloatArray:
        """Rewards of all MUs, (..., M, N), credits per QoE, within the bound ω/q.

        Raises:
            ValueError: the network's output is not finite, because its weights are damaged.
        """
        rewards = first_rewards(market)
        for _ in range(passes):
            rewards = improved(self.architecture, self.network, market, rewards)
        return rewards

    def act_market(self, market: Market, *, passes: int = 2) -> FloatArray:
        """The same as shares of the bound ω/q: what the MUs' actions are in the environments. (..., M, N).

        Raises:
            ValueError: the network's output is not finite, because its weights are damaged.
        """
        return np.minimum(self.rewards(market, passes=passes) / market.reward_bound[..., None], 1.0)

    def act(self, observations: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
        """Always refused: observations do not hold the whole market, the length of a slot for one."""
        raise ValueError(
            "a leader_set policy needs the whole market, which observations do not hold; "
            "call act_market(env.unwrapped.market)"
        )


def first_rewards(market: Market) -> FloatArray:
    """Rewards that the first pass starts from, credits per QoE. (..., M, N)."""
    return FIRST_SHARE * np.broadcast_to(market.reward_bound[..., None], market.accuracy.shape)


def improved(
    architecture: LeaderSetArchitecture, network: SetNetwork, market: Market, rewards: FloatArray
) -> FloatArray:
    """Rewards (..., M, N) after a pass of the network, credits per QoE.

    Raises:
        ValueError: the network's output is not finite, because its weights are damaged.
    """
    features = torch.from_numpy(architecture.features(market, rewards))
    with torch.no_grad():
        log_shares = finite(architecture.log_shares(network, features.reshape(-1, *features.shape[-3:])))
    return played(log_shares.reshape(features.shape[:-1])) * market.reward_bound[..., None]


def rewards_seen(architecture: LeaderSetArchitecture, network: SetNetwork, market: Market) -> FloatArray:
    """Rewards that a network in training is to correct in a batch of markets, credits per QoE. (B, M, N).

    In half of the markets those that its first pass meets, in the others those that its second meets.
    """
    rewards = np.array(first_rewards(market))
    second = len(rewards) // 2
    if second:
        rewards[:second] = improved(architecture, network, market[:second], rewards[:second])
    return rewards


def played(log_shares: FloatArray) -> FloatArray:
    """Shares of the bound that are posted for their logarithms."""
    shares: FloatArray = np.exp(np.clip(log_shares, _LOWEST, 0.0))
    return shares
