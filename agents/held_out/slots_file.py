"""Every slot of an evaluation as a tidy table: a row for each run, market size, slot, play and agent.

============================  ==========================================================================================
column                        meaning
============================  ==========================================================================================
run                           folder of the run
size                          of the markets, "8x4" for 8 MUs and 4 ASPs
slot                          number of the evaluation slot; a number and size mean the same slot for all runs and plays
play                          what was done in the slot, see :func:`aigc_market_env.evaluation.plays.plays_of`
agent                         "mu_3" or "asp_0"
payoff                        utility of an MU, profit of an ASP, credits per slot
regret                        what the agent could gain by deviating, credits per slot
reference                     what the regret is relative to, credits per slot: utility of an MU at equilibrium, the
                              best profit of an ASP at the rewards posted
payments                      paid by an MU, received by an ASP, credits per slot
cost                          of the resources that an ASP used, credits per slot; empty for MUs
qoe                           delivered to an MU, or by an ASP
qoe_accuracy, …               its three terms, which sum to it
compute_in_use                share of an ASP's compute; empty for MUs
bandwidth_in_use              share of an ASP's bandwidth; empty for MUs
============================  ==========================================================================================

A slot's welfare is the sum of its payoffs, its NashConv that of its regrets.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from agents.held_out.runs import HeldOut
from aigc_market_env.evaluation.plays import Play
from aigc_market_env.files import replacing
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.model.qoe import QOE_DIMENSIONS

SLOTS_FILE = "slots.csv"
_KEYS = ("run", "size", "slot", "play", "agent")
_QOE = tuple(f"qoe_{name}" for name in QOE_DIMENSIONS)
_NUMBERS = ("payoff", "regret", "reference", "payments", "cost", "qoe", *_QOE, "compute_in_use", "bandwidth_in_use")


def write_slots(runs: Iterable[HeldOut], path: Path) -> None:
    """Write the table as CSV, whole or not at all; numbers have six significant digits."""
    with replacing(path) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow((*_KEYS, *_NUMBERS))
        for run in runs:
            for size, plays in run.plays.items():
                for name, play in plays.items():
                    rows.writerows((run.name, size, slot, name, *rest) for slot, *rest in _rows(play))


def _rows(play: Play) -> Iterator[list[str | int]]:
    """Of one play: slot, agent and numbers."""
    mus, asps = _of_mus(play), _of_asps(play)
    for slot in range(len(mus)):
        for group, table in (("mu", mus), ("asp", asps)):
            for i, numbers in enumerate(table[slot]):
                yield [slot, f"{group}_{i}", *("" if np.isnan(number) else f"{number:.6g}" for number in numbers)]


def _of_mus(play: Play) -> FloatArray:
    """Numbers of every slot and MU, in the order of the columns. (S, M, 11)."""
    outcome = play.outcome
    none = np.full_like(outcome.mu_utility, np.nan)
    terms = outcome.qoe_terms.sum(axis=2)
    columns = [
        outcome.mu_utility,
        play.leader_regret,
        play.mu_scale,
        outcome.service_cost,
        none,
        outcome.qoe.sum(axis=2),
    ]
    return np.stack([*columns, *np.moveaxis(terms, -1, 0), none, none], axis=-1)


def _of_asps(play: Play) -> FloatArray:
    """The same of every slot and ASP. (S, N, 11)."""
    outcome = play.outcome
    terms = outcome.qoe_terms.sum(axis=1)
    received, delivered = outcome.payment.sum(axis=1), outcome.qoe.sum(axis=1)
    columns = [outcome.asp_profit, play.follower_regret, play.asp_scale, received, outcome.asp_cost, delivered]
    return np.stack([*columns, *np.moveaxis(terms, -1, 0), *np.moveaxis(outcome.utilisation, -1, 0)], axis=-1)
