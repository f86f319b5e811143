"""Everything that the training of a set policy depends on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import tyro

from agents.algorithms.checks import finite_numbers, whole_numbers
from agents.market_draws import LARGER_SIZES, MarketDistribution, Size

Side = Literal["leaders", "followers"]
#: Points that a learning curve has at least, unless its configuration says how far they are apart.
LEAST_EVALUATIONS = 20
#: What a quick run is measured on.
QUICK: dict[str, Any] = {"final_evaluation_markets": 8, "larger_sizes": ((12, 6), (20, 5))}
#: All algorithms of set policies, by name.
SET_ALGORITHMS: dict[str, type["SetConfig"]] = {}
_LEARN = {
    "leaders": "One network for all mobile users learns, providers respond exactly,",
    "followers": "One network for all providers learns",
}


@dataclass(frozen=True)
class SetConfig(ABC):
    """What a training of a set policy depends on; a subclass with an ``algorithm`` is registered under it.

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
        evaluation_markets: how many markets they take; episodes, where mobile users have wallets.
        final_evaluation_markets: markets of each size in the last evaluation; by default about 2,000 links of each, or
            4 episodes.
        larger_sizes: sizes never trained on that the last evaluation measures as well.
        checkpoint_seconds: time between two checkpoints.
    """

    #: The field that says how long a run is.
    length: ClassVar[str] = "updates"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    #: Whether it is for MUs with wallets, and for them alone.
    wallets: ClassVar[bool] = False
    #: Whether the policy acts in markets of any size: it does.
    any_size: ClassVar[Literal[True]] = True
    algorithm: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "algorithm" in vars(cls):
            SET_ALGORITHMS[cls.algorithm] = cls

    side: Annotated[Side, tyro.conf.Fixed, tyro.conf.Suppress] = "leaders"  # which --train says
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

    @abstractmethod
    def make_learner(self) -> Any:
        """The SetLearner, untrained; to train without a run folder, call its ``step``."""

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
        if self.markets.has_wallets != self.wallets:
            self._refuse_wallets()
        for size in self.larger_sizes:
            if len(size) != 2 or not all(type(count) is int and count > 0 for count in size):
                raise ValueError(f"larger_sizes = {self.larger_sizes!r} must be pairs of positive whole numbers")

    def _refuse_wallets(self) -> None:
        """Say which algorithm is for what MUs have.

        Raises:
            ValueError: always.
        """
        others = " or ".join(name for name, kind in SET_ALGORITHMS.items() if kind.wallets != self.wallets)
        have = "no wallets" if self.wallets else "wallets"
        raise ValueError(
            f"scenario = {self.markets.scenario!r}: its mobile users have {have}, and algorithm {self.algorithm} is "
            f"for those that have {'some' if self.wallets else 'none'}; choose algorithm {others}"
        )
