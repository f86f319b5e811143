"""Results that outlive an interruption: a line of JSON each, in one file."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from aigc_market_env.files import naming
from baselines.study.metrics import Figures
from experiments.execute import Execute
from experiments.jobs import Done, Job

#: Name of the file in a study's folder.
CACHE_FILE = "results.jsonl"


class Cache:
    """Figures by the key of their job, in one file that is only ever appended to.

    Numbers survive the round trip bit for bit. A last line that was cut short is ignored. Failures are not kept, so
    they are tried again.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Figures] = {}
        text = path.read_text(encoding="utf-8-sig", errors="replace") if path.exists() else ""
        self._before = "\n" if text and not text.endswith("\n") else ""
        for line in text.splitlines():
            try:
                key, figures = json.loads(line)
                self._known[key] = dict(figures)
            except (ValueError, TypeError):
                continue

    def find(self, key: str) -> Done[Figures] | None:
        """The result of a job, if it is known."""
        figures = self._known.get(key)
        return None if figures is None else Done(key, figures)

    def keep(self, done: Done[Figures]) -> None:
        """Keep a result unless it is a failure; it is with the system when this returns."""
        if done.result is None:
            return
        self._known[done.key] = done.result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with naming(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(self._before + json.dumps([done.key, done.result]) + "\n")
        self._before = ""


def done_or_known(jobs: Sequence[Job[Figures]], cache: Cache, execute: Execute) -> Iterator[Done[Figures]]:
    """Do what is not known yet; an interruption loses nothing but the jobs under way."""
    unknown: list[Job[Figures]] = []
    for job in jobs:
        known = cache.find(job.key)
        if known is None:
            unknown.append(job)
        else:
            yield known
    if unknown:
        for result in execute(unknown):
            cache.keep(result)
            yield result
