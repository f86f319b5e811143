"""Train an edge market for generated content, and measure how far it is from equilibrium.

Mobile users (leaders) post rewards, providers (followers) allocate. The market of a preset (or file) stays, its links
fade from slot to slot. All agents of a side learn at once, with shared parameters, by PPO or SAC. Which sides learn:

    python train.py                               # both, against each other; campus, some minutes
    python train.py --train leaders               # mobile users, providers responding exactly
    python train.py --train followers             # providers, on rewards near equilibrium and far from it
    python train.py --train leaders --algorithm sac --transitions 600000
    python train.py --preset quick                # less than a minute, to see it work
    python train.py --scenario town --seed 1
    python train.py --resume                      # go on with the run that was interrupted
    tensorboard --logdir runs

The run folder holds the policies, TensorBoard events, metrics and figures; python evaluate.py RUN measures it again.
"""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape

from agents.command import run_command
from agents.config import ALGORITHMS, Config, FollowerConfig, JointConfig, LeaderConfig, read_config
from agents.figures import Evaluation
from agents.joint_training import train_both
from agents.report import evaluation_table, save_figures
from agents.runs import EVALUATION_FILE, latest_run_folder, new_run_folder, write_json
from agents.training import train_followers, train_leaders

#: What is said of each choice of sides.
LEARN = {
    "both": "Mobile users and providers learn, each against the other,",
    "leaders": "Mobile users learn, providers respond exactly,",
    "followers": "Providers learn",
}

#: How long to train, for each choice of sides.
PRESETS: dict[str, dict[str, Config]] = {
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


@dataclass(frozen=True)
class Arguments:
    """Train the two sides of an edge market."""

    train: Literal["both", "leaders", "followers"] = "both"
    """Who learns. both: mobile users and providers, each against the other as it is then. leaders: mobile users, with
    providers at their exact best response. followers: providers, on rewards from a mixture."""
    algorithm: Literal["ppo", "sac"] = "ppo"
    """What learns. ppo: from what it has just played. sac: from the latest 200,000 transitions, by way of a critic;
    mobile users get near equilibrium from fewer transitions, though on campus neither side got as near as with ppo."""
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
    """Slots times learning agents to train for, instead of the preset's; a tenth needs about a tenth of the time."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Run folder; by default runs/SCENARIO-seedSEED for both sides, runs/SCENARIO-SIDE-seedSEED for one, with -sac
    before the seed when that learns; with a number appended when that exists."""
    resume: bool = False
    """Go on from the checkpoint of the run in --out (or of the latest run of this scenario, seed, --train and
    --algorithm). The run's own configuration counts; --preset, --load and --transitions are not looked at."""

    @property
    def run_name(self) -> str:
        """What the run is called by default."""
        side = "" if self.train == "both" else f"-{self.train}"
        algorithm = "" if self.algorithm == "ppo" else f"-{self.algorithm}"
        return f"{Path(self.scenario).stem}{side}{algorithm}-seed{self.seed}"

    def config(self) -> Config:
        """The configuration asked for."""
        config = replace(
            PRESETS[self.train][self.preset],
            algorithm=self.algorithm,
            **ALGORITHMS[self.algorithm],
            scenario=self.scenario,
            load=self.load,
            market_seed=self.market_seed,
            seed=self.seed,
        )
        return config if self.transitions is None else replace(config, transitions=self.transitions)


def train(config: Config, out: Path, *, resume: bool) -> tuple[Evaluation, dict[str, Any]]:
    """The training that a configuration is of."""
    if isinstance(config, JointConfig):
        return train_both(config, out, resume=resume)
    if isinstance(config, FollowerConfig):
        return train_followers(config, out, resume=resume)
    return train_leaders(config, out, resume=resume)


def main(arguments: Arguments, console: Console) -> int:
    """Run one training; the exit status."""
    if arguments.resume:
        out = arguments.out or latest_run_folder(arguments.run_name)
        config = read_config(out)
    else:
        out = arguments.out or new_run_folder(arguments.run_name)
        config = arguments.config()
        if (out / "config.json").exists():
            raise ValueError(f"{out} already holds a run; add --resume to go on with it, or choose another --out")
    folder = shlex.quote(str(out))
    console.print(f"{LEARN[config.side]} on {config.scenario}, into {out}", markup=False)
    console.print(f"Curves: tensorboard --logdir {folder}", markup=False)
    console.print("The first use on a machine compiles the market, which takes up to a minute.", style="dim")
    try:
        result, metrics = train(config, out, resume=arguments.resume)
    except KeyboardInterrupt:
        console.print(f"Stopped. Go on with: python train.py --resume --out {folder}", markup=False, soft_wrap=True)
        return 130
    summary = result.summary()
    write_json(out / EVALUATION_FILE, summary)
    figures = save_figures(result, metrics["curve"], out)
    console.print(evaluation_table(result, escape(f"{config.scenario}: {summary['slots']} evaluation slots")))
    console.print(f"{metrics['transitions']:,} transitions in {metrics['wall_seconds']:.0f} s")
    console.print(f"Figures: {', '.join(path.name for path in figures)} in {out}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
