"""Training of set policies on exact conditions of optimality, in fresh random markets: no episodes, no sampled returns.

Leaders learn the logarithm z of their rewards. At the network's own rewards, the ASPs responding exactly, the leaders'
first-order conditions say by how much each z is wrong (:mod:`aigc_market_env.equilibrium.first_order`); the network is
pushed by so much. Followers learn the states of their capacities at the exact best response.

An update depends on the seed, its number and the state before it alone. So a run that goes on from a saved state ends
with the same weights, to the bit, as one that was never interrupted.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from agents.follower_set_policy import FollowerSetArchitecture, FollowerSetPolicy, capacity_states
from agents.market_draws import MarketDistribution
from agents.market_features import capacity_states as exact_states
from agents.market_features import follower_features, leader_features
from agents.set_network import SetNetwork
from agents.set_policy import LeaderSetArchitecture, LeaderSetPolicy, first_rewards, improved, log_reward_shares, played
from aigc_market_env.equilibrium.first_order import FirstOrder, first_order
from aigc_market_env.followers import follower_response
from aigc_market_env.market import FloatArray, Market

#: What random numbers of a run are for: generators are seeded with (seed, purpose) or (seed, purpose, update).
_STANDARD, _UPDATE = 0, 1
_STANDARD_BATCHES = 8
#: A pair's weight in the loss: so much for every pair, the rest in proportion to what its reward is worth.
_EVEN_WEIGHT = 0.1
_HIGHEST_MARKDOWN = 0.98
#: How followers' rewards are drawn; see :func:`draw_rewards`.
_LEADER_STEPS, _LEADER_NOISE, _LOWEST_SHARE = 6, 0.3, 1e-3

Side = Literal["leader", "follower"]
Metrics = dict[str, float]


@dataclass(frozen=True)
class SetConfig:
    """Everything that a training run of a set policy depends on.

    Attributes:
        side: whose policy to learn.
        markets: what markets to learn from.
        seed: of the network's first weights and of the markets.
        updates: gradient steps, each on fresh markets.
        links: links of MUs and ASPs in a step, about.
        learning_rate: its peak; it rises linearly over ``warm_up`` updates and falls linearly to zero at the end.
        warm_up: updates before the peak.
        width: hidden features of a link.
        layers: exchangeable layers.
        kink_width: how gradually leaders' elasticities change where a capacity starts to bind; see ``first_order``.
        longest_step: largest correction of log r that leaders are asked for at once.
    """

    side: Side = "leader"
    markets: MarketDistribution = field(default_factory=MarketDistribution)
    seed: int = 0
    updates: int = 4000
    links: int = 1536
    learning_rate: float = 1e-3
    warm_up: int = 100
    width: int = 96
    layers: int = 4
    kink_width: float = 0.1
    longest_step: float = 0.5

    def __post_init__(self) -> None:
        if self.side not in ("leader", "follower"):
            raise ValueError(f"side = {self.side!r} must be 'leader' or 'follower'")
        for name, least in (("seed", 0), ("updates", 0), ("links", 1), ("warm_up", 1), ("width", 1), ("layers", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} = {value!r} must be a whole number of at least {least}")
        for name in ("learning_rate", "kink_width", "longest_step"):
            value = getattr(self, name)
            if not (type(value) in (int, float) and math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} = {value!r} must be a finite number >= 0")


class SetTraining:
    """A run of training: the network, the optimiser, and how many updates were made.

    Args:
        config: what to train.
    """

    def __init__(self, config: SetConfig) -> None:
        self.config = config
        self.update = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = _architecture(config).network()
        torch.nn.init.zeros_(self.network.last.weight)  # begin at the correction that the features suggest
        torch.nn.init.zeros_(self.network.last.bias)
        self.network.standardise(_typical_features(config))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)

    @property
    def done(self) -> bool:
        """Whether all updates were made."""
        return self.update >= self.config.updates

    def step(self) -> Metrics:
        """Make one update; figures of its batch: the loss and ``error``, root mean square of what was to correct."""
        config = self.config
        rng = np.random.default_rng([config.seed, _UPDATE, self.update])
        market = config.markets.sample(rng, config.links)
        loss, error = _LOSSES[config.side](self.network, market, rng, config)
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.update += 1
        return {"loss": float(loss.detach()), "error": error, "learning_rate": self.optimiser.param_groups[0]["lr"]}

    def policy(self) -> LeaderSetPolicy | FollowerSetPolicy:
        """A policy with a copy of the present weights."""
        architecture = _architecture(self.config)
        with torch.device("meta"):
            network = architecture.network()
        weights = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        network.load_state_dict(weights, assign=True)
        if isinstance(architecture, LeaderSetArchitecture):
            return LeaderSetPolicy(architecture, network)
        return FollowerSetPolicy(architecture, network)

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on, as numbers and tensors; not copies."""
        return {
            "config": asdict(self.config),
            "update": self.update,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state` of a run with the same configuration, bit for bit.

        Raises:
            ValueError: the state is of another configuration, or does not fit the network.
        """
        if state.get("config") != asdict(self.config):
            raise ValueError("the saved state is of a run with another configuration")
        try:
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.update = int(state["update"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise ValueError(f"not the saved state of a run: {error}") from None

    def _learning_rate(self) -> float:
        rise = (self.update + 1) / self.config.warm_up
        fall = 1.0 - self.update / self.config.updates
        return self.config.learning_rate * min(rise, 1.0) * fall


def train_set_policy(
    config: SetConfig,
    *,
    state: Mapping[str, Any] | None = None,
    on_update: Callable[[SetTraining, Metrics], None] | None = None,
) -> LeaderSetPolicy | FollowerSetPolicy:
    """Train a policy that acts in every market.

    The network's matrices are small: give torch one thread (``torch.set_num_threads(1)``). Where others use the cores
    too, two threads took several times as long, waiting for one another.

    Args:
        config: what to train.
        state: a :meth:`SetTraining.state` to go on from.
        on_update: called after every update with the run and the figures of its batch; an exception that it raises ends
            the run, and the run's ``state()`` is then as of the update that it was called after.

    Returns:
        The policy with the last weights.

    Raises:
        ValueError: ``state`` is not of a run with this configuration.
    """
    training = SetTraining(config)
    if state is not None:
        training.restore(state)
    while not training.done:
        metrics = training.step()
        if on_update is not None:
            on_update(training, metrics)
    return training.policy()


# Leaders -------------------------------------------------------------------------------------------------------------


def leader_loss(
    network: SetNetwork, market: Market, rng: np.random.Generator, config: SetConfig
) -> tuple[torch.Tensor, float]:
    """Squared distance of log r from where the first-order conditions put it, and its weighted root mean square.

    Half of the markets are seen as in a policy's first pass, half as in its second.
    """
    start = first_rewards(market)
    second = len(start) // 2
    if second:
        start = np.concatenate([start[second:], improved(network, market[:second], start[:second])])
        market = market[np.r_[second : len(start), :second]]
    log_shares = log_reward_shares(network, torch.from_numpy(leader_features(market, start)))
    said = log_shares.detach().numpy().astype(np.float64)
    shares, bound = played(said), market.reward_bound[..., None]
    rewards = shares * bound
    at = first_order(market, rewards, kink_width=config.kink_width)
    step = np.clip(at.step + np.log(shares) - said, -config.longest_step, config.longest_step)
    worth = _worth_of_rewards(market, rewards, at)
    weight = _EVEN_WEIGHT + (1.0 - _EVEN_WEIGHT) * worth / worth.mean()
    target = torch.from_numpy((said + step).astype(np.float32))
    loss = 0.5 * (torch.from_numpy(weight.astype(np.float32)) * (log_shares - target).square()).mean()
    return loss, math.sqrt((worth * step**2).mean() / worth.mean())


def _worth_of_rewards(market: Market, rewards: FloatArray, at: FirstOrder) -> FloatArray:
    """How much of its ω an MU loses per squared error of log r, about, by the slope of its utility. (..., M, N).

    dU/dlog r = Q (1 + e) (r* - r) with the markdown r* = V e/(1 + e), so that 1 + e = 1/(1 - r*/V). A pair that is not
    served loses nothing as long as its reward stays below the threshold.
    """
    marked = rewards * np.exp(np.minimum(at.step, 0.0)) / at.worth[..., None]
    worth: FloatArray = at.qoe * rewards / (1.0 - np.minimum(marked, _HIGHEST_MARKDOWN))
    return worth / market.satisfaction_scale[..., None]


# Followers -----------------------------------------------------------------------------------------------------------


def follower_loss(
    network: SetNetwork, market: Market, rng: np.random.Generator, config: SetConfig
) -> tuple[torch.Tensor, float]:
    """Squared distance of the capacities' states from those at the exact best response, and its root mean square."""
    rewards = draw_rewards(market, rng)
    states = capacity_states(network, torch.from_numpy(follower_features(market, rewards)))
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


# Either side ---------------------------------------------------------------------------------------------------------

_LOSSES = {"leader": leader_loss, "follower": follower_loss}


def _architecture(config: SetConfig) -> LeaderSetArchitecture | FollowerSetArchitecture:
    architecture = LeaderSetArchitecture if config.side == "leader" else FollowerSetArchitecture
    return architecture(config.width, config.layers)


def _typical_features(config: SetConfig) -> torch.Tensor:
    """Features of links in a few batches of markets. (L, K)."""
    rng = np.random.default_rng([config.seed, _STANDARD])
    sample = []
    for _ in range(_STANDARD_BATCHES):
        market = config.markets.sample(rng, config.links)
        if config.side == "leader":
            sample += [leader_features(market, at) for at in (first_rewards(market), _towards_equilibrium(market))]
        else:
            sample += [follower_features(market, draw_rewards(market, rng))]
    return torch.cat([torch.from_numpy(seen).reshape(-1, seen.shape[-1]) for seen in sample])
