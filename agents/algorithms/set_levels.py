"""Training of set policies of MUs with wallets: levels and prices at them, in fresh episodes of random markets.

A level is 1/(1 + A), A the price of money (docs/wallets.md#levels). In every slot of fresh paths MUs are given some
money or other, and the slot is solved by the oracle at the network's levels. So what slots cost an MU is known about
where it plays: a line for each, as the episode's oracle lays them. Along these lines the level at which any amount of
money would last to the end is that of a taut string, exactly, for one who knows what will come. The network is told no
more than MUs know in the slot, and learns the level whose 1/s is the mean of all those: what a credit is worth at the
margin is an average over what may come. Money is drawn anew in every slot, so that how much there is tells nothing of
what will come, as it would along an equilibrium.

Prices within a slot are learned as without wallets (:mod:`agents.algorithms.set_equilibrium`), at these levels.

Source: docs/set-policies.md#wallets.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from agents.algorithms.checks import finite_numbers, whole_numbers
from agents.algorithms.set_config import SetConfig
from agents.algorithms.set_equilibrium import leaders_features, leaders_loss
from agents.algorithms.set_learner import Metrics, SetLearner, begin_at_none
from agents.episode_draws import Episodes, drawn_episodes
from agents.market_draws import MarketDistribution
from agents.policy.level_features import Plan, SlotSeen, slot_seen
from agents.policy.level_set import LevelSetArchitecture, paced, played_levels
from aigc_market_env import solve_equilibrium
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FIELDS, FloatArray
from aigc_market_env.registration import EPISODE_SLOTS
from aigc_market_env.wallets.levels import affordable_levels
from aigc_market_env.wallets.spending import SpendingLines, entry_levels

#: Draws of episodes whose features say how to standardise.
_STANDARD_BATCHES = 4
_FINAL_EPISODES = 4
#: Targets of levels do not fall below this.
_LEAST_TARGET = 1e-5
#: An error of log s counts as no more than this.
_LARGEST_ERROR = 3.0


@dataclass(frozen=True)
class LevelConfig(SetConfig):
    """One network for every market and every wallet learns levels, and prices at them on exact conditions.

    Attributes:
        horizon: slots in an episode.
        episode_links: links in all slots of the episodes that an update draws, about.
        epochs: gradient steps of the network of levels in an update, each with other money in all wallets.
        level_width: hidden features of a mobile user.
        level_layers: exchangeable layers over mobile users.
        kink_width: how gradually leaders' elasticities change where a capacity starts to bind; see first_order.
        longest_step: largest correction of log r that leaders are asked for at once.
    """

    algorithm: ClassVar[str] = "levels"
    wallets: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"updates": 60, "final_evaluation_markets": 1},
        "default": {},
        "long": {"updates": 4000},
    }

    markets: MarketDistribution = field(default_factory=lambda: MarketDistribution("prepaid"))
    updates: int = 900
    learning_rate: float = 2e-3
    warm_up: int = 50
    evaluation_markets: int = 2
    larger_sizes: tuple[tuple[int, int], ...] = ((12, 6),)
    horizon: int = EPISODE_SLOTS
    episode_links: int = 8192
    epochs: int = 4
    level_width: int = 64
    level_layers: int = 3
    kink_width: float = 0.1
    longest_step: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        most = 2**31 - 1
        whole_numbers(
            self,
            horizon=(1, most),
            episode_links=(1, most),
            epochs=(1, most),
            level_width=(1, most),
            level_layers=(1, most),
        )
        finite_numbers(self, "kink_width", "longest_step", least=0.0)
        if self.side != "leaders":
            raise ValueError(
                f"side = {self.side!r}: levels are learned by leaders; followers see nothing of wallets, and learn in "
                "the same markets without: scenario = 'campus'"
            )

    @property
    def final_episodes(self) -> int:
        """How many episodes of each size the last evaluation has."""
        return _FINAL_EPISODES if self.final_evaluation_markets is None else self.final_evaluation_markets

    def make_learner(self) -> SetLearner:
        """See :meth:`SetConfig.make_learner`."""
        return LevelLearner(self)


class LevelLearner(SetLearner):
    """Learns levels and prices at them; see the module.

    Args:
        config: what to train.
    """

    config: LevelConfig
    architecture: LevelSetArchitecture

    def __init__(self, config: LevelConfig) -> None:
        own = {"level_width": config.level_width, "level_layers": config.level_layers, "horizon": config.horizon}
        satiated = config.markets.satiated
        super().__init__(config, LevelSetArchitecture(config.width, config.layers, satiation=satiated, **own))

    def _begin(self, rng: np.random.Generator) -> None:
        of_levels, of_prices = [], []
        for _ in range(_STANDARD_BATCHES):
            episodes = self._draw(rng)
            plan = with_money(episodes.plan, rng)
            of_levels.append(self.architecture.features(slot_seen(episodes.path, plan), plan))
            market = self._some_slots(paced(episodes.path, _random_levels(plan, rng)), rng)
            of_prices += leaders_features(self.architecture.pricing, market)
        begin_at_none(self.network.levels, of_levels)
        begin_at_none(self.network.pricing, of_prices)

    def _learn(self, rng: np.random.Generator) -> Metrics:
        """Gradient steps of both networks; ``error`` is of log s, ``pricing_error`` of log r, root mean squares."""
        config = self.config
        episodes = self._draw(rng)
        seen, plan = slot_seen(episodes.path, episodes.plan), with_money(episodes.plan, rng)
        levels = self._levels(seen, plan)
        lines, errors = spending_lines(episodes.path, levels), []
        for _ in range(config.epochs):
            loss, error = self._loss(lines, seen, plan)
            self._descend(loss)
            errors.append(error)
            plan = with_money(plan, rng)
        market = self._some_slots(paced(episodes.path, levels), rng)
        pricing_loss, pricing_error = leaders_loss(
            self.architecture.pricing, self.network.pricing, market, config.kink_width, config.longest_step
        )
        self._descend(pricing_loss)
        self.transitions += levels.size
        return {
            "loss": float(loss.detach()),
            "error": float(np.mean(errors)),
            "pricing_loss": float(pricing_loss.detach()),
            "pricing_error": pricing_error,
        }

    def _draw(self, rng: np.random.Generator) -> Episodes:
        markets, config = self.config.markets, self.config
        size = tuple(int(rng.integers(low, high + 1)) for low, high in (markets.num_mus, markets.num_asps))
        count = max(1, round(config.episode_links / (size[0] * size[1] * config.horizon)))
        return drawn_episodes(markets, rng, (size[0], size[1]), count, config.horizon)

    def _levels(self, seen: SlotSeen, plan: Plan) -> FloatArray:
        """What the network plays. (E, T, M)."""
        with torch.no_grad():
            logs = self.architecture.log_levels(self.network.levels, seen, plan)
        return played_levels(logs.numpy().astype(np.float64))

    def _some_slots(self, path: Market, rng: np.random.Generator) -> Market:
        """As many slots of paths (E, T) as have the links of a gradient step, at random. (B,)."""
        flat = Market(**dict(zip(FIELDS, path.flat, strict=True)))
        slots = len(flat.slot_duration)
        count = min(max(1, round(self.config.links / (path.num_mus * path.num_asps))), slots)
        return flat[rng.choice(slots, count, replace=False)]

    def _loss(self, lines: SpendingLines, seen: SlotSeen, plan: Plan) -> tuple[torch.Tensor, float]:
        """That of a gamma distribution of 1/s, least where the network's 1/s is the mean of those that would last."""
        target = np.log(lasting_levels(lines, plan)).astype(np.float32)
        logs = self.architecture.log_levels(self.network.levels, seen, plan)
        has_any = np.maximum(plan.money, np.minimum(plan.income, plan.cap)) > 0.0
        said = logs.detach().numpy()
        counts = has_any & ~((target >= 0.0) & (said >= 0.0))  # beyond 1 a level is 1
        off = (logs - torch.from_numpy(target)).clamp(-_LARGEST_ERROR, _LARGEST_ERROR) * torch.from_numpy(
            counts.astype(np.float32)
        )
        loss = (off.exp() - off - 1.0).mean()
        return loss, math.sqrt(float(off.detach().square().mean()))


def with_money(plan: Plan, rng: np.random.Generator) -> Plan:
    """The same with other money in every wallet and slot, from nothing to all that it can hold."""
    most = np.minimum(plan.cap, plan.slots_left * plan.income + plan.money.max(axis=-2, keepdims=True))
    share = rng.random(plan.money.shape) ** rng.choice([1.0, 1.0, 3.0], plan.money.shape)
    return plan._replace(money=share * most)


def _random_levels(plan: Plan, rng: np.random.Generator) -> FloatArray:
    levels: FloatArray = np.exp(rng.uniform(-2.5, 0.0, plan.money.shape))
    return levels


def spending_lines(path: Market, levels: FloatArray) -> SpendingLines:
    """What slots cost each MU about levels (E, T, M), at the equilibria of the slots there."""
    market = paced(path, levels)
    rewards = solve_equilibrium(market, certify=False).rewards
    response = follower_response(market, rewards)
    spent = market.outcome(rewards, response.compute, response.bandwidth).service_cost
    lines = SpendingLines(path)
    entry = entry_levels(path, response.compute_price[..., None, :], response.bandwidth_price[..., None, :])
    lines.pass_through(levels, spent, entry)
    return lines


def lasting_levels(lines: SpendingLines, plan: Plan) -> FloatArray:
    """In every slot the level of an MU for which what it keeps is to last to the end. (E, T, M).

    That is the level of the taut string from this slot on; where all that there is would be spent in this slot, the
    level at which it would go on after it, if that is higher: a policy sees to it by itself that a slot can be paid.
    """
    rate, entry, money, income, cap = (
        np.moveaxis(array, -1, 1) for array in (lines.rate, lines.entry, plan.money, plan.income, plan.cap)
    )  # (E, M, T)
    levels = np.empty(rate.shape)
    rows, num_slots = (-1, rate.shape[-1]), rate.shape[-1]
    for t in range(num_slots):
        later = (np.ascontiguousarray(array.reshape(rows)[:, t:]) for array in (rate, entry))
        now = (np.ascontiguousarray(array.reshape(rows)[:, t]) for array in (money, income, cap))
        string = affordable_levels(*later, *now)
        kept_for = string[:, 1] if t + 1 < num_slots else 1.0
        levels[..., t] = np.maximum(string[:, 0], kept_for).reshape(levels.shape[:-1])
    return np.maximum(np.moveaxis(levels, 1, -1), _LEAST_TARGET)
