"""Evaluate a trained run: how far it is from equilibrium, with confidence intervals and figures.

The policies act in slots that training has not seen. Every MU's best deviation is searched, the ASPs responding
exactly; every ASP's profit is compared with that of its exact best response. A run of both sides is measured twice, the
MUs among exact ASPs and among learned ones. A run of providers serves the rewards that it was trained on.

    python evaluate.py runs/campus-seed0
    python evaluate.py runs/campus-seed0 --markets 1024      # more evaluation slots
    python evaluate.py runs/campus-seed0 --markets a.json b.json

Another command compares mechanisms instead of a run: python evaluate.py mechanisms --help
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape

from agents.command import run_command
from agents.config import FollowerConfig, read_config
from agents.evaluation import evaluate_leaders
from agents.figures import REGRETS, Evaluation
from agents.follower_evaluation import evaluate_followers
from agents.follower_policy import FollowerPolicy
from agents.joint_evaluation import evaluate_both
from agents.joint_policy import JointPolicy
from agents.policy import AnyPolicy, LeaderPolicy, load_policy
from agents.report import evaluation_table, save_figures
from agents.runs import EVALUATION_FILE, METRICS_FILE, read_json, write_json
from agents.training import source_of
from aigc_market_env import Market, Scenario
from aigc_market_env.scenarios import STATIC
from baselines.study import command as mechanisms


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
        return [_numbers(point) for point in document["curve"]]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not the metrics of a run: {error!r}") from None


def _numbers(point: dict[str, Any]) -> dict[str, float]:
    shown = {name: float(point[name]) for name in REGRETS if name in point}
    if not shown:
        raise ValueError(f"a point has none of {', '.join(REGRETS)}")
    return shown | {"transitions": float(point["transitions"])}


def evaluate(run: Path, policy: AnyPolicy, scenario: Scenario, slots: int) -> Evaluation:
    """Measure the policy of a run.

    Raises:
        ValueError: the policy is for markets of another size, or the configuration does not fit it.
    """
    if isinstance(policy, JointPolicy):
        return evaluate_both(policy.mus.act_batch, policy.asps.act_batch, scenario, slots, certify=True)
    if isinstance(policy, LeaderPolicy):
        return evaluate_leaders(policy.act_batch, scenario, slots, certify=True)
    if not isinstance(policy, FollowerPolicy):
        raise ValueError(f"{run} holds a policy of kind {policy.kind!r}; only those of PPO can be evaluated here")
    config = read_config(run)
    if not isinstance(config, FollowerConfig):
        raise ValueError(f"{run} holds a policy of providers, but its configuration is of {config.side}")
    return evaluate_followers(policy.act_batch, scenario, slots, source_of(config))


def main(arguments: Arguments, console: Console) -> int:
    """Evaluate one run; the exit status."""
    policy, curve = load_policy(arguments.run), learning_curve(arguments.run)
    scenario, slots = evaluation_scenario(arguments)
    with console.status(f"playing {slots} slots and searching best responses"):
        result = evaluate(arguments.run, policy, scenario, slots)
    out = arguments.out or arguments.run
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / EVALUATION_FILE, result.summary())
    figures = save_figures(result, curve, out)
    console.print(evaluation_table(result, escape(f"{arguments.run}: {slots} evaluation slots of {scenario.name}")))
    console.print(f"Written: {EVALUATION_FILE}, {', '.join(path.name for path in figures)} in {out}", markup=False)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["mechanisms"]:
        sys.argv[:2] = [f"{sys.argv[0]} mechanisms"]
        sys.exit(run_command(mechanisms.main, mechanisms.Arguments, mechanisms.__doc__))
    sys.exit(run_command(main, Arguments, __doc__))
