"""What learning to plan is worth: the same learner with and without regard to later slots, in the preset prepaid.

    python -m benchmarks.planning --out runs/planning --figure docs/planning.png

Nine trainings and eight held-out episodes take some 40 minutes of a core.

Runs of gamma 0 and of the default gamma are trained as by train.py, and the latter once more sixteen times as long in
larger batches and at twice the rate; three seeds each. They are kept in the folder, whence a command that was stopped
goes on. All are measured in the same held-out episodes as the mechanisms for episodes and dynamic programming. While
learning, bounds on regret are those at the equilibrium's prices of money, in two of the episodes, and so are the lines
of the figure; those in the table are minimised over prices, in all of them.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.algorithms.ppo import PPO
from agents.config import LeaderConfig
from agents.policy.files import load_policy
from agents.reports.figures import plain_logarithmic
from agents.runs import EVALUATION_FILE, METRICS_FILE
from agents.sweeps.whole_run import train_whole
from aigc_market_env import Episode, play_episode
from aigc_market_env.evaluation.episodes import HeldOutEpisodes, judge_episodes, play_by
from aigc_market_env.files import replacing
from baselines.episodes import AdaptivePacing, EpisodeMechanism, EvenSpending, Myopic
from baselines.episodes.dynamic_programming import DynamicProgramming

EPISODES, WHILE_LEARNING = 8, 2
_COLOURS = "#d55e00", "#0072b2", "#009e73"
#: How much longer the long runs are, their batches, and their rate.
_LONGER, _BATCH, _RATE = 16, 2048, 2e-3
_STYLES = "-", "--", "-.", ":"

#: Learning curves of the runs of one kind.
Curves = list[list[dict[str, float]]]


def configurations(transitions: int) -> dict[str, LeaderConfig]:
    """What is trained, by what tables and figures call it; of the first seed."""
    slots = LeaderConfig.horizon
    planning = LeaderConfig(
        scenario="prepaid",
        transitions=transitions,
        evaluate_every=max(transitions // 10, 1),
        evaluation_slots=WHILE_LEARNING * slots,
        final_evaluation_slots=slots,
    )
    usual, longer = f"gamma {planning.usual.gamma:g}", _LONGER * transitions
    return {
        "gamma 0": replace(planning, algorithm=PPO(gamma=0.0)),
        usual: planning,
        f"{usual}, longer": replace(
            planning,
            transitions=longer,
            evaluate_every=max(longer // 10, 1),
            learning_rate=_RATE,
            algorithm=PPO(batch_size=_BATCH),
        ),
    }


def trained(name: str, config: LeaderConfig, seeds: int, out: Path) -> list[Path]:
    """Folders of runs of some seeds; trained, where they are not there yet."""
    folders = [out / f"{name.replace(',', '').replace(' ', '-')}-seed{seed}" for seed in range(seeds)]
    for seed, folder in enumerate(folders):
        if not (folder / EVALUATION_FILE).exists():
            train_whole(replace(config, seed=seed), folder, resume=True)
    return folders


def mechanisms_for(config: LeaderConfig) -> list[EpisodeMechanism]:
    """What to compare with."""
    planned = DynamicProgramming.of(config.make_scenario(), config.horizon)
    return [planned, AdaptivePacing(), EvenSpending(), Myopic()]


def learned_in(held_out: HeldOutEpisodes, run: Path) -> Episode:
    """Episodes as they are played by what a run has learned."""
    policy = load_policy(run)
    assert policy.mus is not None
    assert not policy.any_size
    return play_episode(held_out.path, held_out.posted_by(policy.mus.act_batch), held_out.wallet)


def print_figures(held_out: HeldOutEpisodes, name: str, played: Episode) -> None:
    """Bounds on regret, mean and of the worst MU, and utility over the equilibrium's, %."""
    found = judge_episodes(held_out, {name: played})[name].figures()
    shown = 100 * found["leader_regret_relative"], 100 * found["leader_regret_worst"], 100 * found["utility_ratio"]
    print(f"{name:32s}{shown[0]:14.2f}{shown[1]:10.1f}{shown[2]:10.2f}", flush=True)


def _curve(run: Path) -> list[dict[str, float]]:
    curve: list[dict[str, float]] = json.loads((run / METRICS_FILE).read_text())["curve"]
    return curve


def drawn(curves: Mapping[str, Curves], lines: Mapping[str, float]) -> Figure:
    """Bounds on regret while learning: the median of the seeds and their range, and mechanisms as lines."""
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for (name, of_kind), colour in zip(curves.items(), _COLOURS, strict=True):
        _draw_curves(axes, name, of_kind, colour)
    for (name, regret), style in zip(lines.items(), _STYLES, strict=True):
        axes.axhline(100 * regret, color="0.35", linestyle=style, linewidth=1.1, label=name)
    axes.set(
        xscale="log", yscale="log", xlabel="transitions", ylabel="bound on mean regret, % of utility at equilibrium"
    )
    axes.set_title(f"Planning pays: prepaid, {len(next(iter(curves.values())))} seeds each")
    plain_logarithmic(axes.yaxis, fine=True)
    axes.grid(color="0.92")
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def _draw_curves(axes: Axes, name: str, curves: Curves, colour: str) -> None:
    # The first point is of no transitions, and the last one has another bound, of other episodes.
    points = [[point for point in curve[:-1] if point["transitions"] > 0] for curve in curves]
    regret = 100 * np.array([[point["leader_regret_relative"] for point in curve] for curve in points])
    transitions = [point["transitions"] for point in points[0]]
    axes.plot(transitions, np.median(regret, axis=0), color=colour, label=f"learned, {name}")
    axes.fill_between(transitions, regret.min(axis=0), regret.max(axis=0), color=colour, alpha=0.25, linewidth=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, print a table line by line, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--figure", type=Path, help="PNG to write")
    parser.add_argument(
        "--transitions",
        type=int,
        default=LeaderConfig.transitions,
        help=f"of each run; the long ones have {_LONGER} times as many",
    )
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args(arguments)
    kinds = configurations(asked.transitions)
    runs = {name: trained(name, config, asked.seeds, asked.out) for name, config in kinds.items()}
    usual = next(iter(kinds.values()))
    mechanisms, scenario = mechanisms_for(usual), usual.make_scenario()
    if asked.figure is not None:
        held_out = HeldOutEpisodes.of(scenario, WHILE_LEARNING, usual.horizon)
        quick = judge_episodes(held_out, {one.label: play_by(one, held_out) for one in mechanisms}, thorough=False)
        curves = {name: [_curve(run) for run in of_kind] for name, of_kind in runs.items()}
        with replacing(asked.figure) as new:
            lines = {name: play.relative.mean for name, play in quick.items()}
            drawn(curves, lines).savefig(new, format="png", dpi=120)
    held_out = HeldOutEpisodes.of(scenario, EPISODES, usual.horizon)
    print(f"{'%':32s}{'regret bound':>14s}{'worst MU':>10s}{'utility':>10s}")
    for mechanism in mechanisms:
        print_figures(held_out, mechanism.label, play_by(mechanism, held_out))
    for name, folders in runs.items():
        for seed, run in enumerate(folders):
            print_figures(held_out, f"learned, {name}, seed {seed}", learned_in(held_out, run))


if __name__ == "__main__":
    main()
