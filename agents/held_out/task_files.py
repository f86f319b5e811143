"""Files of a policy judged at a task: its score, every slot or episode, figures, and a video."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from agents.held_out.episodes import EPISODES_FILE, EpisodesOfRun, write_episodes
from agents.held_out.figures import save_held_out_figures
from agents.held_out.runs import HeldOut
from agents.held_out.slots_file import SLOTS_FILE, write_slots
from agents.held_out.task import Source
from agents.reports.episode import Episode, episode_of
from agents.reports.episodes import episodes_table, save_episode_figures
from agents.reports.tables import evaluation_table
from aigc_market_env import Market
from aigc_market_env.evaluation.leaders import EVALUATION_SEED
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks import Score, Task
from aigc_market_env.tasks.judge import Judged
from aigc_market_env.tasks.judged_episodes import JudgedEpisodes
from aigc_market_env.tasks.judged_slots import JudgedSlots
from aigc_market_env.tasks.policy import Actor, actors
from experiments.pictures import Pictures

SCORE_FILE = "score.json"


def write_score(score: Score, judged: Sequence[Judged], pictures: Pictures) -> list[Path]:
    """Write the score, every test slot or episode as a table, and figures; the files written."""
    out = pictures.folder
    score.to_json(out / SCORE_FILE)
    episodes = [one.result for one in judged if isinstance(one, JudgedEpisodes)]
    if episodes:
        write_episodes([EpisodesOfRun(score.policy, episodes[0], [])], out / EPISODES_FILE)
        return [out / SCORE_FILE, out / EPISODES_FILE, *save_episode_figures(episodes[0], [], pictures)]
    held_out = as_held_out(score, judged)
    write_slots([held_out], out / SLOTS_FILE)
    return [out / SCORE_FILE, out / SLOTS_FILE, *save_held_out_figures([held_out], pictures)]


def as_held_out(score: Score, judged: Sequence[Judged]) -> HeldOut:
    """What was found in test slots, as tables and figures of runs take it."""
    by_size = {one.label: one for one in judged if isinstance(one, JudgedSlots)}
    return HeldOut(
        name=score.policy,
        results={size: one.result for size, one in by_size.items()},
        plays={size: one.plays for size, one in by_size.items()},
        curve=[],
    )


def show_score(score: Score, judged: Sequence[Judged], console: Console) -> None:
    """Print the table of other ways to play, of tasks of one size, and then the score."""
    if len(judged) == 1:
        one = judged[0]
        if isinstance(one, JudgedEpisodes):
            console.print(episodes_table(one.result, score.task))
        else:
            console.print(evaluation_table(one.result, one.plays, f"{score.task}: {score.episodes} test slots"))
    console.print(str(score), markup=False, highlight=False)


def check_video(task: Task) -> None:
    """Make sure that there is a video to show of a task.

    Raises:
        ValueError: MUs do not act by the policy, or have wallets.
    """
    if "mu" not in task.roles or task.has_wallets:
        raise ValueError(f"--video shows rewards that MUs post, slot by slot; {task.name} has none to show")


def video_of(task: Task, source: Source) -> Episode:
    """A test episode of the first size of a task, as a policy plays it and at equilibrium."""
    scenario = task.test_scenarios[0].fix(EVALUATION_SEED) if task.market_seed is None else task.test_scenarios[0]
    size = scenario.num_mus, scenario.num_asps
    acting = actors(task, source.load(task), *size, (1, 0), check=False)
    asps = _Serving(acting["asp"]) if "asp" in acting else None
    market = task.view == "market"
    view = "board" if task.view == "market" else task.view
    return episode_of(_Posting(acting["mu"], market), asps, scenario, view=view)


@dataclass(frozen=True)
class _Posting:
    """MUs who act by a policy that is judged."""

    act: Actor
    by_market: bool

    def post(self, market: Market, observations: npt.NDArray[np.float32]) -> FloatArray:
        return self.act(market if self.by_market else observations)


@dataclass(frozen=True)
class _Serving:
    """ASPs who act by a policy that is judged."""

    act: Actor

    def serve(self, market: Market, rewards: FloatArray, observations: npt.NDArray[np.float32]) -> FloatArray:
        return self.act(observations)
