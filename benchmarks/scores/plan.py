"""The runs that there are to make, and what is kept of each: a JSON file with its score, the seed, and what it took."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_market_env.evaluation.leaders import evaluate_leaders
from aigc_market_env.files import read_json, write_whole
from aigc_market_env.tasks import Policy, Task, make, score
from benchmarks.scores.entrants import ENTRANTS, Effort
from benchmarks.scores.market_play import MarketPlay

#: What curves are measured in: training markets that nobody learns from.
_CURVE_SEED, _CURVE_SLOTS = 10**14, 64


@dataclass(frozen=True)
class Run:
    """An algorithm, once trained from a seed, and judged on one task or on several.

    Attributes:
        entrant: name of the algorithm.
        seed: of the learner.
        tasks: names.
        effort: how much it learns from; see :class:`~benchmarks.scores.entrants.Effort`.
    """

    entrant: str
    seed: int
    tasks: tuple[str, ...]
    effort: int

    @property
    def key(self) -> str:
        """For progress bars and messages."""
        return f"{self.entrant} {self.seed} {' '.join(self.tasks)}"

    def run(self) -> dict[str, dict[str, Any]]:
        """Train and judge; the documents by task."""
        entrant, curve = ENTRANTS[self.entrant], []
        first = make(entrant.trained_on or self.tasks[0])

        def watch(transitions: int, seconds: float, policy: Policy) -> None:
            regret = evaluate_leaders(policy, first.scenario, _CURVE_SLOTS, _CURVE_SEED, view=first.view)  # type: ignore[arg-type]
            curve.append(
                {"transitions": transitions, "seconds": seconds, "relative_regret": regret.leader_regret_relative}
            )

        began = time.perf_counter()
        watched = watch if self.tasks[0] in entrant.watched else None
        policy, transitions = entrant.fit(first, self.seed, self.effort, watched)
        seconds = curve[-1]["seconds"] if curve else time.perf_counter() - began
        documents = {}
        for name in self.tasks:
            task, began = make(name), time.perf_counter()
            judged = score(task, self._on(task, policy), entrant.label).document()
            documents[name] = {
                "algorithm": self.entrant,
                "seed": self.seed,
                "effort": self.effort,
                "transitions": transitions,
                "seconds": {"train": round(seconds, 2), "judge": round(time.perf_counter() - began, 2)},
                "curve": curve,
                "score": judged,
            }
        return documents

    def _on(self, task: Task, policy: Any) -> Policy:
        """What acts in a task of what was fitted in another."""
        entrant = ENTRANTS[self.entrant]
        return MarketPlay(task, lambda market, _: policy(market), self.seed) if entrant.trained_on else policy


def runs(entrants: Sequence[str], tasks: Sequence[str], seeds: int, effort: Effort, out: Path) -> list[Run]:
    """The runs that are not yet in a folder with as much effort, on the task's markets; the first seeds of all first.

    Raises:
        ValueError: there is no such entrant or task.
    """
    for what, named, known in (("entrants", entrants, ENTRANTS), ("tasks", tasks, all_tasks())):
        unknown = [name for name in named if name not in known]
        if unknown:
            raise ValueError(f"--{what} {' '.join(unknown)}: there is none; there are {', '.join(known)}")
    found = []
    for seed in range(1, seeds + 1):
        for name in entrants:
            entrant, amount = ENTRANTS[name], effort.of(name)
            left = tuple(
                task
                for task in tasks
                if task in entrant.tasks and not _made(path_of(out, task, name, seed), task, amount)
            )
            if not left or (seed > 1 and not entrant.seeded):
                continue
            groups: Iterable[tuple[str, ...]] = [left] if entrant.trained_on else [(task,) for task in left]
            found += [Run(name, seed, group, amount) for group in groups]
    return found


def _made(path: Path, task: str, effort: int) -> bool:
    """Whether a run is kept, of as much effort, and judged in the markets that the task has now."""
    if not path.exists():
        return False
    document = read_json(path)
    return bool(document["effort"] == effort and document["score"]["markets_sha256"] == make(task).fingerprint)


def all_tasks() -> list[str]:
    """That any entrant applies to."""
    return list(dict.fromkeys(task for entrant in ENTRANTS.values() for task in entrant.tasks))


def path_of(out: Path, task: str, entrant: str, seed: int) -> Path:
    """Where a run is kept."""
    return out / task / f"{entrant}-{seed}.json"


def keep(documents: dict[str, dict[str, Any]], out: Path) -> None:
    """Write what a run came to, a file a task."""
    for task, document in documents.items():
        path = path_of(out, task, document["algorithm"], document["seed"])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(document, allow_nan=False) + "\n").encode())


def kept(out: Path) -> list[dict[str, Any]]:
    """All runs in a folder, by task, entrant and seed."""
    found = [read_json(path) for path in out.glob("*/*.json")]
    names = list(ENTRANTS)
    return sorted(found, key=lambda one: (one["score"]["task"], names.index(one["algorithm"]), one["seed"]))
