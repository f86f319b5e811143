"""Evaluate a trained run: how far its pricing is from equilibrium, with confidence intervals and figures.

The policy prices slots that training has not seen; every MU's best deviation is searched, the ASPs responding exactly.

    python evaluate.py runs/campus-seed0
    python evaluate.py runs/campus-seed0 --markets 1024      # more evaluation slots
    python evaluate.py runs/campus-seed0 --markets a.json b.json
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape

from agents.command import run_command
from agents.evaluation import evaluate_leaders
from agents.policy import LeaderPolicy, load_policy
from agents.report import evaluation_table, save_figures
from agents.runs import EVALUATION_FILE, METRICS_FILE, read_json, write_json
from agents.training import read_config
from aigc_market_env import Market, Scenario
from aigc_market_env.scenarios import STATIC


@dataclass(frozen=True)
class Arguments:
    """Evaluate a trained run against exact best responses."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder that train.py wrote."""
    markets: Annotated[tuple[str, ...], tyro.conf.arg(metavar="N|FILE...")] = ("512",)
    """How many evaluation slots of the run's own scenario, or market files to price instead."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where evaluation.json and the figures go; by default the run folder."""


def evaluation_scenario(arguments: Arguments) -> tuple[Scenario, int]:
    """The scenario to evaluate on and how many slots of it.

    Raises:
        ValueError: ``--markets`` is neither a positive number nor readable market files of one size.
    """
    if len(arguments.markets) == 1 and re.fullmatch(r"-?\d{1,9}", arguments.markets[0]):
        slots = int(arguments.markets[0])
        if slots < 1:
            raise ValueError(f"--markets {slots} must be at least 1")
        return read_config(arguments.run).make_scenario(), slots
    if not arguments.markets:
        raise ValueError("--markets needs a number or market files")
    markets = Market.stack([Market.from_json(file) for file in arguments.markets])
    count = len(arguments.markets)
    return Scenario("files", markets.num_mus, markets.num_asps, STATIC, 0, lambda _: markets), count


def learning_curve(run: Path) -> list[dict[str, float]]:
    """The evaluations during training; none when the run has not ended.

    Raises:
        ValueError: the metrics of the run are damaged; the message names the file.
    """
    path = run / METRICS_FILE
    if not path.exists():
        return []
    document = read_json(path)
    try:
        return [
            {key: float(point[key]) for key in ("transitions", "leader_regret_relative")} for point in document["curve"]
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not the metrics of a run: {error!r}") from None


def main(arguments: Arguments, console: Console) -> int:
    """Evaluate one run; the exit status."""
    policy, curve = load_policy(arguments.run), learning_curve(arguments.run)
    if not isinstance(policy, LeaderPolicy):
        raise ValueError(f"{arguments.run} holds a policy of kind {policy.kind!r}, not one of mobile users")
    scenario, slots = evaluation_scenario(arguments)
    with console.status(f"pricing {slots} slots and searching every MU's best response"):
        result = evaluate_leaders(policy.act_batch, scenario, slots, certify=True)
    out = arguments.out or arguments.run
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / EVALUATION_FILE, result.summary())
    figures = save_figures(result, curve, out)
    console.print(evaluation_table(result, escape(f"{arguments.run}: {slots} evaluation slots of {scenario.name}")))
    console.print(f"Written: {EVALUATION_FILE}, {', '.join(path.name for path in figures)} in {out}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
