"""Training of set policies on exact conditions of optimality, in fresh random markets: no episodes, no sampled returns.

Leaders learn the logarithm z of their rewards. At the network's own rewards, the ASPs responding exactly, the leaders'
first-order conditions say by how much each z is wrong (:mod:`aigc_market_env.equilibrium.first_order`); the network is
pushed by so much. Followers learn the states of their capacities at the exact best response.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from agents.algorithms.checks import finite_numbers
from agents.algorithms.set_config import QUICK, SetConfig
from agents.algorithms.set_learner import Metrics, SetLearner, begin_at_none
from agents.policy.agent_features import Features
from agents.policy.follower_set import FollowerSetArchitecture, capacity_states
from agents.policy.leader_set import LeaderSetArchitecture, first_rewards, played, rewards_seen
from agents.policy.link_features import capacity_states as exact_states
from agents.policy.link_features import follower_features
from agents.policy.network import SetNetwork
from aigc_market_env.equilibrium.first_order import FirstOrder, first_order
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray

#: Batches of markets whose features say how to standardise.
_STANDARD_BATCHES = 8
#: A pair's weight in the loss: so much for every pair, the rest in proportion to what its reward is worth.
_EVEN_WEIGHT = 0.1
_HIGHEST_MARKDOWN = 0.98
#: How followers' rewards are drawn; see :func:`draw_rewards`.
_LEADER_STEPS, _LEADER_NOISE, _LOWEST_SHARE = 6, 0.3, 1e-3


@dataclass(frozen=True)
class EquilibriumConfig(SetConfig):
    """One network for every market learns on exact conditions of optimality.

    Attributes:
        kink_width: how gradually leaders' elasticities change where a capacity starts to bind; see first_order.
        longest_step: largest correction of log r that leaders are asked for at once.
    """

    algorithm: ClassVar[str] = "equilibrium"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"updates": 300, **QUICK},
        "default": {},
        "long": {"updates": 16_000},
    }

    kink_width: float = 0.1
    longest_step: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        finite_numbers(self, "kink_width", "longest_step", least=0.0)

    def make_learner(self) -> SetLearner:
        """See :meth:`SetConfig.make_learner`."""
        return {"leaders": LeaderEquilibriumLearner, "followers": FollowerEquilibriumLearner}[self.side](self)


class EquilibriumLearner(SetLearner):
    """Learns from exact conditions; see the module.

    Args:
        config: what to train.
        architecture: the network's shape.
    """

    config: EquilibriumConfig

    def _learn(self, rng: np.random.Generator) -> Metrics:
        """One gradient step; ``error`` is the root mean square of what was to correct."""
        market = self.config.markets.sample(rng, self.config.links)
        loss, error = self._loss(market, rng)
        self.transitions += len(market.qoe_requirement) * self._agents(market)
        self._descend(loss)
        return {"loss": float(loss.detach()), "error": error}

    def _begin(self, rng: np.random.Generator) -> None:
        sample: list[Features] = []
        for _ in range(_STANDARD_BATCHES):
            sample += self._features(self.config.markets.sample(rng, self.config.links), rng)
        begin_at_none(self.network, sample)

    @abstractmethod
    def _loss(self, market: Market, rng: np.random.Generator) -> tuple[torch.Tensor, float]:
        """How far the network is from what is exact in a batch of markets: the loss, and the error."""

    @abstractmethod
    def _agents(self, market: Market) -> int:
        """How many decide in each market."""

    @abstractmethod
    def _features(self, market: Market, rng: np.random.Generator) -> list[Features]:
        """What the network may see in a batch of markets. Each (B, M, N, K)."""


# Leaders -------------------------------------------------------------------------------------------------------------


class LeaderEquilibriumLearner(EquilibriumLearner):
    """Learns what to post: the loss is the squared distance of log r from where the first-order conditions put it."""

    architecture: LeaderSetArchitecture

    def __init__(self, config: EquilibriumConfig) -> None:
        super().__init__(config, LeaderSetArchitecture(config.width, config.layers, satiation=config.markets.satiated))

    def _loss(self, market: Market, rng: np.random.Generator) -> tuple[torch.Tensor, float]:
        config = self.config
        return leaders_loss(self.architecture, self.network, market, config.kink_width, config.longest_step)

    def _agents(self, market: Market) -> int:
        return market.num_mus

    def _features(self, market: Market, rng: np.random.Generator) -> list[Features]:
        return leaders_features(self.architecture, market)


def leaders_loss(
    architecture: LeaderSetArchitecture, network: SetNetwork, market: Market, kink_width: float, longest_step: float
) -> tuple[torch.Tensor, float]:
    """How far rewards are from where the first-order conditions put them in a batch of markets; see the config.

    Returns:
        The loss, and the root mean square of what log r lacks, weighted by what it is worth.
    """
    start = rewards_seen(architecture, network, market)
    log_shares = architecture.log_shares(network, torch.from_numpy(architecture.features(market, start)))
    said = log_shares.detach().numpy().astype(np.float64)
    shares, bound = played(said), market.reward_bound[..., None]
    rewards = shares * bound
    at = first_order(market, rewards, kink_width=kink_width)
    step = np.clip(at.step + np.log(shares) - said, -longest_step, longest_step)
    worth = _worth_of_rewards(market, rewards, at)
    weight = _EVEN_WEIGHT + (1.0 - _EVEN_WEIGHT) * worth / worth.mean()
    target = torch.from_numpy((said + step).astype(np.float32))
    loss = 0.5 * (torch.from_numpy(weight.astype(np.float32)) * (log_shares - target).square()).mean()
    return loss, math.sqrt((worth * step**2).mean() / worth.mean())


def leaders_features(architecture: LeaderSetArchitecture, market: Market) -> list[Features]:
    """What a network may see in a batch of markets, at first and near equilibrium. Each (B, M, N, K)."""
    return [architecture.features(market, rewards) for rewards in (first_rewards(market), _towards_equilibrium(market))]


def _worth_of_rewards(market: Market, rewards: FloatArray, at: FirstOrder) -> FloatArray:
    """How much of its ω an MU loses per squared error of log r, about, by the slope of its utility. (..., M, N).

    dU/dlog r = Q (1 + e) (r* - r) with the markdown r* = V e/(1 + e), so that 1 + e = 1/(1 - r*/V). A pair that is not
    served loses nothing as long as its reward stays below the threshold.
    """
    marked = rewards * np.exp(np.minimum(at.step, 0.0)) / at.worth[..., None]
    worth: FloatArray = at.qoe * rewards / (1.0 - np.minimum(marked, _HIGHEST_MARKDOWN))
    return worth / market.satisfaction_scale[..., None]


# Followers -----------------------------------------------------------------------------------------------------------


class FollowerEquilibriumLearner(EquilibriumLearner):
    """Learns what to serve: the loss is the squared distance of the capacities' states from the exact ones."""

    def __init__(self, config: EquilibriumConfig) -> None:
        super().__init__(config, FollowerSetArchitecture(config.width, config.layers))

    def _loss(self, market: Market, rng: np.random.Generator) -> tuple[torch.Tensor, float]:
        rewards = draw_rewards(market, rng)
        states = capacity_states(self.network, torch.from_numpy(follower_features(market, rewards)))
        response = follower_response(market, rewards)
        exact = np.stack(
            [
                exact_states(market, response.compute.sum(axis=-2), response.compute_price, "compute"),
                exact_states(market, response.bandwidth.sum(axis=-2), response.bandwidth_price, "bandwidth"),
            ],
            axis=-1,
            dtype=np.float32,
        )
        loss = 0.5 * (states - torch.from_numpy(exact)).square().mean()
        return loss, math.sqrt(2.0 * float(loss.detach()))

    def _agents(self, market: Market) -> int:
        return market.num_asps

    def _features(self, market: Market, rng: np.random.Generator) -> list[Features]:
        return [follower_features(market, draw_rewards(market, rng))]


def draw_rewards(market: Market, rng: np.random.Generator) -> FloatArray:
    """Rewards that leaders may post in a batch of markets (B,), credits per QoE; each market at random one of three.

    Close to equilibrium, by some steps of the leaders' first-order conditions, times log-normal noise; uniform shares
    of the bound; or shares between a thousandth and 1 that are uniform in the logarithm. (B, M, N).
    """
    links, bound = market.accuracy.shape, market.reward_bound[..., None]
    kind = rng.integers(0, 3, (links[0], 1, 1))
    wide = np.where(kind == 1, rng.random(links), _LOWEST_SHARE ** rng.random(links))
    rewards = wide * bound
    noise = np.exp(_LEADER_NOISE * rng.standard_normal(links))
    near = np.flatnonzero(kind[:, 0, 0] == 0)
    if len(near):
        learned = _towards_equilibrium(market[near])
        rewards[near] = np.minimum(learned * noise[near], np.broadcast_to(bound, links)[near])
    return rewards


def _towards_equilibrium(market: Market) -> FloatArray:
    bound = np.broadcast_to(market.reward_bound[..., None], market.accuracy.shape)
    rewards = 0.3 * bound
    for _ in range(_LEADER_STEPS):
        step = np.clip(first_order(market, rewards, kink_width=0.3).step, -1.0, 1.0)
        rewards = np.minimum(rewards * np.exp(0.5 * step), bound)
    return rewards
