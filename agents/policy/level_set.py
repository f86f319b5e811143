"""One policy for every market and every wallet: a network of levels, and the pricing of the slot's market at them.

An MU whose money has a price A plays a slot as if its satisfaction were worth only the share s = 1/(1 + A), its *level*
(docs/wallets.md#equilibrium-of-an-episode). So all that wallets add to a set policy is a level for each MU.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from agents.policy.agent_features import Features
from agents.policy.leader_set import LeaderSetArchitecture
from agents.policy.level_features import (
    MONEY_FEATURES,
    SHARE_OF_MARKET,
    SLOT_FEATURES,
    Plan,
    SlotSeen,
    log_even_spending,
    money_seen,
    payments,
    plan_of,
    slot_seen,
)
from agents.policy.mlp import checked_flag
from agents.policy.network import SetNetwork
from agents.policy.set_policy import SetArchitecture, SetPolicy, finite
from aigc_market_env import Scenario
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray

#: Logarithm of the lowest level, and of the first one over what even spending pays for.
_LOWEST, _FIRST = -12.0, -0.7
#: How often levels are lowered, at most, where a slot would cost more than there is; how far at once, at most; and by
#: how much more than what is missing.
_LOWERED, _FARTHEST_DOWN, _SPARE = 4, 0.05, 1e-3


class LevelNetwork(SetNetwork):
    """A network over the MUs of a market that does not care in what order they are listed, or how many there are.

    The layers are those of :class:`~agents.policy.network.SetNetwork`, of an array with one column.

    Args:
        width: W, hidden features of an MU.
        layers: number of exchangeable layers.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__(SLOT_FEATURES + MONEY_FEATURES, width, layers, 1, (SHARE_OF_MARKET,), ())
        self.last = nn.Linear(width, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (B, M, K) to a number for each MU. (B, M)."""
        outputs: torch.Tensor = self.last(self.hidden(features[:, :, None]))
        return outputs[:, :, 0, 0]


class LevelSetNetwork(nn.Module):
    """Both networks: of levels, and of prices at them."""

    def __init__(self, levels: LevelNetwork, pricing: SetNetwork) -> None:
        super().__init__()
        self.levels, self.pricing = levels, pricing


@dataclass(frozen=True)
class LevelSetArchitecture(SetArchitecture):
    """Shape of a :class:`LevelSetPolicy`'s networks; ``width`` and ``layers`` are of the pricing one.

    Attributes:
        satiation: whether the pricing network sees each MU's satiation; that of levels always does.
        level_width: hidden features of an MU.
        level_layers: number of exchangeable layers over MUs.
        horizon: slots in a whole episode, of which MUs observe the share that is left.
    """

    satiation: bool = False
    level_width: int = 64
    level_layers: int = 3
    horizon: int = 64

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The architecture that a policy's description tells.

        Raises:
            ValueError: an entry is missing, or not one of the values that it may have.
        """
        levels = {}
        for name, largest in (("level_width", 4096), ("level_layers", 64), ("horizon", 2**31 - 1)):
            size = document.get(name)
            if type(size) is not int or not 0 < size <= largest:
                raise ValueError(f"{name} = {size!r} must be an integer from 1 to {largest}")
            levels[name] = size
        return replace(super().of(document), satiation=checked_flag(document, "satiation"), **levels)

    @property
    def pricing(self) -> LeaderSetArchitecture:
        """Shape of the network that prices a slot at given levels."""
        return LeaderSetArchitecture(self.width, self.layers, satiation=self.satiation)

    def network(self) -> LevelSetNetwork:
        """Both networks, drawn from torch's global generator."""
        return LevelSetNetwork(LevelNetwork(self.level_width, self.level_layers), self.pricing.network())

    def policy(self, network: LevelSetNetwork) -> "LevelSetPolicy":
        """The policy that networks of this shape are."""
        return LevelSetPolicy(self, network)

    def features(self, seen: SlotSeen, plan: Plan) -> Features:
        """What the network of levels sees of every MU. (..., M, K) float32."""
        return np.concatenate([seen.features, money_seen(seen, plan, self.horizon)], axis=-1)

    def log_levels(self, network: LevelNetwork, seen: SlotSeen, plan: Plan) -> torch.Tensor:
        """Logarithms of levels of every MU, not yet cut at 0. (..., M).

        The network corrects what even spending would pay for.
        """
        first = np.minimum(log_even_spending(seen, plan) + _FIRST, 0.0).astype(np.float32)
        features = torch.from_numpy(self.features(seen, plan))
        corrections: torch.Tensor = network(features.reshape(-1, *features.shape[-2:])).reshape(first.shape)
        return torch.from_numpy(first) + corrections


class LevelSetPolicy(SetPolicy):
    """Posts rewards for all MUs with wallets of a market of any size, deterministically, without foresight.

    It knows the market of the slot, and of wallets what all MUs observe together.

    Args:
        architecture: the networks' shape.
        network: both networks.
    """

    architecture: LevelSetArchitecture
    network: LevelSetNetwork
    kind: ClassVar[str] = "leader_levels"
    architecture_type: ClassVar[type[SetArchitecture]] = LevelSetArchitecture

    @property
    def mus(self) -> Self:
        """Who acts for the MUs."""
        return self

    @property
    def asps(self) -> None:
        """Nobody acts for the ASPs."""

    def check_fits(self, scenario: Scenario) -> None:
        """Make sure that the MUs of a scenario have wallets.

        Raises:
            ValueError: they have none.
        """
        if scenario.wallet is None:
            raise ValueError(f"a policy for MUs with wallets, which those of {scenario.name} have not")

    def levels(self, market: Market, plan: Plan) -> FloatArray:
        """Levels of all MUs, in (0, 1]. (..., M).

        Raises:
            ValueError: the network's output is not finite, because its weights are damaged.
        """
        with torch.no_grad():
            logs = finite(self.architecture.log_levels(self.network.levels, slot_seen(market, plan), plan))
        return played_levels(logs)

    def rewards(self, market: Market, plan: Plan) -> FloatArray:
        """Rewards of all MUs, (..., M, N), credits per QoE, within the bound ω/q; none of MUs without money.

        Who could not pay for the whole slot at its level goes down to one at which it can.

        Raises:
            ValueError: the network's output is not finite, because its weights are damaged.
        """
        pricing = self.architecture.pricing.policy(self.network.pricing)
        levels, has_any = self.levels(market, plan), plan.money > 0.0
        for _ in range(_LOWERED):
            rewards = pricing.rewards(paced(market, levels)) * has_any[..., None]
            paid = payments(market, rewards)
            short = paid > plan.money
            if not short.any():
                break
            share = np.divide(plan.money, paid, out=np.ones_like(paid), where=short)
            levels = np.where(short, np.maximum((1.0 - _SPARE) * share, _FARTHEST_DOWN) * levels, levels)
        return rewards

    def act_market(self, market: Market, observations: npt.ArrayLike) -> FloatArray:
        """Rewards as shares of the bound ω/q: what the MUs' actions are in the environments. (..., M, N).

        Args:
            market: of the slot, ``env.market``.
            observations: of all MUs in scenarios with wallets, or their last seven entries; see ``spaces.MU_PLAN``.
                (..., M, D)

        Raises:
            ValueError: they are not those of the market's MUs, or the network's output is not finite, because its
                weights are damaged.
        """
        rewards = self.rewards(market, plan_of(market, observations, self.architecture.horizon))
        return np.minimum(rewards / market.reward_bound[..., None], 1.0)

    def post(self, market: Market, observations: npt.NDArray[np.float32]) -> FloatArray:
        """See :meth:`act_market`; (B, M, N)."""
        return self.act_market(market, observations)

    def act(self, observations: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
        """Always refused: observations do not hold the whole market, the length of a slot for one."""
        raise ValueError(
            "a leader_levels policy needs the whole market, which observations do not hold; "
            "call act_market(env.unwrapped.market, observations of all MUs)"
        )


def paced(market: Market, levels: FloatArray) -> Market:
    """The market in which MUs want what they want at levels (..., M)."""
    return market.replace(satisfaction_scale=market.satisfaction_scale * levels)


def played_levels(logs: FloatArray) -> FloatArray:
    """Levels that are played for their logarithms."""
    levels: FloatArray = np.exp(np.clip(logs, _LOWEST, 0.0))
    return levels
