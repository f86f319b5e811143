"""How good a policy is at a task."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from typing import Any, Self

from aigc_market_env.files import read_json, write_whole
from aigc_market_env.tasks.figures import (
    Estimate,
    Worst,
    finite,
    nash_conv_of,
    normalised_of,
    relative_regret_of,
    utility_ratio_of,
    worst_of,
)
from aigc_market_env.tasks.judge import Judged, Part, parts_of
from aigc_market_env.tasks.policy import Policy
from aigc_market_env.tasks.table import make
from aigc_market_env.tasks.task import Role, Task

SCHEMA = "aigc-market-score/1"
_LIBRARIES = ("aigc-market-env", "numpy", "numba", "scipy")


@dataclass(frozen=True)
class Score:
    """What a policy comes to at a task; ``print`` shows it in a table.

    Attributes:
        task: name of the task.
        policy: what the policy is called.
        episodes: that it was judged in; of each one slot, or all where MUs have wallets.
        relative_regret: of each role that acts by the policy: the metric of tasks, lower is better.
        worst: of each role, the agent that forgoes most of its own.
        nash_conv: sum of the regrets of all who act by the policy, credits per slot, or per episode.
        utility_ratio: of each role, of the mean utility at equilibrium (MUs) or of best profits (ASPs).
        normalised: 1 at an equilibrium, 0 for uniform play.
        uniform: relative regret of uniform play, of each role.
        certified: share of the equilibria compared with that are certified; None in tasks of ASPs alone.
        mixed: share of those in which MUs mix; likewise.
        fingerprint: of the test markets.
        versions: of Python, the package and what it stands on.
    """

    task: str
    policy: str
    episodes: int
    relative_regret: Mapping[Role, Estimate]
    worst: Mapping[Role, Worst]
    nash_conv: Estimate
    utility_ratio: Mapping[Role, Estimate]
    normalised: Estimate
    uniform: Mapping[Role, float]
    certified: float | None
    mixed: float | None
    fingerprint: str
    versions: Mapping[str, str]

    def __str__(self) -> str:
        lines = [f"{self.task}: {self.policy}, {self.episodes} test episodes", f"{'':36}{'':>12}  95 % interval"]
        for role, regret in self.relative_regret.items():
            agents, worst = f"{role.upper()}s", self.worst[role]
            lines += [
                _line(f"relative regret of {agents}", regret, per_cent=True),
                f"{'  of the worst, of its own':36}{_per_cent(worst.value):>12}  {worst.agent}",
                f"{'  in uniform play':36}{_per_cent(self.uniform[role]):>12}",
                _line(f"payoff of {agents}, of the reference", self.utility_ratio[role], per_cent=True),
            ]
        lines += [
            _line("NashConv, credits", self.nash_conv),
            _line("score: 0 uniform play, 1 equilibrium", self.normalised),
        ]
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """As it goes into JSON, with nothing in it that differs from run to run."""
        roles = {
            role: {
                "relative_regret": self.relative_regret[role].document(),
                "worst_agent": {"value": finite(self.worst[role].value), "agent": self.worst[role].agent},
                "utility_ratio": self.utility_ratio[role].document(),
                "relative_regret_of_uniform_play": finite(self.uniform[role]),
            }
            for role in self.relative_regret
        }
        return {
            "schema": SCHEMA,
            "task": self.task,
            "policy": self.policy,
            "episodes": self.episodes,
            "markets_sha256": self.fingerprint,
            "normalised": self.normalised.document(),
            "nash_conv": self.nash_conv.document(),
            "roles": roles,
            "equilibria_certified": self.certified,
            "equilibria_mixed": self.mixed,
            "versions": dict(self.versions),
        }

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write it into a file, whole or not at all: a submission.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(path, (json.dumps(self.document(), indent=2, allow_nan=False) + "\n").encode())

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no score, of a task that this version does not have, or of other test markets than its.
        """
        document = read_json(path)
        try:
            if document["schema"] != SCHEMA:
                raise ValueError(f"schema = {document['schema']!r}, expected {SCHEMA!r}")
            task, fingerprint = make(document["task"]), document["markets_sha256"]
            if fingerprint != task.fingerprint:
                raise ValueError(f"it is of other test markets than {task.name} has here: SHA-256 {fingerprint}")
            return cls._of_document(document)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a score: {error}") from None

    @classmethod
    def _of_document(cls, document: dict[str, Any]) -> Self:
        roles = document["roles"]
        return cls(
            task=document["task"],
            policy=str(document["policy"]),
            episodes=int(document["episodes"]),
            relative_regret={role: _estimate(one["relative_regret"]) for role, one in roles.items()},
            worst={
                role: Worst(_number(one["worst_agent"]["value"]), one["worst_agent"]["agent"])
                for role, one in roles.items()
            },
            nash_conv=_estimate(document["nash_conv"]),
            utility_ratio={role: _estimate(one["utility_ratio"]) for role, one in roles.items()},
            normalised=_estimate(document["normalised"], endless=-math.inf),
            uniform={role: _number(one["relative_regret_of_uniform_play"]) for role, one in roles.items()},
            certified=document["equilibria_certified"],
            mixed=document["equilibria_mixed"],
            fingerprint=document["markets_sha256"],
            versions=document["versions"],
        )


def score(task: Task | str, policy: Policy, name: str = "") -> Score:
    """Play a task's test markets by a policy, and measure how far from an equilibrium that is.

    It takes seconds to a minute of two cores. The policy is called for some markets at a time; who else acts responds
    exactly, or posts what the task says.

    Args:
        task: the task, or its name.
        policy: a function from observations to actions, or one for each role, ``{"mu": …, "asp": …}``; see
            docs/tasks.md#policies.
        name: what the policy is called.

    Returns:
        The :class:`Score`, to the same bits on any number of cores, if the policy's actions are.

    Raises:
        ValueError: there is no such task, or the policy's actions are not those of the task.

    Examples:
        >>> import numpy as np
        >>> from aigc_market_env import tasks
        >>> def act(observations):  # (markets, 8 MUs, 41 entries)
        ...     return np.full((*observations.shape[:2], 4), 0.1)
        >>> result = tasks.score("campus-v1", act)  # doctest: +SKIP
    """
    task = make(task) if isinstance(task, str) else task
    parts = parts_of(task)
    judged = [part.play(task, policy) for part in parts]
    return score_of(task, by_size(parts, judged), name or _name_of(policy))


def by_size(parts: Sequence[Part], judged: Sequence[Judged]) -> list[Judged]:
    """What was found in parts, put together size by size."""
    of_size: dict[int, list[Any]] = {}
    for part, found in zip(parts, judged, strict=True):
        of_size.setdefault(part.size, []).append(found)
    return [type(found[0]).together(found) for found in of_size.values()]


def score_of(task: Task, judged: Sequence[Judged], name: str) -> Score:
    """The score of what was found in a task's test markets, of each size."""
    found = [one.found(task.roles) for one in judged]
    certified, mixed = (
        None if None in shares else sum(share for share in shares if share is not None) / len(shares)
        for shares in zip(*(one.certificates() for one in judged), strict=True)
    )
    return Score(
        task=task.name,
        policy=name,
        episodes=sum(map(len, task.test_seeds)),
        relative_regret={role: relative_regret_of(found, role) for role in task.roles},
        worst={role: worst_of(found, role) for role in task.roles},
        nash_conv=nash_conv_of(found),
        utility_ratio={role: utility_ratio_of(found, role) for role in task.roles},
        normalised=normalised_of(found),
        uniform={role: relative_regret_of(found, role, uniform=True).value for role in task.roles},
        certified=certified,
        mixed=mixed,
        fingerprint=task.fingerprint,
        versions=_versions(),
    )


def _name_of(policy: Policy) -> str:
    return "policy" if isinstance(policy, Mapping) else getattr(policy, "__name__", type(policy).__name__)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:  # run from the repository's folder
            found[library] = "unknown"
    return found


def _number(value: float | None, endless: float = math.inf) -> float:
    return endless if value is None else float(value)


def _estimate(document: Mapping[str, Any], endless: float = math.inf) -> Estimate:
    interval = document["interval_95"]
    ends = None if interval is None else (float(interval[0]), float(interval[1]))
    return Estimate(_number(document["value"], endless), ends)


def _line(label: str, estimate: Estimate, *, per_cent: bool = False) -> str:
    shown = _per_cent if per_cent else (lambda value: f"{value:.4g}")
    ends = "" if estimate.interval is None else f"{shown(estimate.interval[0])} to {shown(estimate.interval[1])}"
    return f"{label:36}{shown(estimate.value):>12}  {ends}".rstrip()


def _per_cent(value: float) -> str:
    return f"{100.0 * value:.3g} %"
