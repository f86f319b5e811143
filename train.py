"""Train an edge market for generated content, and measure how far it is from equilibrium.

Mobile users (leaders) post rewards, providers (followers) allocate. The market of a preset (or file) stays, its links
fade from slot to slot. All agents of a side learn at once, with shared parameters, by PPO or SAC. Which sides learn:
    python train.py                               # both, against each other; campus, some minutes
    python train.py --train leaders               # mobile users, providers responding exactly
    python train.py --train followers             # providers, on rewards near equilibrium and far from it
    python train.py --train leaders --algorithm sac --transitions 600000
    python train.py --preset quick                # less than a minute, to see it work
    python train.py --scenario town --seed 1
    python train.py --seeds 0..9                  # ten runs, as many at once as there are cores
    python train.py --seeds 0..9 --workers ray    # on a cluster; see docs/cluster.md
    python train.py --sweep learning_rate=1e-3,3e-4 batch_size=2048,4096 --seeds 0..2  # twelve runs
    python train.py --resume                      # go on with the run that was interrupted
    tensorboard --logdir runs

One network for every market, whatever its size: fresh markets in every update, regret in held-out ones at the end.
    python train.py --policy set                  # leaders, on their exact first-order conditions
    python train.py --policy set --algorithm ppo  # the same network, from rewards alone
    python train.py --policy set --train followers
    python train.py --policy set --sizes 3x2..12x6 --loads 0.5 2

The run folder holds the policies, TensorBoard events, metrics and figures; python evaluate.py RUN measures it again.
"""

import operator
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape

from aigc_market_env._name_clash import end_on_name_clash

if __name__ == "__main__":
    end_on_name_clash("agents", "experiments", beside=__file__)

from agents.config import (
    ALGORITHMS,
    Config,
    FixedMarketConfig,
    FollowerConfig,
    JointConfig,
    LeaderConfig,
    begin_run,
    lengthen_run,
    read_config,
)
from agents.evaluation.plays import plays_of
from agents.evaluation.sets import SetEvaluation
from agents.market_draws import MarketDistribution, sizes_called
from agents.reports.set_table import set_table
from agents.reports.tables import evaluation_table
from agents.runs import CONFIG_FILE, find_run, latest_run_folder, new_run_folder
from agents.set_config import EquilibriumConfig, SetConfig, SetPPOConfig
from agents.sweeps.grid import combination_name, combinations, grid_table, with_values
from agents.sweeps.sweep import SweepRun, Values, begin, seeds_called, seeds_table, train_runs
from agents.sweeps.whole_run import train_whole
from aigc_market_env import Market
from aigc_market_env.files import FolderTakenError, readable, writing
from experiments.command import run_command
from experiments.places import check_folder, folder
from experiments.workers import Workers, executor

#: What is said of each choice of sides.
LEARN = {
    "both": "Mobile users and providers learn, each against the other,",
    "leaders": "Mobile users learn, providers respond exactly,",
    "followers": "Providers learn",
}
#: The same for set policies.
SET_LEARN = {
    "leaders": "One network for all mobile users learns, providers respond exactly,",
    "followers": "One network for all providers learns",
}

#: The market unless another is asked for.
SCENARIO = "campus"
#: Options of one kind of policy only.
KIND_OPTIONS = {"set": ("sizes", "loads", "updates"), "mlp": ("transitions", "load", "market_seed")}
#: How long to train, for each choice of sides.
PRESETS: dict[str, dict[str, FixedMarketConfig]] = {
    "both": {
        "quick": JointConfig(transitions=400_000, final_evaluation_slots=128),
        "default": JointConfig(),
        "long": JointConfig(transitions=14_000_000),
    },
    "leaders": {
        "quick": LeaderConfig(transitions=320_000, final_evaluation_slots=128),
        "default": LeaderConfig(),
        "long": LeaderConfig(transitions=8_000_000),
    },
    "followers": {
        "quick": FollowerConfig(transitions=320_000, final_evaluation_slots=128),
        "default": FollowerConfig(),
        "long": FollowerConfig(transitions=8_000_000),
    },
}

#: What a quick run of a set policy is measured on.
QUICK: dict[str, Any] = {"final_evaluation_markets": 8, "larger_sizes": ((12, 6), (20, 5))}
#: The same for set policies, by algorithm.
SET_PRESETS: dict[str, dict[str, SetConfig]] = {
    "equilibrium": {
        "quick": EquilibriumConfig(updates=300, **QUICK),
        "default": EquilibriumConfig(),
        "long": EquilibriumConfig(updates=16_000),
    },
    "ppo": {
        "quick": SetPPOConfig(updates=60, **QUICK),
        "default": SetPPOConfig(),
        "long": SetPPOConfig(updates=3000),
    },
}


@dataclass(frozen=True)
class Arguments:
    """Train the two sides of an edge market.

    Attributes:
        train: Who learns. both: mobile users and providers, each against the other as it is then; the default, except
            for set policies. leaders: mobile users, with providers at their exact best response; the default of set
            policies. followers: providers, on rewards from a mixture.
        policy: What learns. mlp: a network for one market of one size; the default. set: one network for markets of any
            size, which sees the whole market and does not care in what order mobile users and providers are listed.
        algorithm: How. ppo: from rewards alone, of what it has just played; the default, except for set policies. sac
            (mlp only): likewise, but from the latest 200,000 transitions, by way of a critic; mobile users get near
            equilibrium from fewer transitions, though on campus neither side got as near as with ppo. equilibrium (set
            only): on exact conditions of optimality, without sampled returns; the default of set policies.
        preset: How long to train: less than a minute, a few minutes (the default), or a quarter of an hour.
        scenario: A preset (duo, campus, town, random) or a market file (JSON); campus, unless given.
        load: Demand against capacity of a preset, by default 1; 2 halves the capacities. Set policies have --loads
            instead.
        market_seed: Which market of the preset, by default 0; a set policy learns from them all.
        sizes: Least and largest numbers of mobile users and of providers that a set policy learns from; by default
            4x2..10x5.
        loads: Range of loads that a set policy learns from, evenly in the logarithm; by default 0.3 3.
        seed: Seed of the learner and of the channels, by default 0. The same seed gives the same weights.
        seeds: Seeds of several runs instead of one, with a table of their regrets at the end.
        sweep: Values of the configuration's fields (those of config.json in a run folder), each combination of which is
            trained with every seed, with a table of their regrets at the end: learning_rate=1e-3,3e-4
            hidden=64x64,128x128.
        workers: Processes that the runs of --seeds and --sweep share; 0 takes all cores, ray a cluster of machines. The
            weights do not depend on it.
        transitions: Slots times learning agents to train for, instead of the preset's; a tenth needs about a tenth of
            the time.
        updates: The same for a set policy: how often fresh markets are drawn and learned from.
        out: Run folder; by default runs/SCENARIO-seedSEED for both sides, runs/SCENARIO-SIDE-seedSEED for one, with
            -sac before the seed when that learns, and runs/SCENARIO-set-SIDE-ALGORITHM-seedSEED for a set policy; with
            a number appended when that exists. With --seeds, their runs are DIR/seed0, DIR/seed1, …; with --sweep, they
            are DIR/FIELD=VALUE,FIELD=VALUE/seed0, …, and -FIELD=VALUE,FIELD=VALUE stands before the seed of default
            names.
        resume: Go on from the checkpoint of the run in --out (or of the latest run of this scenario, seed, --train,
            --policy and --algorithm). The run's own configuration counts, options need not be given again. More
            --transitions or --updates than it has lengthen it, also when it has ended: from there on the learning rate
            is what it would be had the run been so long from the beginning. With --seeds or --sweep, what is not there
            yet is begun.
    """

    train: Annotated[
        Literal["both", "leaders", "followers"] | None,
        tyro.conf.arg(help_behavior_hint="", metavar="both|leaders|followers"),
    ] = None
    policy: Annotated[Literal["mlp", "set"] | None, tyro.conf.arg(help_behavior_hint="", metavar="mlp|set")] = None
    algorithm: Annotated[
        Literal["ppo", "sac", "equilibrium"] | None,
        tyro.conf.arg(help_behavior_hint="", metavar="ppo|sac|equilibrium"),
    ] = None
    preset: Annotated[
        Literal["quick", "default", "long"] | None,
        tyro.conf.arg(help_behavior_hint="", metavar="quick|default|long"),
    ] = None
    scenario: Annotated[str | None, tyro.conf.arg(help_behavior_hint="", metavar="STR")] = None
    load: Annotated[float | None, tyro.conf.arg(help_behavior_hint="", metavar="FLOAT")] = None
    market_seed: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    sizes: Annotated[str | None, tyro.conf.arg(help_behavior_hint="", metavar="MxN..MxN")] = None
    loads: Annotated[tuple[float, float] | None, tyro.conf.arg(help_behavior_hint="", metavar="LEAST MOST")] = None
    seed: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    seeds: Annotated[str | None, tyro.conf.arg(help_behavior_hint="", metavar="A..B")] = None
    sweep: Annotated[
        tuple[str, ...] | None, tyro.conf.arg(help_behavior_hint="", metavar="FIELD=VALUE,VALUE... [FIELD=...]")
    ] = None
    workers: Annotated[Workers, tyro.conf.arg(metavar="INT|ray")] = 0
    transitions: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    updates: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    out: Annotated[Path | None, folder("--out"), tyro.conf.arg(help_behavior_hint="", metavar="DIR")] = None
    resume: bool = False

    @property
    def side(self) -> Literal["both", "leaders", "followers"]:
        """Who learns."""
        return self.train or ("leaders" if self.policy == "set" else "both")

    def run_name(self, values: Values) -> str:
        """What the run of a combination of swept values is called by default."""
        kind = f"-set-{self.side}-{self.algorithm or 'equilibrium'}"
        if self.policy != "set":
            kind = ("" if self.side == "both" else f"-{self.side}") + ("-sac" if self.algorithm == "sac" else "")
        swept = f"-{combination_name(values)}" if values else ""
        return f"{Path(self.scenario or SCENARIO).stem}{kind}{swept}-seed{self.seed or 0}"

    def combinations(self) -> list[Values]:
        """Every combination of the values of --sweep; a single empty one without it.

        Raises:
            ValueError: --sweep is not understood, or names what another option has been given for.
        """
        if self.sweep is None:
            return [{}]
        if not self.sweep:
            raise ValueError("--sweep names no field; give some, as in --sweep learning_rate=1e-3,3e-4")
        found = combinations(self.sweep, self.config())
        for option in fields(self):
            if option.name in found[0] and getattr(self, option.name) != option.default:
                name = option.name.replace("_", "-")
                raise ValueError(f"--{name} is of all runs, --sweep {option.name} of some; give one of them")
        return found

    def config(self) -> Config:
        """The configuration asked for.

        Raises:
            ValueError: an option is out of range, or of the other kind of policy.
        """
        self.check_kind(self.policy or "mlp")
        return self._set_config() if self.policy == "set" else self._fixed_market_config()

    def check_kind(self, policy: Literal["mlp", "set"]) -> None:
        """Make sure that no option of the other kind of policy is given.

        Raises:
            ValueError: one is.
        """
        for kind, options in KIND_OPTIONS.items():
            for option in options if kind != policy else ():
                if getattr(self, option) is not None:
                    name = option.replace("_", "-")
                    raise ValueError(f"--{name} is an option of --policy {kind}; this is --policy {policy}")

    def _fixed_market_config(self) -> FixedMarketConfig:
        algorithm = self.algorithm or "ppo"
        if algorithm not in ALGORITHMS:
            raise ValueError(f"--algorithm {algorithm} trains --policy set; --policy mlp learns by ppo or sac")
        config = replace(
            PRESETS[self.side][self.preset or "default"],
            algorithm=algorithm,
            **ALGORITHMS[algorithm],
            scenario=self.scenario or SCENARIO,
            load=1.0 if self.load is None else self.load,
            market_seed=self.market_seed or 0,
            seed=self.seed or 0,
        )
        return config if self.transitions is None else replace(config, transitions=self.transitions)

    def _set_config(self) -> SetConfig:
        if self.side == "both":
            raise ValueError("--policy set learns one side at a time; choose --train leaders or --train followers")
        markets = MarketDistribution(preset=self.scenario or SCENARIO)
        if self.sizes is not None:
            num_mus, num_asps = sizes_called(self.sizes)
            markets = replace(markets, num_mus=num_mus, num_asps=num_asps)
        if self.loads is not None:
            markets = replace(markets, loads=self.loads)
        algorithm = self.algorithm or "equilibrium"
        if algorithm not in SET_PRESETS:
            raise ValueError(f"--algorithm {algorithm} trains --policy mlp; --policy set learns by equilibrium or ppo")
        usual = SET_PRESETS[algorithm][self.preset or "default"]
        config = replace(usual, side=self.side, markets=markets, seed=self.seed or 0)
        return config if self.updates is None else replace(config, updates=self.updates)


def begun_run(arguments: Arguments) -> tuple[Config, Path]:
    """Begin a run: what to train, and where.

    Raises:
        ValueError: an option is out of range, or there is a run in --out.
    """
    config, out = new_run(arguments, {})
    while True:
        try:
            begin_run(config, out)
        except FolderTakenError:  # perhaps by another command, since the name was chosen
            if arguments.out is not None:
                raise
            out = new_run_folder(arguments.run_name({}))
        else:
            return config, out


def new_run(arguments: Arguments, values: Values) -> tuple[Config, Path]:
    """What to train, and where, of a run that is still to be begun.

    Args:
        arguments: of the command.
        values: of fields that are swept.

    Raises:
        ValueError: an option is out of range.
    """
    config = with_values(arguments.config(), values)
    if not isinstance(config, SetConfig):
        config.make_scenario()  # that a wrong one is told before anything is written
    out = arguments.out or new_run_folder(arguments.run_name(values))
    check_folder(out)
    if readable(out) != str(out):
        raise ValueError(
            f"--out {out}: TensorBoard takes names in UTF-8 only; name another folder, or set PYTHONUTF8=1"
        )
    return config, out


def main(arguments: Arguments, console: Console) -> int:
    """Run one training, or those of several seeds or of a sweep; the exit status."""
    if arguments.seeds is not None or arguments.sweep is not None:
        return main_sweep(arguments, console)
    if arguments.workers != 0:
        raise ValueError("--workers is where runs of --seeds and --sweep are trained; this is one run")
    if not arguments.resume:
        config, out = begun_run(arguments)
        with writing(out):
            return train_and_tell(config, out, arguments, console)
    out = arguments.out or latest_run_folder(arguments.run_name({}))
    if not (out / CONFIG_FILE).is_file():
        raise FileNotFoundError(f"--out {out}: no run to resume, which would have a {CONFIG_FILE}; name its folder")
    check_folder(out)
    with writing(out):
        of_run = read_config(out)
        config = asked_of_run(arguments, of_run, out, {})
        if config != of_run:
            lengthen_run(config, out)
        return train_and_tell(config, out, arguments, console)


def train_and_tell(config: Config, out: Path, arguments: Arguments, console: Console) -> int:
    """Train a run that has begun, and tell what became of it; the exit status."""
    folder = shlex.quote(str(out))
    tell(config, str(out), folder, console)
    try:
        trained = train_whole(config, out, resume=arguments.resume)
    except KeyboardInterrupt:
        console.print(f"Stopped. Go on with: python train.py --resume --out {folder}", markup=False, soft_wrap=True)
        return 130
    result, metrics, summary = trained.result, trained.metrics, trained.result.summary()
    if isinstance(result, SetEvaluation):
        table = set_table(result, escape(f"{summary['markets']} held-out markets; trained on {config.scenario}"))
    else:
        title = escape(f"{config.scenario}: {summary['slots']} evaluation slots")
        table = evaluation_table(result, plays_of(result), title)
    console.print(table)
    console.print(f"{metrics['transitions']:,} transitions in {metrics['wall_seconds']:.0f} s")
    console.print(f"Figures: {', '.join(path.name for path in trained.figures)} in {out}", markup=False)
    return 0


def main_sweep(arguments: Arguments, console: Console) -> int:
    """Run a training of every combination and seed; the exit status is 1 when one failed."""
    execute, runs = executor(arguments.workers), begun_sweep(arguments)
    folder = os.path.commonpath([run.out.parent for run in runs])
    tell(runs[0].config, f"{len(runs)} runs, {runs[0].out} to {runs[-1].out}", shlex.quote(folder), console)
    try:
        done = train_runs(runs, execute, console)
    except KeyboardInterrupt:
        console.print("Stopped. Go on with the same command and --resume", markup=False)
        return 130
    table = grid_table if arguments.sweep else seeds_table
    console.print(table(runs, done, escape(f"{runs[0].config.scenario}: {len(runs)} runs, evaluation slots")))
    return 1 if any(result.error for result in done) else 0


def begun_sweep(arguments: Arguments) -> list[SweepRun]:
    """Begin what is still to be begun of several runs; all of them.

    Raises:
        ValueError: as of :func:`sweep_runs` and :func:`~agents.sweeps.sweep.begin`.
    """
    while True:
        runs = sweep_runs(arguments)
        try:
            begin(runs, resume=arguments.resume)
        except FolderTakenError:  # perhaps by another command, since the names were chosen
            if arguments.out is not None or arguments.resume:
                raise
        else:
            return runs


def sweep_runs(arguments: Arguments) -> list[SweepRun]:
    """What to train of several runs, and where: every combination of --sweep with each of --seeds.

    With --resume, runs that are there are as they were begun, and the others like them but for their seeds and values.

    Raises:
        ValueError: the seeds or the sweep are not understood, an option is out of range or contradicts a run, or there
            is none to resume.
    """
    if arguments.seeds is not None and arguments.seed is not None:
        raise ValueError("--seed is of one run, --seeds are of several; give one of them")
    seeds = [arguments.seed or 0] if arguments.seeds is None else seeds_called(arguments.seeds)
    if arguments.out is not None and not arguments.resume:
        check_folder(arguments.out)
    asked: list[tuple[Arguments, Values]] = []
    for values in arguments.combinations():
        for seed in seeds:
            out = None if arguments.out is None else arguments.out / combination_name(values) / f"seed{seed}"
            asked.append((replace(arguments, seed=seed, out=out), values))
    if arguments.resume:
        return resumed_runs(asked, arguments.out)
    return [SweepRun(*new_run(one, values), values) for one, values in asked]


def resumed_runs(asked: Sequence[tuple[Arguments, Values]], folder: Path | None) -> list[SweepRun]:
    """The runs of a sweep that goes on; see :func:`sweep_runs`."""
    found: list[SweepRun | None] = []
    for one, values in asked:
        out = find_run(one.run_name(values)) if one.out is None else one.out
        if out is None or not (out / CONFIG_FILE).exists():
            found.append(None)
        else:
            found.append(SweepRun(asked_of_run(one, read_config(out), out, values), out, values))
    begun = next((run for run in found if run is not None), None)
    if begun is None:
        one, values = asked[0]
        place = one.out or Path("runs") / one.run_name(values)
        where = "" if folder is None else f"--out {folder}: "
        raise ValueError(f"{where}no run to resume, such as {place}; leave out --resume to begin them all")
    runs = []
    for run, (one, values) in zip(found, asked, strict=True):
        config = with_values(replace(begun.config, seed=one.seed or 0), values)
        runs.append(run or SweepRun(config, one.out or new_run_folder(one.run_name(values)), values))
    return runs


def asked_of_run(arguments: Arguments, config: Config, out: Path, values: Values) -> Config:
    """The configuration of a run that goes on: its own, and longer if that is asked for.

    Args:
        arguments: of the command.
        config: of the run.
        out: its folder.
        values: that are swept, which is not for other options to say.

    Raises:
        ValueError: an option contradicts the run, or would make it shorter.
    """
    policy: Literal["mlp", "set"] = "set" if isinstance(config, SetConfig) else "mlp"
    length = "updates" if isinstance(config, SetConfig) else "transitions"

    def told(option: str, asked: Any, of_run: Any) -> ValueError:
        return ValueError(f"{option} {asked}: {out} is a run with {of_run}, and goes on as such; leave the option out")

    if arguments.policy not in (None, policy):
        raise told("--policy", arguments.policy, f"--policy {policy}")
    arguments.check_kind(policy)
    for name, of_run in options_of(config).items():
        asked = getattr(arguments, name)
        alike: Callable[[Any, Any], bool] = ALIKE.get(name, operator.eq)
        if asked is not None and not alike(asked, of_run):
            raise told(f"--{name.replace('_', '-')}", shown_option(asked), shown_option(of_run))
    new_length, before = getattr(arguments, length), getattr(config, length)
    for name, asked in preset_fields(arguments.preset, config).items():
        if name not in values and asked != getattr(config, name) and not (name == length and new_length is not None):
            raise told(f"--preset {arguments.preset}, which is {name} =", asked, f"{name} = {getattr(config, name)}")
    if new_length is None:
        return config
    if new_length < before:
        raise ValueError(f"--{length} {new_length}: {out} is a run of {before}; it can become longer, not shorter")
    return replace(config, **{length: new_length})


def options_of(config: Config) -> dict[str, Any]:
    """The options with which a run would be begun, but for those that say how long it is."""
    found: dict[str, Any] = {"train": config.side, "algorithm": config.algorithm, "seed": config.seed}
    if not isinstance(config, SetConfig):
        return found | {name: getattr(config, name) for name in ("scenario", "load", "market_seed")}
    markets = config.markets
    return found | {
        "scenario": markets.preset,
        "sizes": "..".join(f"{mus}x{asps}" for mus, asps in zip(markets.num_mus, markets.num_asps, strict=True)),
        "loads": markets.loads,
    }


def preset_fields(preset: str | None, config: Config) -> dict[str, Any]:
    """What a preset says that the other presets of such a run say otherwise."""
    if preset is None:
        return {}
    family = SET_PRESETS[config.algorithm] if isinstance(config, SetConfig) else PRESETS[config.side]
    values = {field.name: [getattr(one, field.name) for one in family.values()] for field in fields(family[preset])}
    return {name: getattr(family[preset], name) for name, said in values.items() if any(v != said[0] for v in said)}


def same_market(asked: str, of_run: str) -> bool:
    """Whether it is the preset of a run, or the market file that it has its copy of; one that is gone, by its name."""
    if asked == of_run or not Path(of_run).is_file():
        return asked == of_run
    if not Path(asked).is_file():
        return Path(asked).name == Path(of_run).name
    return Market.from_json(asked) == Market.from_json(of_run)


#: Options whose values may be written in several ways, and whether two of them mean the same.
ALIKE: dict[str, Callable[[str, str], bool]] = {
    "scenario": same_market,
    "sizes": lambda asked, of_run: sizes_called(asked) == sizes_called(of_run),
}


def shown_option(value: Any) -> str:
    """The value of an option as it is typed."""
    return " ".join(f"{end:g}" for end in value) if isinstance(value, tuple) else str(value)


def tell(config: Config, out: str, folder: str, console: Console) -> None:
    """Say what is about to be trained, and where to look."""
    learn = SET_LEARN[config.side] if isinstance(config, SetConfig) else LEARN[config.side]
    console.print(f"{learn} on {config.scenario}, into {out}", markup=False)
    console.print(f"Curves: tensorboard --logdir {folder}", markup=False)
    console.print("The first use on a machine compiles the market, which takes up to a minute.", style="dim")


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
