"""Everything that the training of a set policy depends on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from agents.market_draws import LARGER_SIZES, MarketDistribution, Size

Side = Literal["leaders", "followers"]
#: Points that a learning curve has at least, unless its configuration says how far they are apart.
LEAST_EVALUATIONS = 20
_WHOLE_NUMBERS = {
    "seed": 0,
    "updates": 0,
    "links": 1,
    "warm_up": 1,
    "width": 1,
    "layers": 1,
    "evaluate_every": 1,
    "evaluation_markets": 1,
    "final_evaluation_markets": 1,
    "batches": 1,
    "epochs": 1,
}
_POSITIVE = ("learning_rate", "kink_width", "longest_step", "clip_range", "initial_std", "final_std")


@dataclass(frozen=True)
class SetConfig:
    """What a run of either algorithm depends on.

    Attributes:
        side: whose policy to learn.
        markets: what markets to learn from.
        seed: of the network's first weights and of the markets.
        updates: how often fresh markets are drawn and learned from.
        links: links of MUs and ASPs in a gradient step, about.
        learning_rate: its peak; it rises linearly over ``warm_up`` updates and falls linearly to zero at the end.
        warm_up: updates before the peak.
        width: hidden features of a link.
        layers: exchangeable layers.
        evaluate_every: updates between two measurements of regret, in held-out markets of the usual size; None for a
            twentieth of all.
        evaluation_markets: how many markets they take.
        final_evaluation_markets: markets of each size in the last evaluation; None for about 2,000 links of each.
        larger_sizes: sizes never trained on that the last evaluation measures as well.
        checkpoint_seconds: time between two checkpoints.
    """

    policy: ClassVar[str] = "set"
    #: Whether the policy acts in markets of any size: it does.
    any_size: ClassVar[Literal[True]] = True
    algorithm: ClassVar[str]

    side: Side = "leaders"
    markets: MarketDistribution = field(default_factory=MarketDistribution)
    seed: int = 0
    updates: int = 4000
    links: int = 1536
    learning_rate: float = 1e-3
    warm_up: int = 100
    width: int = 96
    layers: int = 4
    evaluate_every: int | None = None
    evaluation_markets: int = 16
    final_evaluation_markets: int | None = None
    larger_sizes: tuple[Size, ...] = LARGER_SIZES
    checkpoint_seconds: float = 30.0

    @property
    def scenario(self) -> str:
        """What tables call the markets."""
        return self.markets.describe()

    @property
    def evaluation_interval(self) -> int:
        """Updates between two measurements of regret."""
        return self.evaluate_every or max(self.updates // LEAST_EVALUATIONS, 1)

    def __post_init__(self) -> None:
        if self.side not in ("leaders", "followers"):
            raise ValueError(f"side = {self.side!r} must be 'leaders' or 'followers'")
        for name, least in _WHOLE_NUMBERS.items():
            value = getattr(self, name, least)
            if value is None and name in ("evaluate_every", "final_evaluation_markets"):
                continue
            if type(value) is not int or value < least:
                raise ValueError(f"{name} = {value!r} must be a whole number of at least {least}")
        for name in (*_POSITIVE, "checkpoint_seconds"):
            value = getattr(self, name, 1.0)
            if not (type(value) in (int, float) and math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} = {value!r} must be a finite number >= 0")
        for size in self.larger_sizes:
            if len(size) != 2 or not all(type(count) is int and count > 0 for count in size):
                raise ValueError(f"larger_sizes = {self.larger_sizes!r} must be pairs of positive whole numbers")


@dataclass(frozen=True)
class EquilibriumConfig(SetConfig):
    """Training on exact conditions of optimality; see :class:`SetConfig` and :mod:`agents.set_training.equilibrium`.

    Attributes:
        kink_width: how gradually leaders' elasticities change where a capacity starts to bind; see ``first_order``.
        longest_step: largest correction of log r that leaders are asked for at once.
    """

    algorithm: ClassVar[str] = "equilibrium"

    kink_width: float = 0.1
    longest_step: float = 0.5


@dataclass(frozen=True)
class SetPPOConfig(SetConfig):
    """Training of leaders by PPO, from rewards alone; see :class:`SetConfig` and :mod:`agents.set_training.ppo`.

    Attributes:
        batches: gradient steps in an epoch; each has markets of one size.
        epochs: passes over what an update has drawn and played.
        clip_range: how far a ratio of probabilities may move from 1 before it stops to count.
        initial_std: standard deviation of exploration in log r at the start.
        final_std: at the end; in between it falls evenly in the logarithm.
    """

    algorithm: ClassVar[str] = "ppo"

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
        if self.side != "leaders":
            raise ValueError(f"side = {self.side!r}: ppo trains leaders only; followers learn by equilibrium")
        if not 0.0 < self.final_std <= self.initial_std:
            raise ValueError(f"final_std = {self.final_std} must be above 0 and at most initial_std")


_ALGORITHMS: dict[str, type[EquilibriumConfig] | type[SetPPOConfig]] = {
    kind.algorithm: kind for kind in (EquilibriumConfig, SetPPOConfig)
}


def as_set_document(config: SetConfig) -> dict[str, Any]:
    """A configuration as it is written to a run folder."""
    return {"policy": config.policy, "algorithm": config.algorithm} | asdict(config)


def set_config_of(document: Mapping[str, Any]) -> SetConfig:
    """The configuration that a document describes.

    Raises:
        KeyError, TypeError, ValueError: it does not describe one.
    """
    entries: dict[str, Any] = dict(document)
    entries.pop("policy")
    kind = _ALGORITHMS[entries.pop("algorithm")]
    markets: dict[str, Any] = {name: _as_tuple(value) for name, value in dict(entries["markets"]).items()}
    entries["markets"] = MarketDistribution(**markets)
    entries["larger_sizes"] = tuple(_as_tuple(size) for size in entries["larger_sizes"])
    return kind(**entries)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
