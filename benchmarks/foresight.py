"""What foresight and planning are worth to mobile users with wallets: those who know the whole episode, and others.

    python -m benchmarks.foresight               # every cell, some 20 minutes of a core
    python -m benchmarks.foresight --quick       # the preset's cell and its nearest, a few minutes

One market of campus, and wallets as those of the preset prepaid. One of three things is varied at a time, the others
being the preset's: what wallets can hold (in slots' spending), slots in an episode, and how demand changes. The oracle
knows the path. Dynamic programming knows how the market changes, but not how it will. Adaptive pacing and even spending
know nothing of that; myopic play does not plan. All of them play equilibria of slots, at levels or budgets of their
own, so that what they are apart is planning alone. Shown are utilities over the oracle's, and bounds on the mean
regret, which are against hindsight. What is learned is measured by benchmarks.planning.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from aigc_market_env import Episode, Scenario, Wallet, WalletRange
from aigc_market_env.evaluation.episodes import HeldOutEpisodes, judge_episodes, play_by
from aigc_market_env.scenarios import Dynamics
from aigc_market_env.scenarios.presets import PREPAID_DYNAMICS, PREPAID_WALLETS
from baselines.episodes import AdaptivePacing, EvenSpending, Myopic, UntilGone
from baselines.episodes.dynamic_programming import DynamicProgramming

_JUDGED = "dynamic_programming", "adaptive_pacing", "myopic"
#: How demand changes, but for the preset's way.
BURSTS: dict[str, Dynamics] = {
    "fading and load only": replace(PREPAID_DYNAMICS, worth_deviation=0.0, urgent_probability=0.0),
    "urgent: 4 times": replace(PREPAID_DYNAMICS, urgent_factor=4.0),
    "urgent: 10 times, for 4 slots": replace(PREPAID_DYNAMICS, urgent_probability=0.04, urgent_slots=4.0),
    "worth: deviation 1": replace(PREPAID_DYNAMICS, worth_deviation=1.0),
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
    """Wallets that hold so many slots' spending, and begin anywhere from nothing to full, or to 24 slots' spending."""
    low, high = (float(wallet.amounts[1]) for wallet in (PREPAID_WALLETS.low, PREPAID_WALLETS.high))
    return WalletRange(Wallet(0.0, low, cap, unit="spending"), Wallet(min(cap, 24.0), high, cap, unit="spending"))


def cells(*, quick: bool) -> list[Cell]:
    """All of them, the preset's first."""
    usual = Cell("prepaid: caps of 8 to 24 slots, 64 slots", PREPAID_DYNAMICS, PREPAID_WALLETS, 64)
    caps = (2.0,) if quick else (2.0, 4.0, 8.0, 32.0, np.inf)
    horizons = (16,) if quick else (16, 32, 128)
    return [
        usual,
        *(usual._replace(name=f"cap {cap:g} slots", wallets=wallets_of(cap)) for cap in caps),
        *(usual._replace(name=f"{horizon} slots", horizon=horizon) for horizon in horizons),
        *(usual._replace(name=name, dynamics=BURSTS[name]) for name in list(BURSTS)[: 2 if quick else None]),
    ]


def played(cell: Cell, held_out: HeldOutEpisodes) -> dict[str, Episode]:
    """Every play of the cell's episodes, by its name."""
    planned = DynamicProgramming.of(cell.scenario, cell.horizon)
    mechanisms = planned, AdaptivePacing(), EvenSpending(), Myopic(), UntilGone()
    return {mechanism.name: play_by(mechanism, held_out) for mechanism in mechanisms}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cells and print a line for each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few cells, of two episodes each")
    parser.add_argument("--episodes", type=int, help="episodes in a cell, 4 by default")
    asked = parser.parse_args(arguments)
    count = asked.episodes or (2 if asked.quick else 4)
    print(f"{'':40s} {'utility over the oracle, %':>34s} {'regret bound, mean %':>21s}")
    headings = "DP", "pacing", "even", "myopic", "gone", "DP", "pacing", "myopic"
    print(f"{'':40s}" + "".join(f"{heading:>7s}" for heading in headings))
    for cell in cells(quick=asked.quick):
        held_out = HeldOutEpisodes.of(cell.scenario, count, cell.horizon)
        plays, best = played(cell, held_out), float(held_out.oracle.outcome.mu_utility.sum())
        shares = [f"{100 * float(play.outcome.mu_utility.sum()) / best:7.2f}" for play in plays.values()]
        judged = judge_episodes(held_out, {name: plays[name] for name in _JUDGED})
        shares += [f"{100 * play.relative.mean:7.2f}" for play in judged.values()]
        print(f"{cell.name:40s}{''.join(shares)}", flush=True)


if __name__ == "__main__":
    main()
