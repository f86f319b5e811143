"""Runs every training of :mod:`interop` in its virtual environment and prints what came of them as a table.

``make interop`` makes the environments first. A library that fails has a row that says why, and the exit status is 1.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.markup import escape

from aigc_market_env.files import write_whole
from experiments.places import check_file
from experiments.tables import NumberTable
from experiments.terminal import PlainConsole, lasting_output

ENVIRONMENTS = Path(".interop")
LIBRARIES = ("supersuit", "torchrl", "benchmarl", "rllib")
#: A training takes a minute or two; what takes this long hangs.
_LIMIT = 1800.0

Row = dict[str, Any]


def run(library: str) -> list[Row]:
    """The rows of one library, or one row with ``"error"``; its log goes to ``.interop/LIBRARY.log``."""
    log = ENVIRONMENTS / f"{library}.log"
    command = [str(ENVIRONMENTS / library / "bin" / "python"), "-W", "ignore", "-m", f"interop.with_{library}"]
    # The networks are tiny, threads would wait for one another; and some libraries go through sets of names.
    surroundings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    start = time.perf_counter()
    try:
        with log.open("w", encoding="utf-8") as messages:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=messages, text=True, timeout=_LIMIT, env=surroundings
            )
    except FileNotFoundError:
        return [{"library": library, "error": f"{command[0]} is missing; run make interop"}]
    except subprocess.TimeoutExpired:
        return [{"library": library, "error": f"not done after {_LIMIT:.0f} s, see {log}"}]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"library"')]
    if done.returncode:
        last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no message"])[-1]
        rows.append({"library": library, "error": f"exit status {done.returncode}, see {log}: {last}"})
    for row in rows:
        row["wall_seconds"] = round(time.perf_counter() - start, 1)
    return rows


def table(rows: list[Row]) -> NumberTable:
    """The rows as a table: what ran, for how long, and what it changed."""
    shown = NumberTable(
        "Short trainings in other libraries",
        "Regret, from untrained to trained: what best responses would earn more, relative to what is earned at "
        "the equilibrium, on markets not trained on; worst: of one agent, relative to its own.",
        labels=2,
        lines=True,
    )
    for heading in ("Library", "What ran"):
        shown.add_column(heading, justify="left")
    for heading in ("MUs' regret", "ASPs' regret"):
        shown.add_column(heading, justify="left")
    for row in rows:
        if "error" in row:
            shown.add_row(row["library"], f"[red]{escape(row['error'])}[/red]")
            continue
        versions = row["versions"]
        shown.add_row(
            f"{row['library']} {versions[row['library']]}\ngymnasium {versions['gymnasium']}",
            f"{row['ran']}: {row['seconds']:.0f}\u00a0s",
            _change(row, "mu_regret"),
            _change(row, "asp_regret") if "asp_regret" in row["before"] else "respond exactly",
        )
    return shown


def _change(row: Row, name: str) -> str:
    """A regret before and after; below, that of the worst agent."""
    return "\n".join(
        f"{label}{row['before'][one]:.1%} → {row['after'][one]:.1%}"
        for label, one in (("", name), ("worst ", f"{name}_worst"))
    )


def main(libraries: Annotated[tuple[str, ...], tyro.conf.Positional] = LIBRARIES, out: Path | None = None) -> None:
    """Train shortly in every library and tell how it went.

    Args:
        libraries: which ones.
        out: where to write the rows as JSON.
    """
    unknown = sorted(set(libraries) - set(LIBRARIES))
    if unknown:
        raise ValueError(f"unknown library {unknown[0]!r}; there are {', '.join(LIBRARIES)}")
    if out is not None:
        check_file(out, "--out")
    with lasting_output():
        console, rows = PlainConsole(), []
        for library in libraries:
            with console.status(f"training with {library}"):
                rows += run(library)
        if out is not None:
            write_whole(out, (json.dumps(rows, indent=1) + "\n").encode())
        console.print(table(rows))
    sys.exit(any("error" in row for row in rows))


if __name__ == "__main__":
    tyro.cli(main)
