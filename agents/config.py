"""Everything that a training run depends on, and its file."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from agents.evaluation.reward_sources import Mixture, Posted, RewardSource, source_called
from agents.policy import load_policy
from agents.runs import CONFIG_FILE, EVALUATION_FILE, MARKET_FOLDER, json_bytes, write_json
from agents.set_config import LEAST_EVALUATIONS, SetConfig, as_set_document, set_config_of
from aigc_market_env import Market, Scenario
from aigc_market_env.files import FolderTakenError, read_json, write_new
from aigc_market_env.scenarios import PRESETS, Dynamics

#: Market i of a run draws from stream ``seed · STREAMS_PER_SEED + i``, so that runs of two seeds share none.
STREAMS_PER_SEED = 100_000

#: What may learn, with the fields whose defaults are not those of :class:`TrainingConfig`. SAC's gradient is that of a
#: critic, which wants many small steps.
ALGORITHMS: dict[str, dict[str, Any]] = {"ppo": {}, "sac": {"batch_size": 256, "epochs": 2}}

#: Where the whole numbers of a configuration may lie.
_WHOLE_NUMBERS = {
    "market_seed": (0, 2**63 - 1),
    "seed": (0, 2**32 - 1),
    "transitions": (0, 2**63 - 1),
    "markets": (1, STREAMS_PER_SEED),
    "slots": (1, 2**31 - 1),
    "batch_size": (2, 2**31 - 1),
    "epochs": (1, 2**31 - 1),
    "replay": (1, 2**31 - 1),
    "evaluate_every": (1, 2**63 - 1),
    "evaluation_slots": (1, 2**31 - 1),
    "final_evaluation_slots": (1, 2**31 - 1),
}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that a run depends on, whichever side learns.

    A *transition* is one learner, an MU or an ASP, in one slot. Rollouts and batches are large, because small ones cap
    the speed of learning long before the environment does.

    Attributes:
        scenario: a preset's name or a market file.
        load: demand against capacity, for a preset.
        market_seed: which market of the preset.
        seed: of the learner and of the channels.
        transitions: how long to train.
        markets: copies of the market side by side, each with its own channels.
        slots: slots in a rollout, between two updates.
        batch_size: transitions in a gradient step.
        epochs: passes over a rollout; of SAC, how often a transition is learned from on average.
        learning_rate: at the start; it falls linearly to zero.
        hidden: width of each hidden layer.
        initial_log_std: log standard deviation of PPO's exploration, in outputs that span [-1, 1].
        evaluate_every: transitions between two measurements of regret; None for a twentieth of all, or a rollout.
        evaluation_slots: slots in each of them.
        final_evaluation_slots: slots in the last one.
        checkpoint_seconds: time between two checkpoints.
        algorithm: what learns, a name in :data:`ALGORITHMS`.
        replay: transitions that SAC remembers and learns from.
        initial_entropy_coefficient: what SAC pays for a nat of entropy at the start, in rewards; it adapts.
    """

    side: ClassVar[str]
    #: Whether the policy acts in markets of any size; otherwise in those of the scenario.
    any_size: ClassVar[Literal[False]] = False

    scenario: str = "campus"
    load: float = 1.0
    market_seed: int = 0
    seed: int = 0
    transitions: int = 2_000_000
    markets: int = 256
    slots: int = 8
    batch_size: int = 4096
    epochs: int = 6
    learning_rate: float = 1e-3
    hidden: tuple[int, ...] = (128, 128)
    initial_log_std: float = -1.0
    evaluate_every: int | None = None
    evaluation_slots: int = 32
    final_evaluation_slots: int = 512
    checkpoint_seconds: float = 30.0
    algorithm: str = "ppo"
    replay: int = 200_000
    initial_entropy_coefficient: float = 0.05

    def __post_init__(self) -> None:
        for name, (low, high) in _WHOLE_NUMBERS.items():
            value = getattr(self, name)
            if value is None and name == "evaluate_every":
                continue
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{name} = {value!r} must be a whole number from {low} to {high}")
        for name in ("load", "learning_rate", "initial_log_std", "checkpoint_seconds", "initial_entropy_coefficient"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not math.isfinite(value):
                raise ValueError(f"{name} = {value!r} must be a finite number")
        if self.initial_entropy_coefficient <= 0.0:
            raise ValueError(f"initial_entropy_coefficient = {self.initial_entropy_coefficient!r} must be above 0")
        if not isinstance(self.algorithm, str) or self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm = {self.algorithm!r} must be {' or '.join(map(repr, ALGORITHMS))}")
        if not self.hidden or not all(type(width) is int and 0 < width <= 65536 for width in self.hidden):
            raise ValueError(f"hidden = {self.hidden!r} must be widths from 1 to 65536")
        if not isinstance(self.scenario, str):
            raise ValueError(f"scenario = {self.scenario!r} must be a preset's name or a market file")

    def evaluation_interval(self, rollout: int) -> int:
        """Least transitions between two measurements of regret, which come after whole rollouts of so many."""
        if self.evaluate_every is not None:
            return self.evaluate_every
        return max(self.transitions // LEAST_EVALUATIONS - rollout + 1, 1)  # what is asked for is overshot by the rest

    def make_scenario(self) -> Scenario:
        """The fixed market with fading links that is trained on.

        Raises:
            ValueError: there is no such preset or file, or a load was given for a file.
        """
        if self.scenario in PRESETS:
            return Scenario.preset(self.scenario, load=self.load).fix(self.market_seed)
        if self.load != 1.0:
            raise ValueError("load applies to presets; a market file has its capacities")
        scenario = Scenario.of(self.scenario)
        return replace(scenario, dynamics=Dynamics())


@dataclass(frozen=True)
class LeaderConfig(TrainingConfig):
    """Training of the MUs, ASPs at their best response; see :class:`TrainingConfig`."""

    side: ClassVar[str] = "leaders"


@dataclass(frozen=True)
class FollowerConfig(TrainingConfig):
    """Training of the ASPs on rewards from a given source; see :class:`TrainingConfig`.

    Attributes:
        rewards: what the MUs post, a name in :data:`~agents.evaluation.reward_sources.REWARD_SOURCES`.
        leaders: run folder of trained MUs, who post in half of the markets; none if empty.
    """

    side: ClassVar[str] = "followers"

    slots: int = 16
    hidden: tuple[int, ...] = (64, 64)
    initial_log_std: float = -1.5
    rewards: str = "everything"
    leaders: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        source_called(self.rewards)
        if not isinstance(self.leaders, str):
            raise ValueError(f"leaders = {self.leaders!r} must be a run folder or empty")

    def make_source(self) -> RewardSource:
        """What the MUs post while the ASPs learn.

        Raises:
            FileNotFoundError: the run folder of the leaders has no policy.
            ValueError: it is not one of leaders of one market, or a file of it is damaged.
        """
        source = source_called(self.rewards)
        if not self.leaders:
            return source
        policy = load_policy(self.leaders)
        if policy.any_size or policy.mus is None:
            raise ValueError(f"leaders = {self.leaders!r} is a run of {policy.kind}, not of mobile users")
        return Mixture([source, Posted(policy.mus.act_batch, noise=0.1)], [1.0, 1.0])


@dataclass(frozen=True)
class JointConfig(TrainingConfig):
    """Training of both sides, each against the other as it is then; see :class:`TrainingConfig`.

    Transitions count both sides'. What the ASPs have of their own is named ``follower_…``; the other fields are the
    MUs', or both's. Defaults are those of the two single-sided trainings.

    Attributes:
        follower_slots: slots in a rollout of the ASPs.
        follower_hidden: width of each hidden layer of the ASPs' networks.
        follower_initial_log_std: like ``initial_log_std``.
        rewards: what is posted while ASPs learn, a name in :data:`~agents.evaluation.reward_sources.REWARD_SOURCES`,
            except where the learning MUs post.
        posted: share of the markets in which they do, after the head start; in between 0 and 1.
        posted_noise: how far from what they would post, as a standard deviation of the logarithm.
        head_start: share of all transitions that the ASPs learn alone at the beginning, from 0 to 1.
    """

    side: ClassVar[str] = "both"

    transitions: int = 3_600_000
    follower_slots: int = 16
    follower_hidden: tuple[int, ...] = (64, 64)
    follower_initial_log_std: float = -1.5
    rewards: str = "everything"
    posted: float = 0.5
    posted_noise: float = 0.1
    head_start: float = 0.055

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, high in (("posted", 1.0), ("head_start", 1.0), ("posted_noise", math.inf)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0.0 <= value <= high or not math.isfinite(value):
                raise ValueError(f"{name} = {value!r} must be a finite number from 0 to {high}")
        if not 0.0 < self.posted < 1.0:
            raise ValueError(f"posted = {self.posted!r} must be above 0 and below 1")
        try:
            self.leaders()
            self.followers()
        except ValueError as error:
            raise ValueError(f"follower_{error}") from None

    def leaders(self) -> LeaderConfig:
        """The MUs' part."""
        shared = {field.name: getattr(self, field.name) for field in fields(TrainingConfig)}
        return LeaderConfig(**shared)

    def followers(self) -> FollowerConfig:
        """The ASPs' part."""
        own = {name: getattr(self, f"follower_{name}") for name in ("slots", "hidden", "initial_log_std")}
        return FollowerConfig(**asdict(self.leaders()) | own, rewards=self.rewards)


FixedMarketConfig = LeaderConfig | FollowerConfig | JointConfig
Config = FixedMarketConfig | SetConfig
_Config = TypeVar("_Config", bound=Config)
_SIDES: dict[str, type[FixedMarketConfig]] = {kind.side: kind for kind in (LeaderConfig, FollowerConfig, JointConfig)}


def as_document(config: TrainingConfig | SetConfig) -> dict[str, Any]:
    """A configuration as plain numbers and text."""
    return as_set_document(config) if config.any_size else {"side": config.side} | asdict(config)


def keep_market(config: _Config, run: Path) -> _Config:
    """Copy the market file that a configuration names, if it names one, into a run folder; the copy's configuration.

    So a run stays what it is when that file is edited, and can be given away.

    Raises:
        ValueError: the file is not a market, or not the one that the run was begun on, or a load was given for it.
    """
    if isinstance(config, SetConfig) or config.scenario in PRESETS or not Path(config.scenario).is_file():
        return config
    copy = run / MARKET_FOLDER / Path(config.scenario).name
    market = config.make_scenario().sample()  # before anything is written
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        market.to_json(copy)
    elif Market.from_json(copy) != market:
        raise ValueError(f"scenario = {config.scenario!r}: not the market that {run} was begun on, which is in {copy}")
    return replace(config, scenario=str(copy))


def begin_run(config: Config, run: Path) -> list[Path]:
    """Begin a run in a folder: its configuration, and a copy of its market file, before anybody else does.

    Returns:
        What was made, for :func:`forget`.

    Raises:
        FolderTakenError: the folder already holds a run, whoever began it; nothing is written.
        ValueError: see :func:`keep_market`.
    """
    copy = run / MARKET_FOLDER / Path(config.scenario).name
    paths = (*reversed(run.parents), run, run / CONFIG_FILE, copy.parent, copy)
    made = [path for path in paths if not path.exists()]
    try:
        run.mkdir(parents=True, exist_ok=True)
        write_new(run / CONFIG_FILE, json_bytes(document_in(config, run)))
        write_config(keep_market(config, run), run)
    except BaseException as error:
        if isinstance(error, FileExistsError) and (run / CONFIG_FILE).exists():
            message = f"{run} already holds a run; add --resume to go on with it, or choose another --out"
            raise FolderTakenError(message) from None
        forget(made)
        raise
    return made


def forget(made: Sequence[Path]) -> None:
    """Take back what was made, the last first; folders that others have put something into stay."""
    for path in reversed(made):
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def lengthen_run(config: Config, run: Path) -> None:
    """Have a run end later than its configuration says so far; it is a run that has not ended from now on."""
    (run / EVALUATION_FILE).unlink(missing_ok=True)
    write_config(config, run)


def write_config(config: TrainingConfig | SetConfig, run: Path) -> None:
    """Write a configuration into a run folder, where :func:`read_config` finds it."""
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / CONFIG_FILE, document_in(config, run))


def document_in(config: TrainingConfig | SetConfig, run: Path) -> dict[str, Any]:
    """A configuration as plain numbers and text; a market file in the run folder goes by its name there."""
    document = as_document(config)
    if not config.any_size and Path(config.scenario).parent == run / MARKET_FOLDER:
        document["scenario"] = f"{MARKET_FOLDER}/{Path(config.scenario).name}"
    return document


def read_config(run: Path) -> Config:
    """The configuration of a run folder.

    Raises:
        FileNotFoundError: the folder is not a run.
        ValueError: the file is damaged or from another version.
    """
    document = read_json(run / CONFIG_FILE)
    try:
        entries = dict(document)
        if entries.get("policy") == SetConfig.policy:
            return set_config_of(entries)
        kind = _SIDES[entries.pop("side", "leaders")]
        entries["hidden"] = tuple(entries["hidden"])
        if str(entries.get("scenario")).startswith(f"{MARKET_FOLDER}/"):
            entries["scenario"] = str(run / entries["scenario"])
        if "follower_hidden" in entries:
            entries["follower_hidden"] = tuple(entries["follower_hidden"])
        return kind(**entries)
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{run / CONFIG_FILE}: not the configuration of a run: {error}") from None
