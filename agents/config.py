"""Everything that a training in one market depends on: of the mobile users, of the providers, or of both.

Every field is an option of ``train.py`` and an entry of ``config.json``; see :mod:`agents.documents`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import tyro

from agents.algorithms import ALGORITHMS, Algorithm
from agents.algorithms.algorithm import LogStd
from agents.algorithms.checks import finite_numbers, whole_numbers
from agents.algorithms.ppo import PPO
from agents.algorithms.set_config import LEAST_EVALUATIONS, SetConfig
from agents.policy import load_policy
from aigc_market_env import Scenario
from aigc_market_env.evaluation.reward_sources import Mixture, Posted, RewardSource, source_called
from aigc_market_env.registration import EPISODE_SLOTS
from aigc_market_env.scenarios import PRESETS, Dynamics
from aigc_market_env.scenarios.scenario import satiation_of
from aigc_market_env.wallets import Wallet, WalletRange

#: Market i of a run draws from stream ``seed · STREAMS_PER_SEED + i``, so that runs of two seeds share none.
STREAMS_PER_SEED = 100_000
#: What a preset of train.py changes; "default" changes nothing.
Presets = Mapping[str, Mapping[str, Any]]
#: What of a preset may be chosen, and is not that of a market of one's own; beside its load.
_OF_PRESETS = {"num_mus": "size", "num_asps": "size", "satiation": "satiation"}
#: Fields that are a scenario's own, and belong to no other.
OF_SCENARIO = ("dynamics", "wallet")
_QUICK = {"final_evaluation_slots": 128}


class Usual(NamedTuple):
    """What suits who learns, where a configuration says nothing else.

    Attributes:
        markets: copies of the market side by side.
        slots: slots in a rollout.
        gamma: discount of later slots.
        log_std: exploration; see :meth:`Algorithm.make`.
        first_output: what networks put out at first, about, from -1 to 1.
        settled: share of a training, at its end, through which exploration is as narrow as at the end.
    """

    markets: int
    slots: int
    gamma: float
    log_std: LogStd
    first_output: float
    settled: float = 0.0


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that a run in one market depends on, whichever side learns.

    A transition is one learner, a mobile user or a provider, in one slot. Rollouts are small, because what is learned
    depends on the number of gradient steps more than on the number of transitions.

    Attributes:
        scenario: preset (duo, campus, town, random, office, prepaid, campus_v1, town_v1, traces_v0, …), market file
            (JSON), or Scenario of your own, as FILE.py:object or module:object, which executes that file.
        load: demand against capacity of a preset; 2 halves the capacities.
        num_mus: mobile users, where a preset can be resized.
        num_asps: providers, likewise.
        satiation: of all mobile users of a preset, from 0 to 100: how soon they want no more; by default its own.
        market_seed: which market of the scenario.
        seed: of the learner and of the channels; the same seed gives the same weights.
        transitions: slots times learning agents to train for.
        markets: copies of the market side by side, each with its own channels; by default 64, or 16 where mobile users
            with wallets learn; there, where it is a multiple of 4, four go through the same episodes.
        slots: slots in a rollout, between two updates; by default 8, or 16 of providers; a whole episode where mobile
            users with wallets learn.
        horizon: slots in an episode, where mobile users have wallets.
        learning_rate: at the start; it falls linearly to zero.
        hidden: width of each hidden layer.
        evaluate_every: transitions between two measurements of regret; by default a twentieth of all, or a rollout.
        evaluation_slots: slots in each of them; in whole episodes, where mobile users have wallets.
        final_evaluation_slots: slots in the last one, likewise.
        checkpoint_seconds: time between two checkpoints.
        algorithm: how to learn, with the options that it has.
        dynamics: what changes from slot to slot, in the place of the scenario's own.
        wallet: the mobile users', likewise.
    """

    side: ClassVar[str]
    #: Whether the policy acts in markets of any size; otherwise in those of the scenario.
    any_size: ClassVar[Literal[False]] = False
    #: The field that says how long a run is.
    length: ClassVar[str] = "transitions"
    presets: ClassVar[Presets]
    #: What is said of who learns.
    learn: ClassVar[str]

    scenario: str | Scenario = "campus"
    load: float = 1.0
    num_mus: int | None = None
    num_asps: int | None = None
    satiation: float | None = None
    market_seed: int = 0
    seed: int = 0
    transitions: int = 1_000_000
    markets: int | None = None
    slots: int | None = None
    horizon: int = EPISODE_SLOTS
    learning_rate: float = 1e-3
    hidden: tuple[int, ...] = (128, 128)
    evaluate_every: int | None = None
    evaluation_slots: int = 32
    final_evaluation_slots: int = 512
    checkpoint_seconds: float = 30.0
    algorithm: Algorithm = PPO()  # noqa: RUF009 - it is frozen
    dynamics: Annotated[Dynamics | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    wallet: Annotated[Wallet | WalletRange | None, tyro.conf.Fixed, tyro.conf.Suppress] = None

    def __post_init__(self) -> None:
        whole_numbers(
            self,
            optional=("num_mus", "num_asps", "markets", "slots", "evaluate_every"),
            num_mus=(1, 2**31 - 1),
            num_asps=(1, 2**31 - 1),
            market_seed=(0, 2**63 - 1),
            seed=(0, 2**32 - 1),
            transitions=(0, 2**63 - 1),
            markets=(1, STREAMS_PER_SEED),
            slots=(1, 2**31 - 1),
            horizon=(1, 2**31 - 1),
            evaluate_every=(1, 2**63 - 1),
            evaluation_slots=(1, 2**31 - 1),
            final_evaluation_slots=(1, 2**31 - 1),
        )
        finite_numbers(self, "load")
        finite_numbers(self, "learning_rate", "checkpoint_seconds", least=0.0)
        if self.satiation is not None:
            satiation_of(self.satiation)
        if not isinstance(self.algorithm, Algorithm):
            raise ValueError(f"algorithm = {self.algorithm!r} must be one of {', '.join(ALGORITHMS)}, with its options")
        if not self.hidden or not all(type(width) is int and 0 < width <= 65536 for width in self.hidden):
            raise ValueError(f"hidden = {self.hidden!r} must be widths from 1 to 65536")
        if not isinstance(self.scenario, str | Scenario):
            raise ValueError(f"scenario = {self.scenario!r} must be a preset's name, a market file or a Scenario")
        if self.dynamics is not None and not isinstance(self.dynamics, Dynamics):
            raise ValueError(f"dynamics = {self.dynamics!r} must be a Dynamics")
        if self.wallet is not None and not isinstance(self.wallet, Wallet | WalletRange):
            raise ValueError(f"wallet = {self.wallet!r} must be a Wallet or a WalletRange")

    @property
    def usual(self) -> Usual:
        """What suits who learns."""
        raise NotImplementedError

    @property
    def rollout_size(self) -> tuple[int, int]:
        """Markets, and slots of each, between two updates."""
        usual = self.usual
        return self.markets or usual.markets, self.slots or usual.slots

    @property
    def has_wallets(self) -> bool:
        """Whether the mobile users have wallets, so that episodes end and money is to be planned."""
        if self.wallet is not None or not isinstance(self.scenario, str):
            return self.wallet is not None or self.scenario.wallet is not None  # type: ignore[union-attr]
        return self.of_preset and PRESETS[self.scenario].wallet is not None

    @property
    def scenario_name(self) -> str:
        """What tables call the market."""
        return self.scenario if isinstance(self.scenario, str) else self.scenario.name

    @property
    def of_preset(self) -> bool:
        """Whether the market is a preset's."""
        return isinstance(self.scenario, str) and self.scenario in PRESETS

    @property
    def of_file(self) -> bool:
        """Whether the market is a file's: one, whatever ``market_seed`` is."""
        return isinstance(self.scenario, str) and not self.of_preset

    @property
    def described(self) -> str:
        """What is trained, in a few words."""
        return f"{self.learn} on {self.scenario_name}"

    def run_name(self, swept: str = "") -> str:
        """What a run folder is called by default: the market, who learns and how, what is swept, and the seed."""
        side = "" if self.side == "both" else f"-{self.side}"
        how = "" if self.algorithm.name == PPO.name else f"-{self.algorithm.name}"
        return f"{Path(self.scenario_name).stem}{side}{how}{swept}-seed{self.seed}"

    def evaluation_interval(self, rollout: int) -> int:
        """Least transitions between two measurements of regret, which come after whole rollouts of so many."""
        if self.evaluate_every is not None:
            return self.evaluate_every
        return max(self.transitions // LEAST_EVALUATIONS - rollout + 1, 1)  # what is asked for is overshot by the rest

    def check_named(self) -> None:
        """Make sure that whatever is named is there, before a run begins.

        Raises:
            FileNotFoundError, ValueError: see :meth:`make_scenario`; of providers, :meth:`FollowerConfig.make_source`.
        """
        self.make_scenario()

    def make_scenario(self) -> Scenario:
        """The fixed market with fading links that is trained on.

        Raises:
            ValueError: there is no such preset or file, a preset is not of that size, or load or size were given for
                something else than a preset.
        """
        if self.of_preset:
            given: dict[str, Any] = {name: getattr(self, name) for name in _OF_PRESETS}
            given |= {name: getattr(self, name) for name in OF_SCENARIO}
            return Scenario.preset(self.scenario_name, load=self.load, **given).fix(self.market_seed)
        if self.load != 1.0:
            raise ValueError("load applies to presets; a market of your own has its capacities")
        for name, own in _OF_PRESETS.items():
            if getattr(self, name) is not None:
                raise ValueError(f"{name} applies to presets; a market of your own has its {own}")
        if isinstance(self.scenario, str):
            return replace(Scenario.of(self.scenario, wallet=self.wallet), dynamics=self.dynamics or Dynamics())
        scenario = Scenario.of(self.scenario.fix(self.market_seed), wallet=self.wallet)
        return scenario if self.dynamics is None else replace(scenario, dynamics=self.dynamics)


@dataclass(frozen=True)
class LeaderConfig(TrainingConfig):
    """Mobile users learn, providers respond exactly."""

    side: ClassVar[str] = "leaders"
    learn: ClassVar[str] = "Mobile users learn, providers respond exactly,"
    presets: ClassVar[Presets] = {
        "quick": {"transitions": 320_000, **_QUICK},
        "default": {},
        "long": {"transitions": 4_000_000},
    }

    @property
    def usual(self) -> Usual:
        """What suits mobile users, with wallets or without."""
        if self.has_wallets:
            # First rewards of 0.06 of the bound: money has a price. Noise in log r of 0.57 to 0.13. Amid noise it is
            # best to spend less, which has to be unlearned while the rate is still high. With advantages over copies of
            # the same episode (agents.training.shared_episodes) later slots can count in full: at 0.97 a third too much
            # is spent in the first slots, and a third too little in the last ones.
            noise: LogStd = (-1.8, -3.3)
            return Usual(markets=16, slots=self.horizon, gamma=0.999, log_std=noise, first_output=0.2, settled=0.4)
        # Noise in log r of 0.47 to 0.07: wider noise prices pairs out for good, less at the start is slow. First
        # rewards of 0.18 of the bound: above most entry thresholds, for who is not served learns nothing.
        return Usual(markets=64, slots=8, gamma=0.0, log_std=(-2.0, -3.9), first_output=0.5)


@dataclass(frozen=True)
class FollowerConfig(TrainingConfig):
    """Providers learn, on rewards from a given source.

    Attributes:
        rewards: what mobile users post: near (equilibrium), uniform or log_uniform (up to the bound), or everything,
            which is a mixture of these.
        leaders: run folder of trained mobile users, who post in half of the markets; none if empty.
    """

    side: ClassVar[str] = "followers"
    learn: ClassVar[str] = "Providers learn"
    presets: ClassVar[Presets] = LeaderConfig.presets

    hidden: tuple[int, ...] = (64, 64)
    rewards: str = "everything"
    leaders: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        source_called(self.rewards)
        if not isinstance(self.leaders, str):
            raise ValueError(f"leaders = {self.leaders!r} must be a run folder or empty")

    @property
    def usual(self) -> Usual:
        """What suits providers."""
        return Usual(markets=64, slots=16, gamma=0.0, log_std=(-1.5, -3.0), first_output=0.0)

    def check_named(self) -> None:
        """See :meth:`TrainingConfig.check_named`."""
        super().check_named()
        self.make_source()

    def make_source(self) -> RewardSource:
        """What the MUs post while the ASPs learn.

        Raises:
            FileNotFoundError: the run folder of the leaders has no policy.
            ValueError: it is not one of leaders of one market of this size, or a file of it is damaged.
        """
        source = source_called(self.rewards)
        if not self.leaders:
            return source
        policy = load_policy(self.leaders)
        if policy.any_size or policy.mus is None:
            raise ValueError(f"leaders = {self.leaders!r} is a run of {policy.kind}, not of mobile users")
        scenario, trained = self.make_scenario(), policy.mus.architecture
        sizes = [f"{market.num_mus} MUs and {market.num_asps} ASPs" for market in (trained, scenario)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"leaders = {self.leaders!r} is a run on {sizes[0]}; {self.scenario_name} has {sizes[1]}")
        return Mixture([source, Posted(policy.mus.act_batch, noise=0.1)], [1.0, 1.0])


@dataclass(frozen=True)
class JointConfig(TrainingConfig):
    """Mobile users and providers learn, each against the other as it is then.

    Transitions count both sides'. What providers have of their own begins with follower; the other fields are the
    mobile users', or both's. Defaults are those of the two single-sided trainings.

    Attributes:
        follower_slots: slots in a rollout of the providers.
        follower_hidden: width of each hidden layer of the providers' networks.
        rewards: what is posted while providers learn, except where the learning mobile users post: near (equilibrium),
            uniform or log_uniform (up to the bound), or everything, which is a mixture of these.
        posted: share of the markets in which they do, after the head start; in between 0 and 1.
        posted_noise: how far from what they would post, as a standard deviation of the logarithm.
        head_start: share of all transitions that the providers learn alone at the beginning, from 0 to 1.
    """

    side: ClassVar[str] = "both"
    learn: ClassVar[str] = "Mobile users and providers learn, each against the other,"
    presets: ClassVar[Presets] = {
        "quick": {"transitions": 400_000, **_QUICK},
        "default": {},
        "long": {"transitions": 8_000_000},
    }

    transitions: int = 2_000_000
    follower_slots: int = 16
    follower_hidden: tuple[int, ...] = (64, 64)
    rewards: str = "everything"
    posted: float = 0.5
    posted_noise: float = 0.1
    head_start: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        finite_numbers(self, "posted", "posted_noise", "head_start", least=0.0)
        if self.head_start > 1.0:
            raise ValueError(f"head_start = {self.head_start!r} must be from 0 to 1")
        if not 0.0 < self.posted < 1.0:
            raise ValueError(f"posted = {self.posted!r} must be above 0 and below 1")
        source_called(self.rewards)
        try:
            self.followers()
        except ValueError as error:
            raise ValueError(f"follower_{error}") from None

    def leaders(self) -> LeaderConfig:
        """The MUs' part."""
        return LeaderConfig(**self._shared())

    def followers(self) -> FollowerConfig:
        """The ASPs' part."""
        own = {"slots": self.follower_slots, "hidden": self.follower_hidden, "rewards": self.rewards}
        return FollowerConfig(**self._shared() | own)

    def _shared(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(TrainingConfig)}


FixedMarketConfig = LeaderConfig | FollowerConfig | JointConfig
Config = FixedMarketConfig | SetConfig
SIDES: dict[str, type[FixedMarketConfig]] = {kind.side: kind for kind in (LeaderConfig, FollowerConfig, JointConfig)}
