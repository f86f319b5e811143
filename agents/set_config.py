"""Everything that the training of a set policy depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from agents.checks import finite_numbers, whole_numbers
from agents.market_draws import LARGER_SIZES, MarketDistribution, Size

Side = Literal["leaders", "followers"]
#: Points that a learning curve has at least, unless its configuration says how far they are apart.
LEAST_EVALUATIONS = 20
#: What a quick run is measured on.
_QUICK: dict[str, Any] = {"final_evaluation_markets": 8, "larger_sizes": ((12, 6), (20, 5))}
_LEARN = {
    "leaders": "One network for all mobile users learns, providers respond exactly,",
    "followers": "One network for all providers learns",
}


@dataclass(frozen=True)
class SetConfig:
    """What a run of either algorithm depends on.

    Attributes:
        side: whose policy to learn, leaders or followers.
        markets: what markets to learn from.
        seed: of the network's first weights and of the markets.
        updates: how often fresh markets are drawn and learned from.
        links: links of mobile users and providers in a gradient step, about.
        learning_rate: its peak; it rises linearly over warm_up updates and falls linearly to zero at the end.
        warm_up: updates before the peak.
        width: hidden features of a link.
        layers: exchangeable layers.
        evaluate_every: updates between two measurements of regret, in held-out markets of the usual size; by default a
            twentieth of all.
        evaluation_markets: how many markets they take.
        final_evaluation_markets: markets of each size in the last evaluation; by default about 2,000 links of each.
        larger_sizes: sizes never trained on that the last evaluation measures as well.
        checkpoint_seconds: time between two checkpoints.
    """

    #: The field that says how long a run is.
    length: ClassVar[str] = "updates"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
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
    def scenario_name(self) -> str:
        """What tables call the markets."""
        return self.markets.describe()

    @property
    def described(self) -> str:
        """What is trained, in a few words."""
        return f"{_LEARN[self.side]} on {self.scenario_name}"

    @property
    def evaluation_interval(self) -> int:
        """Updates between two measurements of regret."""
        return self.evaluate_every or max(self.updates // LEAST_EVALUATIONS, 1)

    def run_name(self, swept: str = "") -> str:
        """What a run folder is called by default: the preset, who learns and how, what is swept, and the seed."""
        return f"{self.markets.scenario}-set-{self.side}-{self.algorithm}{swept}-seed{self.seed}"

    def __post_init__(self) -> None:
        if self.side not in ("leaders", "followers"):
            raise ValueError(f"side = {self.side!r} must be 'leaders' or 'followers'")
        most = 2**63 - 1
        whole_numbers(
            self,
            optional=("evaluate_every", "final_evaluation_markets"),
            seed=(0, most),
            updates=(0, most),
            links=(1, most),
            warm_up=(1, most),
            width=(1, most),
            layers=(1, most),
            evaluate_every=(1, most),
            evaluation_markets=(1, most),
            final_evaluation_markets=(1, most),
        )
        finite_numbers(self, "learning_rate", "checkpoint_seconds", least=0.0)
        if not isinstance(self.markets, MarketDistribution):
            raise ValueError(f"markets = {self.markets!r} must be a MarketDistribution")
        for size in self.larger_sizes:
            if len(size) != 2 or not all(type(count) is int and count > 0 for count in size):
                raise ValueError(f"larger_sizes = {self.larger_sizes!r} must be pairs of positive whole numbers")


@dataclass(frozen=True)
class EquilibriumConfig(SetConfig):
    """One network for every market learns on exact conditions of optimality (agents/set_training/equilibrium.py).

    Attributes:
        kink_width: how gradually leaders' elasticities change where a capacity starts to bind; see first_order.
        longest_step: largest correction of log r that leaders are asked for at once.
    """

    algorithm: ClassVar[str] = "equilibrium"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"updates": 300, **_QUICK},
        "default": {},
        "long": {"updates": 16_000},
    }

    kink_width: float = 0.1
    longest_step: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        finite_numbers(self, "kink_width", "longest_step", least=0.0)


@dataclass(frozen=True)
class SetPPOConfig(SetConfig):
    """One network for every market learns by PPO, from rewards alone (agents/set_training/ppo.py).

    Attributes:
        batches: gradient steps in an epoch; each has markets of one size.
        epochs: passes over what an update has drawn and played.
        clip_range: how far a ratio of probabilities may move from 1 before it stops to count.
        initial_std: standard deviation of exploration in log r at the start.
        final_std: at the end; in between it falls evenly in the logarithm.
    """

    algorithm: ClassVar[str] = "ppo"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"updates": 60, **_QUICK},
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


#: By the name of their algorithm.
SET_ALGORITHMS: dict[str, type[EquilibriumConfig] | type[SetPPOConfig]] = {
    kind.algorithm: kind for kind in (EquilibriumConfig, SetPPOConfig)
}
