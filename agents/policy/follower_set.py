"""One policy for every ASP: a network over the MUs that reward it sets two prices, and serves what pays at them.

An ASP's best response has two unknowns, whatever the number of MUs: the shadow prices of its compute and its bandwidth
(docs/market.md#what-a-provider-does). The network tells one number per capacity, its *state*: above 0 the logarithm of
the effective price over the cost, and then the capacity is used up; below 0 it is not, and its price is the cost. The
allocation follows in closed form.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from agents.policy.link_features import FOLLOWER_FEATURES, follower_features
from agents.policy.network import SetNetwork
from agents.policy.set_policy import SetArchitecture, SetPolicy, finite
from aigc_market_env.game.followers import demand_at_prices
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray

_BARE = [FOLLOWER_FEATURES.index(name) for name in ("compute_state", "bandwidth_state")]
_SHARES_OF_ASP = tuple(FOLLOWER_FEATURES.index(name) for name in ("compute_share", "bandwidth_share"))
#: The highest log(effective price/cost) that is acted on.
_HIGHEST = 30.0


class FollowerSetArchitecture(SetArchitecture):
    """Shape of a :class:`FollowerSetPolicy`'s network."""

    def network(self) -> SetNetwork:
        """The network: features of links in, two states for each ASP out, drawn from torch's global generator."""
        return SetNetwork(len(FOLLOWER_FEATURES), self.width, self.layers, 2, _SHARES_OF_ASP, ())

    def policy(self, network: SetNetwork) -> "FollowerSetPolicy":
        """The policy that a network of this shape is."""
        return FollowerSetPolicy(self, network)


class FollowerSetPolicy(SetPolicy):
    """Allocates for all ASPs of a market of any size; each acts on its own parameters and the rewards posted to it.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    network: SetNetwork
    kind: ClassVar[str] = "follower_set"
    architecture_type: ClassVar[type[SetArchitecture]] = FollowerSetArchitecture

    @property
    def mus(self) -> None:
        """Nobody acts for the MUs."""

    @property
    def asps(self) -> Self:
        """Who acts for the ASPs."""
        return self

    def serve(self, market: Market, rewards: FloatArray, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Shares of the capacities, (B, N, 2, M), by the market and the rewards posted; see :meth:`act_market`."""
        return self.act_market(market, rewards)

    def allocate(self, market: Market, rewards: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Compute, TFLOP/s, and bandwidth, MHz, for every MU at posted rewards, credits per QoE; all (..., M, N).

        Raises:
            ValueError: the rewards have a wrong shape or an entry that is negative or not finite, or the network's
                output is not finite, because its weights are damaged.
        """
        posted = np.asarray(rewards, dtype=np.float64)
        features = torch.from_numpy(follower_features(market, posted))
        with torch.no_grad():
            states = capacity_states(self.network, features.reshape(-1, *features.shape[-3:]))
        return allocation(market, posted, finite(states).reshape(*features.shape[:-3], market.num_asps, 2))

    def act_market(self, market: Market, rewards: npt.ArrayLike) -> FloatArray:
        """The same as shares of the capacities: what the ASPs' actions are in the environments. (..., N, 2, M).

        Raises:
            ValueError: see :meth:`allocate`.
        """
        compute, bandwidth = self.allocate(market, rewards)
        shares = compute / market.compute_capacity[..., None, :], bandwidth / market.bandwidth_capacity[..., None, :]
        return np.minimum(np.stack([np.swapaxes(share, -1, -2) for share in shares], axis=-2), 1.0)

    def act(self, observations: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
        """Always refused: an ASP's observation does not hold the length of a slot."""
        raise ValueError(
            "a follower_set policy needs the market, of which observations do not hold the length of a slot; "
            "call act_market(env.unwrapped.market, rewards)"
        )


def capacity_states(network: SetNetwork, features: torch.Tensor) -> torch.Tensor:
    """States of compute and bandwidth from features (B, M, N, K). (B, N, 2).

    The network corrects what use at bare costs would come to.
    """
    bare = features[:, 0][..., _BARE]
    return bare + network(features)


def allocation(market: Market, rewards: FloatArray, states: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute and bandwidth that pay at the prices of states (..., N, 2), scaled to the capacities; both (..., M, N).

    Where the state says that a capacity is used up, use is scaled to it in either direction. An error of the state then
    costs profit to the second order only.
    """
    compute_state, bandwidth_state = states[..., 0], states[..., 1]
    wanted = demand_at_prices(
        market, rewards, _price(market.compute_cost, compute_state), _price(market.bandwidth_cost, bandwidth_state)
    )
    return (
        _scaled(wanted.compute, market.compute_capacity, compute_state),
        _scaled(wanted.bandwidth, market.bandwidth_capacity, bandwidth_state),
    )


def _price(cost: FloatArray, state: FloatArray) -> FloatArray:
    price: FloatArray = cost * np.expm1(np.clip(state, 0.0, _HIGHEST))
    return price


def _scaled(used: FloatArray, capacity: FloatArray, state: FloatArray) -> FloatArray:
    total = used.sum(axis=-2)
    fitting = np.divide(capacity, total, out=np.ones_like(total), where=total > 0.0)
    return used * np.where(state > 0.0, fitting, np.minimum(fitting, 1.0))[..., None, :]
