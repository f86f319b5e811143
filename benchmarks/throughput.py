"""Agent-steps per second of the PettingZoo loops, beside mpe2's simple_spread with as many agents, in the same run.

Every contender plays random actions drawn beforehand, in short turns one after the other, so that a drift of the
machine's speed meets all of them. Medians over the turns are what to quote; absolute figures hold for one machine and
moment only.

    make bench
    python benchmarks/throughput.py --seconds 2 --repeats 9 --json throughput.json
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from mpe2 import simple_spread_v3
from rich.console import Console
from rich.table import Table

from aigc_market_env import BatchedMarketEnv, market_v0

_DRAWN = 64  # action sets drawn beforehand and played in turn


@dataclass(frozen=True)
class Arguments:
    """Measure agent-steps per second of this package's environments and of mpe2."""

    seconds: float = 1.0
    """Length of a turn."""
    repeats: int = 7
    """Turns of each contender."""
    json: Path | None = None
    """Where to write the figures as JSON."""


class ParallelLoop:
    """A Parallel environment and actions to play."""

    def __init__(self, env: Any) -> None:
        self.env = env
        env.reset(seed=0)
        self.agents = len(env.agents)
        self.actions = [{agent: env.action_space(agent).sample() for agent in env.agents} for _ in range(_DRAWN)]

    def play(self, seconds: float) -> float:
        """Agent-steps per second."""
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            if not self.env.agents:
                self.env.reset()
            self.env.step(self.actions[steps % _DRAWN])
            steps += 1
        return steps * self.agents / (time.perf_counter() - began)


class AecLoop:
    """An AEC environment and actions to play."""

    def __init__(self, env: Any) -> None:
        self.env = env
        env.reset(seed=0)
        self.actions = {agent: env.action_space(agent).sample() for agent in env.possible_agents}

    def play(self, seconds: float) -> float:
        """Agent-steps per second."""
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.env.reset()
            for agent in self.env.agent_iter():
                _, _, terminated, truncated, _ = self.env.last()
                self.env.step(None if terminated or truncated else self.actions[agent])
                steps += 1
        return steps / (time.perf_counter() - began)


class BatchedLoop:
    """A batched environment and actions to play."""

    def __init__(self, num_envs: int, asps: str) -> None:
        self.env = BatchedMarketEnv("campus", num_envs, asps=asps, seed=0)  # type: ignore[arg-type]
        self.env.reset()
        rng = np.random.default_rng(0)
        groups = {"mu": self.env.num_mus, "asp": self.env.num_asps}
        self.agents = num_envs * sum(groups[name] for name in self.env.single_action_space)
        self.actions = {
            name: rng.random((num_envs, groups[name], *space.shape))
            for name, space in self.env.single_action_space.items()
        }

    def play(self, seconds: float) -> float:
        """Agent-steps per second."""
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.env.step(self.actions)
            steps += 1
        return steps * self.agents / (time.perf_counter() - began)


def contenders() -> dict[str, Callable[[float], float]]:
    """What is measured, by name."""
    spread = {"N": 12, "continuous_actions": True, "max_cycles": 64}
    return {
        "campus, Parallel, ASPs as agents (12 agents)": ParallelLoop(market_v0.parallel_env()).play,
        "campus, Parallel, best response (8 agents)": ParallelLoop(market_v0.parallel_env(asps="best_response")).play,
        "mpe2 simple_spread, Parallel (12 agents)": ParallelLoop(simple_spread_v3.parallel_env(**spread)).play,
        "campus, AEC (12 agents)": AecLoop(market_v0.env()).play,
        "mpe2 simple_spread, AEC (12 agents)": AecLoop(simple_spread_v3.env(**spread)).play,
        "campus, batch of 1,024, ASPs as agents": BatchedLoop(1024, "agents").play,
        "campus, batch of 1,024, best response": BatchedLoop(1024, "best_response").play,
    }


def main(arguments: Arguments) -> None:
    """Measure and print."""
    console = Console()
    loops = contenders()
    with console.status("compiling and warming up"):
        for play in loops.values():
            play(0.2)
    rates: dict[str, list[float]] = {name: [] for name in loops}
    with console.status("measuring"):
        for _ in range(arguments.repeats):
            for name, play in loops.items():
                rates[name].append(play(arguments.seconds))
    reference = {
        kind: statistics.median(rates[f"mpe2 simple_spread, {kind} (12 agents)"]) for kind in ("Parallel", "AEC")
    }
    table = Table(title=f"agent-steps per second, {arguments.repeats} turns of {arguments.seconds:g} s each")
    for heading in ("", "median", "lowest", "highest", "times mpe2"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, values in rates.items():
        ratio = statistics.median(values) / reference["AEC" if "AEC" in name else "Parallel"]
        table.add_row(
            name, *(f"{v:,.0f}" for v in (statistics.median(values), min(values), max(values))), f"{ratio:.1f}"
        )
    console.print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(rates, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
