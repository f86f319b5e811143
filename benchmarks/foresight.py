"""What foresight and planning are worth to mobile users with wallets: those who know the whole episode, and others.

    python -m benchmarks.foresight --figure docs/foresight.png  # every cell, some 20 minutes of a core
    python -m benchmarks.foresight --quick                      # the preset's cell and its nearest, a few minutes

One market of campus, and wallets as those of the preset prepaid. One of three things is varied at a time, the others
being the preset's: what wallets can hold (in slots' spending), slots in an episode, and how demand changes. The oracle
knows the path. Dynamic programming knows how the market changes, but not how it will. Adaptive pacing and even spending
know nothing of that; myopic play does not plan. All of them play equilibria of slots, at levels or budgets of their
own, so that what they are apart is planning alone. Shown are utilities over the oracle's, and bounds on the mean
regret, which are against hindsight. What is learned is measured by benchmarks.planning.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.reports.figures import plain_logarithmic
from aigc_market_env import Episode, Scenario, Wallet, WalletRange
from aigc_market_env.evaluation.episodes import HeldOutEpisodes, judge_episodes, play_by
from aigc_market_env.files import replacing
from aigc_market_env.scenarios import Dynamics
from aigc_market_env.scenarios.presets import PREPAID_DYNAMICS, PREPAID_WALLETS
from baselines.episodes import AdaptivePacing, EvenSpending, Myopic, UntilGone
from baselines.episodes.dynamic_programming import DynamicProgramming

#: Whose regret is bounded, as they are called in the figure, and how they are drawn.
_JUDGED = {
    "dynamic_programming": ("dynamic programming", "#0072b2", "o"),
    "adaptive_pacing": ("adaptive pacing", "#e69f00", "s"),
    "myopic": ("myopic", "#d55e00", "^"),
}
_CAP, _LENGTH, _DEMAND = "wallets hold, slots' spending", "slots in an episode", "demand"
#: How demand changes, the preset's way among them.
BURSTS: dict[str, Dynamics] = {
    "fading, load": replace(PREPAID_DYNAMICS, worth_deviation=0.0, urgent_probability=0.0),
    "urgent × 4": replace(PREPAID_DYNAMICS, urgent_factor=4.0),
    "prepaid": PREPAID_DYNAMICS,
    "urgent for 4 slots": replace(PREPAID_DYNAMICS, urgent_probability=0.04, urgent_slots=4.0),
    "worth × e": replace(PREPAID_DYNAMICS, worth_deviation=1.0),
}


class Cell(NamedTuple):
    """A scenario and how long its episodes are, what of it is varied, and how."""

    varied: str
    value: str
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
    """All of them; the preset's own stands among those of every kind."""
    usual = Cell("", "", PREPAID_DYNAMICS, PREPAID_WALLETS, 64)
    caps = [
        usual._replace(varied=_CAP, value=f"{cap:g}", wallets=wallets_of(cap)) for cap in (2.0, 4.0, 8.0, 32.0, np.inf)
    ]
    caps.insert(3, usual._replace(varied=_CAP, value="8 to 24"))
    lengths = [usual._replace(varied=_LENGTH, value=f"{length}", horizon=length) for length in (16, 32, 64, 128)]
    demands = [usual._replace(varied=_DEMAND, value=name, dynamics=BURSTS[name]) for name in BURSTS]
    return [caps[0], caps[3], lengths[0], demands[0]] if quick else [*caps, *lengths, *demands]


def played(cell: Cell, held_out: HeldOutEpisodes) -> dict[str, Episode]:
    """Every play of the cell's episodes, by its name."""
    planned = DynamicProgramming.of(cell.scenario, cell.horizon)
    mechanisms = planned, AdaptivePacing(), EvenSpending(), Myopic(), UntilGone()
    return {mechanism.name: play_by(mechanism, held_out) for mechanism in mechanisms}


class Measured(NamedTuple):
    """What plays of a cell come to, in %."""

    utilities: list[float]  # over the oracle's, of every mechanism
    regrets: dict[str, float]  # bounds on the mean, over utility at equilibrium, of those judged


def measured(cell: Cell, episodes: int) -> Measured:
    """Play the cell's held-out episodes."""
    held_out = HeldOutEpisodes.of(cell.scenario, episodes, cell.horizon)
    plays, best = played(cell, held_out), float(held_out.oracle.outcome.mu_utility.sum())
    judged = judge_episodes(held_out, {name: plays[name] for name in _JUDGED})
    return Measured(
        [100 * float(play.outcome.mu_utility.sum()) / best for play in plays.values()],
        {name: 100 * play.relative.mean for name, play in judged.items()},
    )


def drawn(found: Mapping[Cell, Measured]) -> Figure:
    """Bounds on regret against hindsight over what is varied, a panel each."""
    kinds = list(dict.fromkeys(cell.varied for cell in found))
    figure = Figure(figsize=(7.1, 3.2), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for panel, kind in zip(panels, kinds, strict=True):
        _draw(panel, kind, {cell.value: one.regrets for cell, one in found.items() if cell.varied == kind})
    panels[0].set_ylabel("bound on mean regret\nagainst hindsight, %", fontsize=8)
    plain_logarithmic(panels[0].yaxis, fine=True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw(panel: Axes, kind: str, regrets: Mapping[str, Mapping[str, float]]) -> None:
    for name, (label, colour, marker) in _JUDGED.items():
        values = [of_cell[name] for of_cell in regrets.values()]
        # Kinds of demand have no order that a line could follow.
        panel.plot(values, color=colour, marker=marker, linestyle="" if kind == _DEMAND else "-", label=label)
    panel.set_xticks(range(len(regrets)), [value.replace("inf", "∞") for value in regrets])
    panel.set_yscale("log")
    panel.set_xlabel(kind, fontsize=8)
    panel.tick_params(which="both", labelsize=7.5)
    if kind == _DEMAND:
        for tick in panel.get_xticklabels():
            tick.set(rotation=30, ha="right", rotation_mode="anchor")
    panel.grid(color="0.92")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cells, print a line for each as it is done, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few cells, of two episodes each")
    parser.add_argument("--episodes", type=int, help="episodes in a cell, 4 by default")
    parser.add_argument("--figure", type=Path, help="PNG to write")
    asked = parser.parse_args(arguments)
    count = asked.episodes or (2 if asked.quick else 4)
    print(f"{'':48s} {'utility over the oracle, %':>34s} {'regret bound, mean %':>21s}")
    headings = "DP", "pacing", "even", "myopic", "gone", "DP", "pacing", "myopic"
    print(f"{'':48s}" + "".join(f"{heading:>7s}" for heading in headings))
    found: dict[Cell, Measured] = {}
    for cell in cells(quick=asked.quick):
        # The preset's own cell is the same in every kind.
        same = next((one for other, one in found.items() if other[2:] == cell[2:]), None)
        found[cell] = same or measured(cell, count)
        figures = [*found[cell].utilities, *found[cell].regrets.values()]
        print(f"{f'{cell.varied}: {cell.value}':48s}" + "".join(f"{value:7.2f}" for value in figures), flush=True)
    if asked.figure is not None:
        with replacing(asked.figure) as new:
            drawn(found).savefig(new, format="png")


if __name__ == "__main__":
    main()
