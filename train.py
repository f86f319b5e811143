"""Train mobile users to price an edge market for generated content, and measure how far they are from equilibrium.

The market of a preset (or file) stays, its links fade from slot to slot, ASPs respond exactly. All MUs learn at once
with PPO and shared parameters. The run folder holds the policy, TensorBoard events, metrics and figures:

    python train.py                               # campus, a few minutes
    python train.py --preset quick                # less than a minute, to see it work
    python train.py --scenario town --seed 1
    python train.py --resume                      # go on with the run that was interrupted
    tensorboard --logdir runs
"""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape

from agents.command import run_command
from agents.report import evaluation_table, save_figures
from agents.runs import EVALUATION_FILE, latest_run_folder, new_run_folder, write_json
from agents.training import LeaderConfig, read_config, train_leaders

PRESETS: dict[str, LeaderConfig] = {
    "quick": LeaderConfig(transitions=200_000, evaluate_every=50_000, final_evaluation_slots=128),
    "default": LeaderConfig(),
    "long": LeaderConfig(transitions=8_000_000, evaluate_every=500_000),
}


@dataclass(frozen=True)
class Arguments:
    """Train mobile users to price an edge market, with ASPs at their best response."""

    preset: Literal["quick", "default", "long"] = "default"
    """How long to train: less than a minute, a few minutes, or a quarter of an hour."""
    scenario: str = "campus"
    """A preset (duo, campus, town, random) or a market file (JSON)."""
    load: float = 1.0
    """Demand against capacity of a preset; 2 halves the capacities."""
    market_seed: int = 0
    """Which market of the preset."""
    seed: int = 0
    """Seed of the learner and of the channels. The same seed gives the same weights."""
    transitions: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Slots times MUs to train for, instead of the preset's."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Run folder; by default runs/SCENARIO-seedSEED, with a number appended when that exists."""
    resume: bool = False
    """Go on from the checkpoint of the run in --out (or of the latest run of this scenario and seed)."""

    @property
    def run_name(self) -> str:
        """What the run is called by default."""
        return f"{Path(self.scenario).stem}-seed{self.seed}"

    def config(self) -> LeaderConfig:
        """The configuration asked for."""
        config = replace(
            PRESETS[self.preset],
            scenario=self.scenario,
            load=self.load,
            market_seed=self.market_seed,
            seed=self.seed,
        )
        return config if self.transitions is None else replace(config, transitions=self.transitions)


def read_leader_config(run: Path) -> LeaderConfig:
    """The configuration of a run of mobile users.

    Raises:
        ValueError: it is one of providers.
    """
    config = read_config(run)
    if not isinstance(config, LeaderConfig):
        raise ValueError(f"{run} is a run of {config.side}, which train.py cannot go on with")
    return config


def main(arguments: Arguments, console: Console) -> int:
    """Run one training; the exit status."""
    if arguments.resume:
        out = arguments.out or latest_run_folder(arguments.run_name)
        config = read_leader_config(out)
    else:
        out = arguments.out or new_run_folder(arguments.run_name)
        config = arguments.config()
        if (out / "config.json").exists():
            raise ValueError(f"{out} already holds a run; add --resume to go on with it, or choose another --out")
    folder = shlex.quote(str(out))
    console.print(f"Training on {config.scenario} into {out}; curves: tensorboard --logdir {folder}", markup=False)
    console.print("The first use on a machine compiles the market, which takes up to a minute.", style="dim")
    try:
        result, metrics = train_leaders(config, out, resume=arguments.resume)
    except KeyboardInterrupt:
        console.print(f"Stopped. Go on with: python train.py --resume --out {folder}", markup=False, soft_wrap=True)
        return 130
    write_json(out / EVALUATION_FILE, result.summary())
    figures = save_figures(result, metrics["curve"], out)
    console.print(evaluation_table(result, escape(f"{config.scenario}: {len(result.rewards)} evaluation slots")))
    console.print(f"{metrics['transitions']:,} transitions in {metrics['wall_seconds']:.0f} s")
    console.print(f"Figures: {', '.join(path.name for path in figures)} in {out}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
