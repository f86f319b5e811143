"""Results that outlive an interruption: a line of JSON each, in a file named after the code that gave them."""

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path

import aigc_market_env
import baselines
from baselines.study.execute import Done
from baselines.study.metrics import Figures

#: Files of this folder that decide what a job's figures are; the others only tell of them.
_DECIDING = ("equal_qoe.py", "jobs.py", "metrics.py")
_LIBRARIES = ("numba", "numpy", "scipy")


def code_fingerprint() -> str:
    """Hash of all that decides results: the market, the mechanisms, what is measured, and numerical libraries."""
    market, mechanisms = Path(aigc_market_env.__file__).parent, Path(baselines.__file__).parent
    sources = [*sorted(market.rglob("*.py")), *sorted(mechanisms.glob("*.py"))]
    sources += [Path(__file__).with_name(name) for name in _DECIDING]
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in _LIBRARIES).encode())
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


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
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        self._before = "\n" if text and not text.endswith("\n") else ""
        for line in text.splitlines():
            try:
                key, figures = json.loads(line)
                self._known[key] = dict(figures)
            except (ValueError, TypeError):
                continue

    @classmethod
    def of_this_code(cls, folder: Path) -> "Cache":
        """The results in ``folder`` that the present code gave."""
        return cls(folder / f"{code_fingerprint()}.jsonl")

    def find(self, key: str) -> Done | None:
        """The result of a job, if it is known."""
        figures = self._known.get(key)
        return None if figures is None else Done(key, figures)

    def keep(self, done: Done) -> None:
        """Keep a result unless it is a failure; it is with the system when this returns."""
        if done.error is not None:
            return
        self._known[done.key] = done.figures
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(self._before + json.dumps([done.key, done.figures]) + "\n")
        self._before = ""


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one go: a reader sees the old one or the new one."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
