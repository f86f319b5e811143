"""Train an edge market for generated content, and measure how far it is from equilibrium.

Mobile users (leaders) post rewards, providers (followers) allocate. The market of a preset (or file) stays, its links
fade from slot to slot. All agents of a side learn at once, with shared parameters, by PPO or SAC. Which sides learn:
    python train.py                               # both, against each other; campus, some minutes
    python train.py --train leaders               # mobile users, providers responding exactly
    python train.py --train followers             # providers, on rewards near equilibrium and far from it
    python train.py --train leaders --algorithm sac --transitions 600000
    python train.py --preset quick                # less than a minute, to see it work
    python train.py --scenario town --seed 1
    python train.py --scenario mine.py:scenario   # a Scenario of your own; this executes the file
    python train.py --learning-rate 3e-4 --hidden 64 64  # any field of the configuration: --help lists them
    python train.py --config runs/campus-seed0/config.json --seed 1  # as another run, but for the seed
    python train.py --seeds 0..9                  # ten runs, as many at once as there are cores
    python train.py --seeds 0..9 --workers ray    # on a cluster; see docs/cluster.md
    python train.py --sweep learning_rate=1e-3,3e-4 batch_size=2048,4096 --seeds 0..2  # twelve runs
    python train.py --resume                      # go on with the run that was interrupted
    tensorboard --logdir runs

One network for every market, whatever its size: fresh markets in every update, regret in held-out ones at the end.
    python train.py --policy set                  # leaders, on their exact first-order conditions
    python train.py --policy set --algorithm ppo  # the same network, from rewards alone
    python train.py --policy set --train followers
    python train.py --policy set --scenario prepaid  # mobile users with wallets, from the oracle's levels
    python train.py --policy set --num-mus 3 12 --num-asps 2 6 --loads 0.5 2

The run folder holds the policies, TensorBoard events, metrics and figures; python evaluate.py RUN measures it again.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from aigc_market_env._name_clash import end_on_name_clash

if __name__ == "__main__":
    end_on_name_clash("agents", "experiments", beside=__file__)

from agents.config import Config
from agents.run_folder import lengthen_run, read_config
from agents.runs import CONFIG_FILE, latest_run_folder
from agents.sweeps.arguments import Arguments, parse
from agents.sweeps.grid import grid_table
from agents.sweeps.plan import begun_run, begun_sweep
from agents.sweeps.resume import asked_of_run
from agents.sweeps.sweep import seeds_table, train_runs
from agents.sweeps.whole_run import train_whole
from aigc_market_env.files import writing
from experiments.command import run_parsed
from experiments.places import check_folder
from experiments.whole_parts import say
from experiments.workers import executor


def main(arguments: Arguments, console: Console) -> int:
    """Run one training, or those of several seeds or of a sweep; the exit status."""
    options = arguments.runs
    if options.seeds is not None or options.sweep is not None:
        return main_sweep(arguments, console)
    if options.workers != 0:
        raise ValueError("--workers is where runs of --seeds and --sweep are trained; this is one run")
    if not options.resume:
        config, out = begun_run(arguments)
        with writing(out):
            return train_and_tell(config, out, console)
    out = options.out or latest_run_folder(arguments.config.run_name())
    if not os.path.isfile(out / CONFIG_FILE):
        raise FileNotFoundError(f"--out {out}: no run to resume, which would have a {CONFIG_FILE}; name its folder")
    check_folder(out)
    with writing(out):
        of_run = read_config(out)
        config = asked_of_run(arguments, of_run, out, {})
        if config != of_run:
            lengthen_run(config, out)
        return train_and_tell(config, out, console, resume=True)


def train_and_tell(config: Config, out: Path, console: Console, *, resume: bool = False) -> int:
    """Train a run that has begun, and tell what became of it; the exit status."""
    folder = shlex.quote(str(out))
    tell(config, str(out), folder, console)
    try:
        trained = train_whole(config, out, resume=resume)
    except KeyboardInterrupt:
        say(console, f"Stopped. Go on with: python train.py --resume --out {folder}")
        return 130
    console.print(trained.table)
    say(console, told_length(config, trained.metrics))
    say(console, f"Figures: {', '.join(path.name for path in trained.figures)} in {out}")
    return 0


def main_sweep(arguments: Arguments, console: Console) -> int:
    """Run a training of every combination and seed; the exit status is 1 when one failed."""
    execute, runs = executor(arguments.runs.workers), begun_sweep(arguments)
    folder = os.path.commonpath([run.out.parent for run in runs])
    tell(runs[0].config, f"{len(runs)} runs, {runs[0].out} to {runs[-1].out}", shlex.quote(folder), console)
    try:
        done = train_runs(runs, execute, console)
    except KeyboardInterrupt:
        say(console, "Stopped. Go on with the same command and --resume")
        return 130
    table = grid_table if arguments.runs.sweep else seeds_table
    console.print(table(runs, done, escape(f"{runs[0].config.scenario_name}: {len(runs)} runs, evaluation slots")))
    return 1 if any(result.error for result in done) else 0


def tell(config: Config, out: str, folder: str, console: Console) -> None:
    """Say what is about to be trained, and where to look."""
    say(console, f"{config.described}, into {out}")
    say(console, f"Curves: tensorboard --logdir {folder}")


def told_length(config: Config, metrics: Mapping[str, Any]) -> str:
    """How long a run was, and why it is not what was asked for."""
    asked, done = getattr(config, config.length), metrics[config.length]
    rounded = f" ({asked:,} asked for, rounded up to whole rollouts)" if done != asked else ""
    return f"{done:,} {config.length}{rounded} in {metrics['wall_seconds']:.0f} s"


if __name__ == "__main__":
    sys.exit(run_parsed(main, partial(parse, __doc__)))
