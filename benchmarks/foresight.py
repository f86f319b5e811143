"""What foresight is worth to mobile users with wallets: those who know the whole episode beside those who do not.

    python -m benchmarks.foresight               # every cell, some 20 minutes of a core
    python -m benchmarks.foresight --quick       # the preset's cell and its nearest, a few minutes
    python -m benchmarks.foresight --run RUN     # what a run of train.py has learned on prepaid, in its cell, too

One market of campus; wallets receive 40 to 90 % of what a slot costs when money is no concern, and begin anywhere from
nothing to full. One of three things is varied at a time, the others being those of the preset prepaid: what wallets can
hold (in slots' spending), slots in an episode, and how bursty demand is. The oracle knows the path. Dynamic programming
knows how the market changes, but not how it will. Adaptive pacing knows nothing; of three step sizes, the one with the
highest utility counts. All of them play the equilibria of slots at levels of their own, so that what they are apart is
planning alone. Shown are utilities over the oracle's, and bounds on the mean regret, which are against hindsight.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.policy.files import load_policy
from aigc_market_env import Episode, Scenario, Wallet, WalletRange, episode_path, play_episode
from aigc_market_env.evaluation.episodes import EpisodePlay, HeldOutEpisodes, judge_episodes, play_by
from aigc_market_env.scenarios import Dynamics
from aigc_market_env.scenarios.presets import PREPAID_DYNAMICS, PREPAID_WALLETS
from baselines.episodes import AdaptivePacing, EvenSpending, UntilGone
from baselines.episodes.dynamic_programming import DynamicProgramming

STEPS = (1.0, 4.0, 16.0)
_OTHER_EPISODES = 10**6
#: How demand changes, from hardly to strongly.
BURSTS: dict[str, Dynamics] = {
    "fading and load only": replace(PREPAID_DYNAMICS, worth_deviation=0.0, urgent_probability=0.0),
    "no urgent requests": replace(PREPAID_DYNAMICS, urgent_probability=0.0),
    "prepaid": PREPAID_DYNAMICS,
    "urgent: 16 times, rare": replace(PREPAID_DYNAMICS, urgent_probability=0.0125, urgent_factor=16.0),
}


class Cell(NamedTuple):
    """A scenario and how long its episodes are."""

    name: str
    dynamics: Dynamics
    wallets: WalletRange
    horizon: int

    @property
    def scenario(self) -> Scenario:
        """With one market."""
        return Scenario.preset("campus", dynamics=self.dynamics, wallet=self.wallets).fix(0)


def wallets_of(cap: float) -> WalletRange:
    """Wallets that hold so many slots' spending, and begin anywhere from nothing to full, or to 8 slots' spending."""
    start = min(cap, 8.0)
    return WalletRange(Wallet(0.0, 0.4, cap, unit="spending"), Wallet(start, 0.9, cap, unit="spending"))


def cells(*, quick: bool) -> list[Cell]:
    """All of them, the preset's first."""
    usual = Cell("prepaid: caps of 3 to 8 slots, 64 slots", PREPAID_DYNAMICS, PREPAID_WALLETS, 64)
    caps = (2.0, 16.0) if quick else (1.0, 2.0, 4.0, 8.0, 16.0, np.inf)
    horizons = (16,) if quick else (16, 32, 128)
    bursts = [name for name in BURSTS if name != "prepaid"][: 1 if quick else None]
    return [
        usual,
        *(usual._replace(name=f"cap {cap:g} slots", wallets=wallets_of(cap)) for cap in caps),
        *(usual._replace(name=f"{horizon} slots", horizon=horizon) for horizon in horizons),
        *(usual._replace(name=name, dynamics=BURSTS[name]) for name in bursts),
    ]


def measured(cell: Cell, episodes: int, run: Path | None) -> dict[str, EpisodePlay]:
    """Every play of the cell's episodes."""
    scenario = cell.scenario
    held_out = HeldOutEpisodes.of(scenario, episodes, cell.horizon)
    drawn = [episode_path(scenario, _OTHER_EPISODES + i, 1)[1] for i in range(4)]
    wallets = [wallet for wallet in drawn if wallet is not None]
    planned = DynamicProgramming(scenario, wallets, cell.horizon)
    paced = [play_by(AdaptivePacing(step=step), held_out) for step in STEPS]
    found: dict[str, Episode] = {
        "dynamic programming": play_by(planned, held_out),
        "adaptive pacing": max(paced, key=lambda episode: float(episode.outcome.mu_utility.sum())),
        "even spending": play_by(EvenSpending(), held_out),
        "until gone": play_by(UntilGone(), held_out),
    }
    if run is not None:
        policy = load_policy(run)
        assert policy.mus is not None
        assert not policy.any_size
        posted = held_out.posted_by(policy.mus.act_batch)
        found["learned"] = play_episode(held_out.path, posted, held_out.wallet)
    return judge_episodes(held_out, found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cells and print a line for each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few cells, of two episodes each")
    parser.add_argument("--episodes", type=int, help="episodes in a cell, 4 by default")
    parser.add_argument("--run", type=Path, help="run folder of leaders trained on prepaid")
    asked = parser.parse_args(arguments)
    count = asked.episodes or (2 if asked.quick else 4)
    print(f"{'':40s} {'utility over the oracle, %':>34s} {'regret bound, mean %':>21s}")
    headings = "DP", "pacing", "even", "gone", "learnt", "DP", "pacing", "learnt"
    print(f"{'':40s}" + "".join(f"{heading:>7s}" for heading in headings))
    for number, cell in enumerate(cells(quick=asked.quick)):
        plays = measured(cell, count, asked.run if number == 0 else None)
        ratios = [f"{100 * play.figures()['utility_ratio']:7.2f}" for play in plays.values()]
        ratios += [" " * 7] * (5 - len(ratios))
        shown = [plays[name] for name in ("dynamic programming", "adaptive pacing", "learned") if name in plays]
        regrets = [f"{100 * play.relative.mean:7.2f}" for play in shown]
        print(f"{cell.name:40s}{''.join(ratios)}{''.join(regrets)}", flush=True)


if __name__ == "__main__":
    main()
