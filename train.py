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

import os
import shlex
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape

from agents.command import run_command
from agents.config import ALGORITHMS, Config, FixedMarketConfig, FollowerConfig, JointConfig, LeaderConfig, read_config
from agents.grid import combination_name, combinations, grid_table, with_values
from agents.market_draws import MarketDistribution, sizes_called
from agents.plays import plays_of
from agents.report import evaluation_table
from agents.runs import CONFIG_FILE, latest_run_folder, new_run_folder
from agents.set_config import EquilibriumConfig, SetConfig, SetPPOConfig
from agents.set_evaluation import SetEvaluation
from agents.set_report import set_table
from agents.sweep import SweepRun, Values, begin, seeds_called, seeds_table, train_runs
from agents.whole_run import train_whole
from baselines.study.workers import Workers, executor

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

#: How long to train, for each choice of sides.
PRESETS: dict[str, dict[str, FixedMarketConfig]] = {
    "both": {
        "quick": JointConfig(transitions=400_000, evaluate_every=100_000, final_evaluation_slots=128),
        "default": JointConfig(),
        "long": JointConfig(transitions=14_000_000, evaluate_every=1_000_000),
    },
    "leaders": {
        "quick": LeaderConfig(transitions=200_000, evaluate_every=50_000, final_evaluation_slots=128),
        "default": LeaderConfig(),
        "long": LeaderConfig(transitions=8_000_000, evaluate_every=500_000),
    },
    "followers": {
        "quick": FollowerConfig(transitions=200_000, evaluate_every=50_000, final_evaluation_slots=128),
        "default": FollowerConfig(),
        "long": FollowerConfig(transitions=8_000_000, evaluate_every=500_000),
    },
}

#: What a quick run of a set policy is measured on.
QUICK: dict[str, Any] = {"final_evaluation_markets": 8, "larger_sizes": ((12, 6), (20, 5))}
#: The same for set policies, by algorithm.
SET_PRESETS: dict[str, dict[str, SetConfig]] = {
    "equilibrium": {
        "quick": EquilibriumConfig(updates=300, evaluate_every=100, **QUICK),
        "default": EquilibriumConfig(),
        "long": EquilibriumConfig(updates=16_000, evaluate_every=1600),
    },
    "ppo": {
        "quick": SetPPOConfig(updates=60, evaluate_every=20, **QUICK),
        "default": SetPPOConfig(),
        "long": SetPPOConfig(updates=3000, evaluate_every=300),
    },
}


@dataclass(frozen=True)
class Arguments:
    """Train the two sides of an edge market.

    Attributes:
        train: Who learns. both: mobile users and providers, each against the other as it is then; the default, except
            for set policies. leaders: mobile users, with providers at their exact best response; the default of set
            policies. followers: providers, on rewards from a mixture.
        policy: What learns. mlp: a network for one market of one size. set: one network for markets of any size, which
            sees the whole market and does not care in what order mobile users and providers are listed.
        algorithm: How. ppo: from rewards alone, of what it has just played; the default, except for set policies. sac
            (mlp only): likewise, but from the latest 200,000 transitions, by way of a critic; mobile users get near
            equilibrium from fewer transitions, though on campus neither side got as near as with ppo. equilibrium (set
            only): on exact conditions of optimality, without sampled returns; the default of set policies.
        preset: How long to train: less than a minute, a few minutes, or a quarter of an hour.
        scenario: A preset (duo, campus, town, random) or a market file (JSON).
        load: Demand against capacity of a preset; 2 halves the capacities. Set policies have --loads instead.
        market_seed: Which market of the preset; a set policy learns from them all.
        sizes: Least and largest numbers of mobile users and of providers that a set policy learns from; by default
            4x2..10x5.
        loads: Range of loads that a set policy learns from, evenly in the logarithm; by default 0.3 3.
        seed: Seed of the learner and of the channels. The same seed gives the same weights.
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
            --policy and --algorithm). The run's own configuration counts; options that say what to train are not looked
            at.
    """

    train: Annotated[
        Literal["both", "leaders", "followers"] | None,
        tyro.conf.arg(help_behavior_hint="", metavar="both|leaders|followers"),
    ] = None
    policy: Literal["mlp", "set"] = "mlp"
    algorithm: Annotated[
        Literal["ppo", "sac", "equilibrium"] | None,
        tyro.conf.arg(help_behavior_hint="", metavar="ppo|sac|equilibrium"),
    ] = None
    preset: Literal["quick", "default", "long"] = "default"
    scenario: str = "campus"
    load: float = 1.0
    market_seed: int = 0
    sizes: Annotated[str | None, tyro.conf.arg(help_behavior_hint="", metavar="MxN..MxN")] = None
    loads: Annotated[tuple[float, float] | None, tyro.conf.arg(help_behavior_hint="", metavar="LEAST MOST")] = None
    seed: int = 0
    seeds: Annotated[str | None, tyro.conf.arg(help_behavior_hint="", metavar="A..B")] = None
    sweep: Annotated[
        tuple[str, ...] | None, tyro.conf.arg(help_behavior_hint="", metavar="FIELD=VALUE,VALUE... [FIELD=...]")
    ] = None
    workers: Annotated[Workers, tyro.conf.arg(metavar="INT|ray")] = 0
    transitions: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    updates: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    out: Annotated[Path | None, tyro.conf.arg(help_behavior_hint="", metavar="DIR")] = None
    resume: bool = False

    @property
    def side(self) -> Literal["both", "leaders", "followers"]:
        """Who learns."""
        return self.train or ("both" if self.policy == "mlp" else "leaders")

    def run_name(self, values: Values) -> str:
        """What the run of a combination of swept values is called by default."""
        kind = f"-set-{self.side}-{self.algorithm or 'equilibrium'}"
        if self.policy == "mlp":
            kind = ("" if self.side == "both" else f"-{self.side}") + ("-sac" if self.algorithm == "sac" else "")
        swept = f"-{combination_name(values)}" if values else ""
        return f"{Path(self.scenario).stem}{kind}{swept}-seed{self.seed}"

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
        for option, value, policy in (
            ("sizes", self.sizes, "set"),
            ("loads", self.loads, "set"),
            ("updates", self.updates, "set"),
            ("transitions", self.transitions, "mlp"),
            ("load", None if self.load == 1.0 else self.load, "mlp"),
            ("market-seed", self.market_seed or None, "mlp"),
        ):
            if value is not None and policy != self.policy:
                raise ValueError(f"--{option} is an option of --policy {policy}; this is --policy {self.policy}")
        return self._set_config() if self.policy == "set" else self._fixed_market_config()

    def _fixed_market_config(self) -> FixedMarketConfig:
        algorithm = self.algorithm or "ppo"
        if algorithm not in ALGORITHMS:
            raise ValueError(f"--algorithm {algorithm} trains --policy set; --policy mlp learns by ppo or sac")
        config = replace(
            PRESETS[self.side][self.preset],
            algorithm=algorithm,
            **ALGORITHMS[algorithm],
            scenario=self.scenario,
            load=self.load,
            market_seed=self.market_seed,
            seed=self.seed,
        )
        return config if self.transitions is None else replace(config, transitions=self.transitions)

    def _set_config(self) -> SetConfig:
        if self.side == "both":
            raise ValueError("--policy set learns one side at a time; choose --train leaders or --train followers")
        markets = MarketDistribution(preset=self.scenario)
        if self.sizes is not None:
            num_mus, num_asps = sizes_called(self.sizes)
            markets = replace(markets, num_mus=num_mus, num_asps=num_asps)
        if self.loads is not None:
            markets = replace(markets, loads=self.loads)
        algorithm = self.algorithm or "equilibrium"
        if algorithm not in SET_PRESETS:
            raise ValueError(f"--algorithm {algorithm} trains --policy mlp; --policy set learns by equilibrium or ppo")
        usual = SET_PRESETS[algorithm][self.preset]
        config = replace(usual, side=self.side, markets=markets, seed=self.seed)
        return config if self.updates is None else replace(config, updates=self.updates)


def run_folder(arguments: Arguments, values: Values) -> tuple[Config, Path]:
    """What to train, and where.

    Args:
        arguments: of the command.
        values: of fields that are swept.

    Raises:
        ValueError: an option is out of range, there is no run to resume, or one where a new one should be.
        FileNotFoundError: the folder to resume is not a run.
    """
    if arguments.resume:
        out = arguments.out or latest_run_folder(arguments.run_name(values))
        return read_config(out), out
    out = arguments.out or new_run_folder(arguments.run_name(values))
    if (out / CONFIG_FILE).exists():
        raise ValueError(f"{out} already holds a run; add --resume to go on with it, or choose another --out")
    config = with_values(arguments.config(), values)
    if not isinstance(config, SetConfig):
        config.make_scenario()  # that a wrong one is told before anything else is
    return config, out


def main(arguments: Arguments, console: Console) -> int:
    """Run one training, or those of several seeds or of a sweep; the exit status."""
    if arguments.seeds is not None or arguments.sweep is not None:
        return main_sweep(arguments, console)
    if arguments.workers != 0:
        raise ValueError("--workers is where runs of --seeds and --sweep are trained; this is one run")
    config, out = run_folder(arguments, {})
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
    execute, runs = executor(arguments.workers), sweep_runs(arguments)
    begin(runs)
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


def sweep_runs(arguments: Arguments) -> list[SweepRun]:
    """What to train of several runs, and where: every combination of --sweep with each of --seeds.

    Raises:
        ValueError: as of :func:`run_folder`, or the seeds or the sweep are not understood.
        FileNotFoundError: a folder to resume is not a run.
    """
    if arguments.seeds is not None and arguments.seed != 0:
        raise ValueError("--seed is of one run, --seeds are of several; give one of them")
    seeds = [arguments.seed] if arguments.seeds is None else seeds_called(arguments.seeds)
    runs = []
    for values in arguments.combinations():
        for seed in seeds:
            out = None if arguments.out is None else arguments.out / combination_name(values) / f"seed{seed}"
            runs.append(SweepRun(*run_folder(replace(arguments, seed=seed, out=out), values), values))
    return runs


def tell(config: Config, out: str, folder: str, console: Console) -> None:
    """Say what is about to be trained, and where to look."""
    learn = SET_LEARN[config.side] if isinstance(config, SetConfig) else LEARN[config.side]
    console.print(f"{learn} on {config.scenario}, into {out}", markup=False)
    console.print(f"Curves: tensorboard --logdir {folder}", markup=False)
    console.print("The first use on a machine compiles the market, which takes up to a minute.", style="dim")


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
