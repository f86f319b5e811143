"""Evaluation of runs whose mobile users have wallets, over whole episodes that training has not seen."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from agents.algorithms.set_levels import LevelConfig
from agents.config import LeaderConfig
from agents.evaluation.set_episodes import held_out_episodes, judge_level_policy
from agents.evaluation.sets import SetEvaluation, evaluation_sizes
from agents.held_out.runs import learning_curve
from agents.market_draws import Size
from agents.policy.files import check_fits, load_policy
from agents.policy.level_set import LevelSetPolicy
from agents.run_folder import read_config
from agents.torch_settings import one_torch_thread
from aigc_market_env.evaluation.episodes import (
    EpisodeEvaluation,
    EpisodePlay,
    HeldOutEpisodes,
    Mechanism,
    evaluate_episodes,
    together,
)
from aigc_market_env.evaluation.regret_causes import CAUSES
from aigc_market_env.files import replacing
from experiments.execute import Execute
from experiments.jobs import Done
from experiments.progress import watch

#: Episodes that a run is measured in.
EPISODES = 16
EPISODES_FILE = "episodes.csv"
_KEYS = ("run", "episode", "play", "agent")
_NUMBERS = ("utility", "regret_bound", "deviation", "reference", "paid", "money_left", "money_lost_to_cap", *CAUSES)


@dataclass(frozen=True)
class HeldOutEpisode:
    """One of the episodes that a run is measured in, as a job.

    Attributes:
        folder: of the run.
        number: of the episode; the same for all runs.
        mechanisms: what else to play.
        size: M and N of its market, of a set policy.
    """

    folder: Path
    number: int
    mechanisms: tuple[Mechanism, ...]
    size: Size | None = None

    @property
    def key(self) -> str:
        """Run, size and number of the episode."""
        size = "" if self.size is None else f", {self.size[0]}x{self.size[1]}"
        return f"{self.folder}{size}, episode {self.number}"

    def run(self) -> EpisodeEvaluation:
        """Play it as learned and by the mechanisms for episodes, and bound what each MU could have gained.

        Raises:
            FileNotFoundError: the run folder is not on this machine.
            ValueError: the policy's output is not finite, because its weights are damaged.
        """
        if self.size is not None:
            config, levels = _of_levels(self.folder)
            with one_torch_thread():
                markets, horizon = config.markets.held_out, config.horizon
                episode = held_out_episodes(markets, self.size, 1, horizon, first=self.number, certify=True)
                return judge_level_policy(levels, episode, self.mechanisms, thorough=True)
        of_market, policy = _leaders(self.folder), load_policy(self.folder)
        assert policy.mus is not None
        assert not policy.any_size
        scenario = of_market.make_scenario().held_out
        with one_torch_thread():
            held_out = HeldOutEpisodes.of(scenario, 1, of_market.horizon, first=self.number, certify=True)
            return evaluate_episodes(policy.mus.act_batch, held_out, self.mechanisms, thorough=True)


@dataclass(frozen=True, eq=False)
class EpisodesOfRun:
    """A run, measured.

    Attributes:
        name: of its folder.
        result: the evaluation.
        curve: the evaluations during training; empty when the run has not ended.
    """

    name: str
    result: EpisodeEvaluation
    curve: list[dict[str, float]]


def has_episodes(run: Path) -> bool:
    """Whether a run folder is of mobile users with wallets, to be measured over whole episodes.

    Raises:
        FileNotFoundError: the folder is no run.
        ValueError: its configuration is damaged.
    """
    config = read_config(run)
    return has_sizes_of_episodes(run) or (isinstance(config, LeaderConfig) and config.has_wallets)


def has_sizes_of_episodes(run: Path) -> bool:
    """Whether it is of one network for every market and wallet, to be measured so in markets of several sizes.

    Raises:
        FileNotFoundError, ValueError: as of :func:`has_episodes`.
    """
    return isinstance(read_config(run), LevelConfig)


def evaluate_episodes_of(
    runs: Sequence[Path], count: int | None, mechanisms: Sequence[Mechanism], execute: Execute, console: Console
) -> list[EpisodesOfRun]:
    """Measure runs in the same held-out episodes, wherever jobs are done.

    Args:
        runs: the folders.
        count: of episodes; 16 by default.
        mechanisms: what else to play.
        execute: does the jobs.
        console: for one progress bar.

    Raises:
        FileNotFoundError: a folder has no policy.
        ValueError: a file of a run is damaged, the runs are not of the same scenario and horizon, or measuring failed.
    """
    _check_alike(runs)
    curves = [learning_curve(run) for run in runs]
    jobs = [[HeldOutEpisode(run, number, tuple(mechanisms)) for number in range(count or EPISODES)] for run in runs]
    every = [job for of_run in jobs for job in of_run]
    found = watch("measuring episodes", execute(every), {job.key: 1 for job in every}, console)
    return [
        EpisodesOfRun(str(run), together([_result_of(found[job.key]) for job in of_run]), curve)
        for run, of_run, curve in zip(runs, jobs, curves, strict=True)
    ]


def evaluate_sizes_of_episodes(
    run: Path, count: int | None, mechanisms: Sequence[Mechanism], execute: Execute, console: Console
) -> SetEvaluation[EpisodeEvaluation]:
    """Measure the policy of a run with wallets in held-out episodes of markets of several sizes.

    Args:
        run: the folder.
        count: of episodes of each size; 16 by default.
        mechanisms: what else to play.
        execute: does the jobs.
        console: for one progress bar.

    Raises:
        FileNotFoundError: the folder has no policy.
        ValueError: a file of the run is damaged, or measuring failed.
    """
    config, _ = _of_levels(run)
    sizes = evaluation_sizes(config.markets, config.larger_sizes)
    jobs = {
        size: [HeldOutEpisode(run, number, tuple(mechanisms), size) for number in range(count or EPISODES)]
        for size in sizes
    }
    every = [job for of_size in jobs.values() for job in of_size]
    found = watch("measuring episodes", execute(every), {job.key: 1 for job in every}, console)
    parts = {size: [_result_of(found[job.key]) for job in of_size] for size, of_size in jobs.items()}
    return SetEvaluation({size: together(of_size) for size, of_size in parts.items()}, config.markets)


def _of_levels(folder: Path) -> tuple[LevelConfig, LevelSetPolicy]:
    config, policy = read_config(folder), load_policy(folder, LevelSetPolicy)
    if not isinstance(config, LevelConfig):
        raise ValueError(f"{folder} holds a policy of {policy.kind}, but its configuration is of another training")
    return config, policy


def _leaders(folder: Path) -> LeaderConfig:
    config = read_config(folder)
    if isinstance(config, LevelConfig):
        raise ValueError(f"{folder} is of one network for every market and wallet; evaluate it on its own")
    if not isinstance(config, LeaderConfig):
        raise ValueError(f"{folder} is not a run of mobile users")
    return config


def _check_alike(runs: Sequence[Path]) -> None:
    first = _leaders(runs[0])
    for run in runs:
        policy, config = load_policy(run), _leaders(run)
        check_fits(policy, run, config.make_scenario())
        one, other = first.make_scenario(), config.make_scenario()
        alike = (one.dynamics, one.wallet, first.horizon) == (other.dynamics, other.wallet, config.horizon)
        if not alike or one.sample(0) != other.sample(0):
            raise ValueError(f"{runs[0]} and {run} are not of the same scenario and horizon; evaluate them one by one")


def _result_of(done: Done[EpisodeEvaluation]) -> EpisodeEvaluation:
    if done.result is None:
        raise ValueError(f"{done.key}: {done.error}")
    return done.result


def write_episodes(runs: Sequence[EpisodesOfRun], path: Path) -> None:
    """Write a row for each run, episode, play and MU as CSV, credits over the episode, with six significant digits.

    What is called a run may be the episodes of one size of a set policy's.
    """
    with replacing(path) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow((*_KEYS, *_NUMBERS))
        for run in runs:
            for name, play in run.result.plays.items():
                for episode, mus in enumerate(_numbers(play)):
                    for mu, numbers in enumerate(mus):
                        rows.writerow((run.name, episode, name, f"mu_{mu}", *map(_shown, numbers)))


def _shown(number: float) -> str:
    """Six digits; nothing for what was not worked out."""
    return "" if np.isnan(number) else f"{number:.6g}"


def _numbers(play: EpisodePlay) -> Any:
    """In the order of the columns. (E, M, ·)."""
    found, paid = play.found, play.episode.outcome.service_cost.sum(axis=1)
    causes: Mapping[str, Any] = play.causes or dict.fromkeys(CAUSES, np.full_like(play.episode.money[:, 1:], np.nan))
    columns = [play.utility, found.regret_bound, found.regret, play.scale, paid, play.left, play.wasted]
    return np.stack([*columns, *(causes[name].sum(axis=1) for name in CAUSES)], axis=-1)
