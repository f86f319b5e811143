"""A policy at a benchmark task: what ``evaluate.py --task`` does, for run folders and for code of a user's own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from agents.policy.files import check_fits, load_policy
from agents.policy.leader_set import LeaderSetPolicy
from agents.torch_settings import one_torch_thread
from aigc_market_env import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks import Policy, Score, Task, make
from aigc_market_env.tasks.judge import Judged, Part, parts_of
from aigc_market_env.tasks.score import by_size, score_of
from experiments.execute import Execute, attempt
from experiments.jobs import Done
from experiments.own_code import NamedCode
from experiments.progress import watch


class Source(Protocol):
    """Where a policy comes from; it travels to workers."""

    @property
    def name(self) -> str:
        """What files call the policy."""
        ...

    def load(self, task: Task) -> Policy:
        """The policy.

        Raises:
            FileNotFoundError: it is not there.
            ValueError: it is damaged, or not for the task.
        """
        ...


@dataclass(frozen=True)
class RunFolder:
    """The policy of a run folder; loading it executes nothing."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    def load(self, task: Task) -> Policy:
        """See :class:`Source`."""
        policy = load_policy(self.folder)
        if policy.any_size or task.view == "market":
            if isinstance(policy, LeaderSetPolicy) and task.view == "market":
                return {"mu": _Pricing(policy.mus.rewards)}
            kind = "any size" if policy.any_size else "one market"
            raise ValueError(f"{self.folder} holds a policy for {kind}, which {task.name} does not ask for")
        if task.view != "board":
            raise ValueError(f"{self.folder} holds a policy that sees the price board; {task.name} shows otherwise")
        acting: Mapping[str, Any] = {"mu": policy.mus, "asp": policy.asps}
        missing = [role for role in task.roles if acting[role] is None]
        if missing:
            raise ValueError(f"{self.folder} holds no policy of {missing[0].upper()}s, which {task.name} asks for")
        check_fits(policy, self.folder, task.test_scenarios[0])
        return {role: acting[role].act_batch for role in task.roles}


@dataclass(frozen=True)
class _Pricing:
    """Rewards of a set policy as shares of the bound."""

    rewards: Any

    def __call__(self, market: Market) -> FloatArray:
        shares: FloatArray = self.rewards(market) / market.reward_bound[..., None]
        return shares


@dataclass(frozen=True)
class OwnCode:
    """A function of a file or module, a mapping of them, or a class of one; its file is executed."""

    code: NamedCode

    @property
    def name(self) -> str:
        """As it was named."""
        return self.code.text

    def load(self, task: Task) -> Policy:
        """See :class:`Source`; a class is called without arguments, once in a process."""
        return _loaded(self.code)


@cache
def _loaded(code: NamedCode) -> Policy:
    module = code.load()
    found = getattr(module, code.attribute, None)
    if found is None:
        raise ValueError(f"{code.option} {code.text}: {code.file} has no {code.attribute}")
    policy: Policy = found() if isinstance(found, type) else found
    return policy


@dataclass(frozen=True)
class TaskPart:
    """Some test episodes of a task, as a job.

    Attributes:
        task: its name.
        source: of the policy.
        part: which episodes.
    """

    task: str
    source: Source
    part: Part

    @property
    def key(self) -> str:
        """Which episodes of which size."""
        return f"{self.source.name} at {self.task}, {self.part}"

    def run(self) -> Judged:
        """Play them; torch computes on one thread, so that the bits do not depend on the number of cores."""
        task = make(self.task)
        with one_torch_thread():
            return self.part.play(task, self.source.load(task))


def judge_at_task(task: Task, source: Source, execute: Execute, console: Console) -> tuple[Score, list[Judged]]:
    """The score of a policy, and what it is made of, of each size; wherever jobs are done.

    Raises:
        FileNotFoundError: the policy is not there.
        OSError: workers were lost.
        ValueError: it is not for the task, or playing failed.
    """
    jobs = [TaskPart(task.name, source, part) for part in parts_of(task)]
    _result_of(attempt(replace(jobs[0], part=replace(jobs[0].part, count=1))), source)  # what is wrong is told at once
    done = watch(f"judging at {task.name}", execute(jobs), {job.key: job.part.count for job in jobs}, console)
    judged = [_result_of(done[job.key], source) for job in jobs]
    whole = by_size([job.part for job in jobs], judged)
    return score_of(task, whole, source.name), whole


def _result_of(done: Done[Judged], source: Source) -> Judged:
    if done.result is None:
        raise ValueError(f"{source.name}: {done.error}")
    return done.result
