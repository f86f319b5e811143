"""What an ASP works out from its observation without solving its problem: serve as if capacity were unlimited.

An ASP sees the rewards posted to it, its links, the MUs' types, and its own costs and capacities: a market with itself
as the only ASP. Without capacities that market falls apart into its MUs, each served until one more token would cost
more than it earns. The rule of thumb plans for that much and, where it does not fit, takes everything down by one
factor. It is a best response while capacity is spare. Where capacity is scarce it is not: one should then serve those
MUs less who pay least for what they take up, and use less of the resource that is short. That is left to be learned.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from aigc_market_env import Market, follower_response, spaces
from aigc_market_env.model.parameters import FIELDS, FloatArray
from aigc_market_env.spaces import HEADROOM

#: A capacity that never binds, as a multiple of an ASP's own.
_UNLIMITED = 1e9


@dataclass(frozen=True, eq=False)
class Seen:
    """What K ASPs see, each as a market of its own.

    Attributes:
        market: M MUs and the one ASP. batch (K,)
        rewards: posted to the ASP, credits per QoE. (K, M)
    """

    market: Market
    rewards: FloatArray

    @classmethod
    def of(cls, observations: npt.NDArray[np.float32], slot_duration: npt.ArrayLike) -> Self:
        """Decode observations of the batched environment's ``"asp"`` group.

        Args:
            observations: of K ASPs, entries named by :func:`~aigc_market_env.spaces.asp_observation_names`. (K, D)
            slot_duration: Δ, the only thing that an ASP knows and does not see, s. () or (K,)
        """
        entries = observations.astype(np.float64)
        links = entries[:, spaces.ASP_LINKS :].reshape(len(entries), -1, spaces.ASP_LINK_SIZE)
        seen = {name: entries[:, i, None] for name, i in spaces.ASP_TYPE._asdict().items()}
        for offsets in (spaces.ASP_LINK, spaces.ASP_LINK_MU):
            seen |= {name: links[..., i] for name, i in offsets._asdict().items()}
        fields = {name: np.exp(seen[f"log_{name}"]) * unit for name, unit in spaces.REFERENCE.items()}
        weights = np.stack([seen[f"weight_{name}"] for name in ("accuracy", "token_count", "timeliness")], axis=-1)
        fields |= {
            "slot_duration": np.broadcast_to(np.asarray(slot_duration, np.float64), len(entries)),
            "qoe_weights": weights / weights.sum(axis=-1, keepdims=True),  # float32 does not sum to 1
            "accuracy": seen["accuracy"],
            "base_latency": np.expm1(seen["log_base_latency"]),
        }
        per_link = [name for name in FIELDS if FIELDS[name].dims == "MN"]
        market = Market(**fields | {name: fields[name][..., None] for name in per_link})
        return cls(market, seen["reward"] * market.reward_bound)

    @cached_property
    def rule_of_thumb(self) -> FloatArray:
        """The plan at the costs that the ASPs have, scaled down to fit. (K, 2, M)."""
        return fitted(self.own_plan)

    @cached_property
    def own_plan(self) -> FloatArray:
        """The plan at the costs that the ASPs have. (K, 2, M)."""
        return self.plan(0.0)

    def plan(self, tilt: FloatArray | float) -> FloatArray:
        """What the ASPs would do if capacity were unlimited, as shares of the capacities that they have. (K, 2, M).

        Args:
            tilt: by how much the plan spares bandwidth, at the expense of compute: bandwidth is taken to cost exp(tilt)
                times what it does, and compute exp(-tilt) times. (K,), or one for all.
        """
        market, factor = self.market, np.exp(np.asarray(tilt))[..., None]
        unlimited = market.replace(
            compute_capacity=market.compute_capacity * _UNLIMITED,
            bandwidth_capacity=market.bandwidth_capacity * _UNLIMITED,
            compute_cost=market.compute_cost / factor,
            bandwidth_cost=market.bandwidth_cost * factor,
        )
        response = follower_response(unlimited, self.rewards[..., None])
        compute = response.compute[..., 0] / market.compute_capacity
        bandwidth = response.bandwidth[..., 0] / market.bandwidth_capacity
        return np.stack([compute, bandwidth], axis=1)

    def profit(self, shares: FloatArray) -> FloatArray:
        """What the ASPs earn with shares (K, 2, M) of their capacities, credits per slot. (K,)."""
        compute = shares[:, 0] * self.market.compute_capacity
        bandwidth = shares[:, 1] * self.market.bandwidth_capacity
        outcome = self.market.outcome(self.rewards[..., None], compute[..., None], bandwidth[..., None])
        profit: FloatArray = outcome.asp_profit[..., 0]
        return profit


def fitted(shares: FloatArray) -> FloatArray:
    """Shares (K, 2, M) scaled down, where one of the two rows sums to more than 1, to what fits.

    Both rows by the same factor: less of one resource alone would waste the other.
    """
    largest = shares.sum(axis=-1).max(axis=-1)[:, None, None]
    scaled: FloatArray = shares * np.minimum(1.0, HEADROOM / np.maximum(largest, 1e-300))
    return scaled
