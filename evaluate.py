"""Evaluate trained runs: how far they are from equilibrium, with confidence intervals and figures.

The policies act in slots, or markets, that training has not seen. Every MU's best deviation is searched, the ASPs
responding exactly; every ASP's profit is compared with that of its exact best response. Beside what was learned stand
the equilibrium, everyone's best response to what the others learned, and play at random, all in the same slots.
    python evaluate.py runs/campus-seed0
    python evaluate.py runs/campus-seed0 --markets 1024      # more evaluation slots
    python evaluate.py runs/campus-seed0 --markets a.json b.json
    python evaluate.py pretrained/campus-set --scenario traces_v0_held_out  # in the markets of another preset
    python evaluate.py runs/campus-seed? --out campus        # several seeds, each and together
    python evaluate.py runs/*-seed? --out all --workers ray   # on a cluster; see docs/cluster.md
    python evaluate.py runs/campus-seed? --out paper --format pdf --columns 1 --no-titles  # figures for a paper
    python evaluate.py runs/campus-seed0 --video             # learned and equilibrium rewards side by side, as a GIF

Any policy is judged at a benchmark task (docs/tasks.md), yours from a file or module, which executes that code:
    python evaluate.py --task campus-v1 --policy mine.py:act
    python evaluate.py --task campus-v1 pretrained/campus

Another command compares mechanisms instead of a run: python evaluate.py mechanisms --help
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape

from aigc_market_env._name_clash import end_on_name_clash

if __name__ == "__main__":
    end_on_name_clash("agents", "baselines", "experiments", beside=__file__)

from agents.evaluation.sets import SetEvaluation, usual_size
from agents.held_out.episodes import (
    EPISODES_FILE,
    EpisodesOfRun,
    evaluate_episodes_of,
    evaluate_sizes_of_episodes,
    has_episodes,
    has_sizes_of_episodes,
    write_episodes,
)
from agents.held_out.figures import median_run, save_held_out_figures
from agents.held_out.runs import HeldOut, evaluate_runs, learning_curve, together
from agents.held_out.slots_file import SLOTS_FILE, write_slots
from agents.held_out.task import OwnCode, RunFolder, Source, judge_at_task
from agents.held_out.task_files import check_video, show_score, video_of, write_score
from agents.reports.episode import check_episode, play_episode
from agents.reports.episodes import episodes_of_runs_table, episodes_table, save_episode_figures
from agents.reports.set_episodes import save_set_episode_figures, set_episodes_table
from agents.reports.set_table import set_table
from agents.reports.tables import evaluation_table, runs_table
from agents.reports.video import VIDEO_FILE, write_video
from agents.run_folder import read_config
from agents.runs import EVALUATION_FILE, EVALUATION_FOLDER, write_json
from aigc_market_env.files import writing
from aigc_market_env.tasks import make
from baselines.episodes import EPISODE_MECHANISMS, EpisodeOracle
from baselines.study import command as mechanism_study
from experiments.command import run_command
from experiments.own_code import named_code
from experiments.pictures import Format, Pictures
from experiments.places import check_folder, folder
from experiments.whole_parts import say
from experiments.workers import Workers, executor

#: Mechanisms for episodes that policies for every market stand beside; others do not know the future either.
_BESIDE_SETS = ("adaptive_pacing", "even_spending")


@dataclass(frozen=True)
class Arguments:
    """Evaluate trained runs against exact best responses.

    Attributes:
        runs: Run folders that train.py wrote; several, of one scenario, are shown one by one and together.
        markets: How many evaluation slots of the run's own scenario (512 by default), or episodes where mobile users
            have wallets (16 by default), or markets of each size for a set policy (as many as have 2,048 links by
            default); or market files to act in instead.
        scenario: Preset whose markets to act in instead, each drawn anew. By default the run's own scenario, of a trace
            the hours, clients and drives that training never sees.
        out: Where evaluation.json, slots.csv and the figures go; by default evaluation/ in the run folder.
        video: Also write episode.gif: 24 slots of a market as trained on, learned rewards left, equilibrium rewards
            right; of several runs, the one with the median regret.
        task: Benchmark task to judge one run or policy at, such as campus-v1; see docs/tasks.md. Writes score.json
            beside the figures, by default into a folder of its name, in the run folder or here.
        policy: Policy to judge at the task, as FILE.py:callable or module:callable, which executes that file: a
            function from observations to actions, a class of one, or a dictionary of one for each of mu and asp.
        format: Of the figures' files.
        columns: Columns of a paper over which figures stretch; one of several drawings always over two.
        titles: Figures without titles, for a paper that has captions.
        workers: Processes that share the slots of all runs, each on one core; 1 is this process, on all cores, 0 one
            process a core, ray a cluster of machines. The results do not depend on it.
    """

    runs: Annotated[
        tuple[Annotated[Path, folder("RUN")], ...],
        tyro.conf.Positional,
        tyro.conf.arg(help_behavior_hint="", metavar="RUN..."),
    ]
    markets: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="", metavar="N|FILE...")] = ()
    scenario: Annotated[str | None, tyro.conf.arg(help_behavior_hint="", metavar="NAME")] = None
    out: Annotated[Path | None, folder("--out"), tyro.conf.arg(help_behavior_hint="", metavar="DIR")] = None
    video: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    task: Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = ""
    policy: Annotated[str, tyro.conf.arg(metavar="FILE.py:CALLABLE", help_behavior_hint="")] = ""
    format: Format = "png"
    columns: Literal[1, 2] = 2
    titles: Annotated[bool, tyro.conf.FlagCreatePairsOff] = True
    workers: Annotated[Workers, tyro.conf.arg(metavar="INT|ray")] = 1


def asked_for(arguments: Arguments) -> tuple[tuple[str, ...], int | None]:
    """Market files to evaluate on, or how many slots or markets.

    Raises:
        ValueError: ``--markets`` is neither a whole number of at least 1 nor files that are there, or there are both
            files and ``--scenario``.
    """
    if len(arguments.markets) == 1 and re.fullmatch(r"-?\d{1,9}", arguments.markets[0]):
        count = int(arguments.markets[0])
        if count < 1:
            raise ValueError(f"--markets {count} must be at least 1")
        return (), count
    for file in arguments.markets:
        if not Path(file).is_file():
            raise ValueError(f"--markets {file}: no such file; give market files, or a whole number of markets")
    if arguments.markets and arguments.scenario is not None:
        raise ValueError(
            f"--markets {arguments.markets[0]}: --scenario {arguments.scenario} says where to act; give one"
        )
    return arguments.markets, None


def output_folder(arguments: Arguments) -> Path:
    """Where results go.

    Raises:
        ValueError: there are several runs, or none, and no ``--out``; a run is named twice; ``--out`` is a file or
            cannot be written.
    """
    if not arguments.runs:
        raise ValueError("name at least one run folder")
    if arguments.out is None and len(arguments.runs) > 1:
        raise ValueError("several runs need --out DIR for what they come to")
    found: dict[Path, Path] = {}
    for run in arguments.runs:
        if (same := found.setdefault(run.resolve(), run)) is not run:
            raise ValueError(f"{run} is the same run as {same}; name each run once")
    out = arguments.out or arguments.runs[0] / EVALUATION_FOLDER
    if arguments.out is not None or arguments.runs[0].is_dir():  # otherwise it is the run that is wrong
        check_folder(out)
    return out


def show(runs: Sequence[HeldOut], found: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """Print the tables; of several runs those of what they come to together, by size."""
    if len(runs) == 1:
        show_one(runs[0], console)
    for size, figures in found.items():
        learned = [run.plays[size]["learned"].figures() for run in runs]
        title = f"{len(runs)} runs as learned, {slots_of(runs[0], size)}"
        console.print(runs_table(figures, learned, [escape(run.name) for run in runs], title))


def show_one(run: HeldOut, console: Console) -> None:
    """Print the table of a run; of a set policy, that of all sizes and that of the usual one."""
    sizes, name = list(run.plays), escape(run.name)
    if run.fresh is not None:
        console.print(set_table(run.fresh, f"{name}: held-out markets"))
        sizes = [sizes[list(run.fresh.by_size).index(usual_size(run.fresh.trained))]]
    for size in sizes:
        console.print(evaluation_table(run.results[size], run.plays[size], f"{name}: {slots_of(run, size)}"))


def slots_of(run: HeldOut, size: str) -> str:
    """How many evaluation slots of a size there are, in words."""
    return f"{len(run.plays[size]['learned'].leader_regret)} evaluation slots, {size.replace('x', ' MUs × ')} ASPs"


def main(arguments: Arguments, console: Console) -> int:
    """Evaluate runs; the exit status. Everything is written before anything is shown."""
    if arguments.task or arguments.policy:
        return judge(arguments, console)
    out, asked, execute = output_folder(arguments), asked_for(arguments), executor(arguments.workers)
    if any(map(has_episodes, arguments.runs)):
        if arguments.video or asked[0] or arguments.scenario is not None:
            raise ValueError("--video, --scenario and market files are for runs in which mobile users have no wallets")
        mechanisms = [one for one in EPISODE_MECHANISMS.values() if one.name != EpisodeOracle.name]
        if len(arguments.runs) == 1 and has_sizes_of_episodes(arguments.runs[0]):
            compared = [mechanism for mechanism in mechanisms if mechanism.name in _BESIDE_SETS]
            with writing(out):
                found = evaluate_sizes_of_episodes(arguments.runs[0], asked[1], compared, execute, console)
                write_sizes_of_episodes(arguments.runs[0], found, out, arguments, console)
            return 0
        with writing(out):
            measured = evaluate_episodes_of(arguments.runs, asked[1], mechanisms, execute, console)
            write_whole_episodes(measured, out, arguments, console)
        return 0
    for run in arguments.runs if arguments.video else ():
        check_episode(run)  # says whether there is a video to write
    with writing(out):
        write(evaluate_runs(arguments.runs, *asked, execute, console, arguments.scenario), out, arguments, console)
    return 0


def judge(arguments: Arguments, console: Console) -> int:
    """Judge one run or policy at a task; the exit status."""
    source, task = source_of(arguments), make(arguments.task)
    inside = arguments.runs[0] if arguments.runs and arguments.runs[0].is_dir() else Path()
    out, execute = arguments.out or inside / task.name, executor(arguments.workers)
    check_folder(out)
    if arguments.video:
        check_video(task)
    with writing(out):
        score, judged = judge_at_task(task, source, execute, console)
        about = f"{score.policy} at {task.name}, {score.episodes} test slots or episodes"
        written = write_score(score, judged, pictures_of(arguments, out, about))
        if arguments.video:
            written.append(out / VIDEO_FILE)
            write_video(video_of(task, source), out / VIDEO_FILE, console)
    show_score(score, judged, console)
    say(console, f"Written: {', '.join(path.name for path in written)} in {out}")
    return 0


def source_of(arguments: Arguments) -> Source:
    """Where the policy to judge comes from.

    Raises:
        ValueError: there is no task, not exactly one run or policy, or --markets; or no such file or module.
    """
    if not arguments.task:
        raise ValueError("--policy needs --task NAME, the task to judge it at")
    if arguments.markets:
        raise ValueError(f"--markets is for runs on their own; {arguments.task} has its own test markets")
    if bool(arguments.policy) + len(arguments.runs) != 1:
        raise ValueError("--task judges one run folder, or one --policy FILE.py:callable")
    if arguments.policy:
        return OwnCode(named_code(arguments.policy, "--policy", "callable"))
    return RunFolder(arguments.runs[0])


def write(runs: Sequence[HeldOut], out: Path, arguments: Arguments, console: Console) -> None:
    """Write what was measured into a folder, and show it."""
    found = {}
    if len(runs) > 1:
        found = {size: together([run.plays[size]["learned"] for run in runs]) for size in runs[0].plays}
    write_json(out / EVALUATION_FILE, {"runs": {run.name: run.summary() for run in runs}, "together": found})
    write_slots(runs, out / SLOTS_FILE)
    figures = save_held_out_figures(runs, pictures_of(arguments, out, about_runs(arguments)))
    if arguments.video:
        figures.append(out / VIDEO_FILE)
        write_video(play_episode(Path(median_run(runs).name)), out / VIDEO_FILE, console)
    show(runs, found, console)
    written = ", ".join([EVALUATION_FILE, SLOTS_FILE, *(path.name for path in figures)])
    say(console, f"Written: {written} in {out}")


def pictures_of(arguments: Arguments, out: Path, about: str) -> Pictures:
    """Where and how figures are written, and what they are of."""
    return Pictures(out, about, arguments.format, arguments.columns, arguments.titles)


def about_runs(arguments: Arguments) -> str:
    """What runs figures are of: market, folder and seed of each."""
    configs = [(run, read_config(run)) for run in arguments.runs]
    runs = "; ".join(f"{config.described}, seed {config.seed}, {run}" for run, config in configs)
    where = f", in markets of {arguments.scenario}" if arguments.scenario else ""
    return f"Evaluation slots of {runs}{where}"


def write_whole_episodes(runs: Sequence[EpisodesOfRun], out: Path, arguments: Arguments, console: Console) -> None:
    """Write what was measured over episodes into a folder, and show it; figures are of the first run."""
    write_json(out / EVALUATION_FILE, {"runs": {run.name: run.result.summary() for run in runs}})
    write_episodes(runs, out / EPISODES_FILE)
    figures = save_episode_figures(runs[0].result, runs[0].curve, pictures_of(arguments, out, about_runs(arguments)))
    if len(runs) == 1:
        console.print(episodes_table(runs[0].result, escape(runs[0].name)))
    else:
        console.print(episodes_of_runs_table({escape(run.name): run.result for run in runs}))
    written = ", ".join([EVALUATION_FILE, EPISODES_FILE, *(path.name for path in figures)])
    say(console, f"Written: {written} in {out}")


def write_sizes_of_episodes(
    run: Path, result: SetEvaluation[Any], out: Path, arguments: Arguments, console: Console
) -> None:
    """Write what was measured over episodes of several sizes into a folder, and show it."""
    write_json(out / EVALUATION_FILE, {"runs": {str(run): result.summary()}})
    curve = learning_curve(run)
    by_size = [EpisodesOfRun(f"{run} {m}x{n}", found, curve) for (m, n), found in result.by_size.items()]
    write_episodes(by_size, out / EPISODES_FILE)
    figures = save_set_episode_figures(result, curve, pictures_of(arguments, out, about_runs(arguments)))
    console.print(set_episodes_table(result, escape(str(run))))
    written = ", ".join([EVALUATION_FILE, EPISODES_FILE, *(path.name for path in figures)])
    say(console, f"Written: {written} in {out}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["mechanisms"]:
        sys.argv[:2] = [f"{sys.argv[0]} mechanisms"]
        sys.exit(run_command(mechanism_study.main, mechanism_study.Arguments, mechanism_study.__doc__))
    sys.exit(run_command(main, Arguments, __doc__))
