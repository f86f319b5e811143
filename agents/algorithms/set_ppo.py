"""PPO for the set policy of leaders: from rewards alone, in markets that are fresh in every update.

What an MU is rewarded by is its own utility U/ω; its action are its N rewards, as logarithms; all MUs of all markets
share one network. A slot's utility depends on nothing that came before, so each action is its own episode (gamma 0).

stable-baselines3's PPO has one advantage for a whole action vector. A set policy acts for all MUs of a market at once,
and their sum of utilities would be a common good that none of them plays for. So this is the algorithm itself, with
an advantage and a ratio of probabilities for each MU:

- **One explores, the others do not.** An MU's regret is what it could gain alone. Where all MUs explore at once, most
  of what changes an MU's utility is the others' doing. So in every play of a market one MU explores, and the others
  post the policy's mean; all MUs take turns.
- **Antithetic plays.** Each exploration ε is played as well as -ε, and the mean of the two utilities is the baseline:
  no value network is needed. It takes a market that can be played again, as a simulated one can.

The network sees what the MUs see after a slot: the market's parameters, the QoE delivered, how the ASPs are used and
at which prices. It sees no gradient and no first-order condition. In half of the markets that slot was played at 0.3 of
the bound, in the other half at what the network posted after such a slot, as a policy's two passes will meet them.

Source: Schulman et al., arXiv 1707.06347 (the clipped objective); Kool, van Hoof, Welling, "Buy 4 REINFORCE samples,
get a baseline for free!", 2019 (baselines from other samples of the same context); Yu et al., arXiv 2103.01955 (PPO
with shared parameters in multi-agent problems).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from agents.algorithms.checks import finite_numbers, whole_numbers
from agents.algorithms.set_config import QUICK, SetConfig
from agents.algorithms.set_learner import Metrics, SetLearner, begin_at_none
from agents.policy.agent_features import Features
from agents.policy.leader_set import LeaderSetArchitecture, first_rewards, rewards_seen
from agents.policy.network import SetNetwork
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray

#: Batches of markets whose features say how to standardise.
_STANDARD_BATCHES = 8


@dataclass(frozen=True)
class SetPPOConfig(SetConfig):
    """One network for every market learns by PPO, from rewards alone.

    Attributes:
        batches: gradient steps in an epoch; each has markets of one size.
        epochs: passes over what an update has drawn and played.
        clip_range: how far a ratio of probabilities may move from 1 before it stops to count.
        initial_std: standard deviation of exploration in log r at the start.
        final_std: at the end; in between it falls evenly in the logarithm.
    """

    algorithm: ClassVar[str] = "ppo"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"updates": 60, **QUICK},
        "default": {},
        "long": {"updates": 3000},
    }

    updates: int = 400
    links: int = 1024
    warm_up: int = 20
    batches: int = 4
    epochs: int = 2
    clip_range: float = 0.2
    initial_std: float = 0.4
    final_std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_numbers(self, batches=(1, 2**31 - 1), epochs=(1, 2**31 - 1))
        finite_numbers(self, "clip_range", "initial_std", "final_std", least=0.0)
        if self.side != "leaders":
            raise ValueError(f"side = {self.side!r}: ppo trains leaders only; followers learn by equilibrium")
        if not 0.0 < self.final_std <= self.initial_std:
            raise ValueError(f"final_std = {self.final_std} must be above 0 and at most initial_std")

    def make_learner(self) -> SetLearner:
        """See :meth:`SetConfig.make_learner`."""
        return PPOLearner(self)


@dataclass(frozen=True, eq=False)
class AntitheticPlays:
    """What was seen and done in B markets, in each of which every MU explored in two plays.

    Attributes:
        features: what the network saw. (B, M, N, K)
        mean: the policy's log r/(ω/q) then. (B, M, N)
        noise: added to it in the first play and taken off in the second, in standard deviations. (B, M, N)
        advantage: of the first play over both plays' mean, in U/ω, over its own standard deviation; the second play's
            is the opposite. (B, M)
        utility: mean of U/ω over MUs and plays.
    """

    features: torch.Tensor
    mean: torch.Tensor
    noise: torch.Tensor
    advantage: torch.Tensor
    utility: float


class PPOLearner(SetLearner):
    """Learns from rewards alone; see the module.

    Args:
        config: what to train.
    """

    config: SetPPOConfig
    architecture: LeaderSetArchitecture

    def __init__(self, config: SetPPOConfig) -> None:
        seen = {"first_order": False, "satiation": config.markets.satiated}
        super().__init__(config, LeaderSetArchitecture(config.width, config.layers, **seen))

    @property
    def std(self) -> float:
        """Standard deviation of exploration in this update, in log r."""
        config = self.config
        return float(config.initial_std * (config.final_std / config.initial_std) ** (self.update / config.updates))

    def _learn(self, rng: np.random.Generator) -> Metrics:
        config, std = self.config, self.std
        rollout = [self._play(config.markets.sample(rng, config.links), rng, std) for _ in range(config.batches)]
        figures = []
        for _ in range(config.epochs):
            for batch in rng.permutation(config.batches):
                loss, metrics = clipped_loss(self.architecture, self.network, rollout[batch], std, config.clip_range)
                self._descend(loss)
                figures.append(metrics)
        means = {name: float(np.mean([metrics[name] for metrics in figures])) for name in figures[0]}
        return means | {"std": std, "utility": float(np.mean([plays.utility for plays in rollout]))}

    def _play(self, market: Market, rng: np.random.Generator, std: float) -> AntitheticPlays:
        """Have every MU of every market explore."""
        features = torch.from_numpy(
            self.architecture.features(market, rewards_seen(self.architecture, self.network, market))
        )
        with torch.no_grad():
            mean = self.architecture.log_shares(self.network, features)
        noise = rng.standard_normal(mean.shape)
        earned = explorers_utilities(market, mean.numpy().astype(np.float64), std * noise)
        gain = 0.5 * (earned[0] - earned[1])
        advantage = gain / max(float(np.sqrt(np.square(gain).mean())), 1e-12)
        self.transitions += earned.size
        drawn, judged = (torch.from_numpy(array.astype(np.float32)) for array in (noise, advantage))
        return AntitheticPlays(features, mean, drawn, judged, float(earned.mean()))

    def _begin(self, rng: np.random.Generator) -> None:
        sample: list[Features] = []
        for _ in range(_STANDARD_BATCHES):
            market = self.config.markets.sample(rng, self.config.links)
            start = first_rewards(market)
            random = start * np.exp(self.config.initial_std * rng.standard_normal(start.shape))
            sample += [self.architecture.features(market, rewards) for rewards in (start, 0.5 * random)]
        begin_at_none(self.network, sample)


def explorers_utilities(market: Market, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """U/ω of each MU when it alone deviates from a mean, one way and the other, the ASPs responding exactly.

    Args:
        market: a batch of markets. batch (B,)
        mean: log r/(ω/q) of all. (B, M, N)
        deviation: added to an MU's own row in the first play, taken off in the second. (B, M, N)

    Returns:
        Utilities of the explorers. (2, B, M)
    """
    everyone = np.arange(market.num_mus)
    alone = np.zeros((market.num_mus, *mean.shape))  # who explores, then B, M, N
    alone[everyone, :, everyone] = np.swapaxes(deviation, 0, 1)
    shares = np.exp(np.minimum(np.stack([mean + alone, mean - alone]), 0.0))
    rewards = shares * market.reward_bound[..., None]
    response = follower_response(market, rewards)
    utility = market.outcome(rewards, response.compute, response.bandwidth).mu_utility / market.satisfaction_scale
    return np.moveaxis(utility[:, everyone, :, everyone], 0, -1)


def clipped_loss(
    architecture: LeaderSetArchitecture, network: SetNetwork, plays: AntitheticPlays, std: float, clip_range: float
) -> tuple[torch.Tensor, Metrics]:
    """PPO's clipped objective, with a ratio of probabilities for each MU's row of actions; and figures of it."""
    moved = (architecture.log_shares(network, plays.features) - plays.mean) / std
    towards, far = (moved * plays.noise).sum(dim=-1), 0.5 * moved.square().sum(dim=-1)
    log_ratio, advantage = (
        torch.stack([towards - far, -towards - far]),
        torch.stack([plays.advantage, -plays.advantage]),
    )
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    loss = -torch.minimum(ratio * advantage, clipped * advantage).mean()
    with torch.no_grad():
        kl = float((ratio - 1.0 - log_ratio).mean())  # Schulman, "Approximating KL divergence", 2020
        outside = float(((ratio - 1.0).abs() > clip_range).float().mean())
    return loss, {"loss": float(loss.detach()), "approx_kl": kl, "clip_fraction": outside}
