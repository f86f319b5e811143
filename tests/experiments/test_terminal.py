"""Characters that an output lacks, and outputs that nobody reads."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.tables import NumberTable
from experiments.terminal import PLAIN, PlainConsole, plain

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [
        ("ascii", "8 × 4: 0.1 – 0.2 … → ω é", "8 x 4: 0.1 - 0.2 ... -> w ?"),
        ("latin-1", "8 × 4: 0.1 – 0.2 é", "8 × 4: 0.1 - 0.2 é"),
        ("utf-8", "8 × 4: 0.1 – 0.2 é", "8 × 4: 0.1 – 0.2 é"),
    ],
)
def test_characters_are_written_as_plainly_as_needed(encoding, text, shown):
    assert plain(text, encoding) == shown
    assert text.encode(encoding, PLAIN).decode(encoding) == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_bytes_of_a_path_that_are_no_text_are_written_as_they_came(encoding):
    path = os.fsdecode(b"runs/\xff\xfe")
    assert path.encode(encoding, PLAIN) == b"runs/\xff\xfe"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_columns_stay_in_line(encoding):
    table = NumberTable("a – b", "× …")
    table.add_column("×", justify="left")
    table.add_column("…")
    table.add_row("1 × 2", "0.1…0.2")
    table.add_row("é", "[dim]–[/]")
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors=PLAIN)
    PlainConsole(file=file, width=60).print(table)
    file.flush()
    lines = [line for line in raw.getvalue().decode(encoding).splitlines() if line[:1] in "+|"]
    assert len({len(line) for line in lines}) == 1
    assert "0.1...0.2" in "".join(lines)


CHILD = """
import os, sys, warnings
from dataclasses import dataclass
from experiments.command import run_command

@dataclass
class Arguments:
    \"\"\"Try – it.\"\"\"
    fail: bool = False

def main(arguments, console):
    for i in range(2000):
        console.print("8 × 4 – é", i, markup=False)
        print("plain – text", "é", file=sys.stderr if i % 2 else sys.stdout)
    with open("written.txt", "w", encoding="utf-8") as file:
        file.write("×")
    if arguments.fail:
        raise ValueError("caf\\u00e9 – \\udcff is wrong")
    return 3

sys.exit(run_command(main, Arguments, "What it – does." + " More of it." * 9000))
"""


def child(tmp_path, shell, *arguments, **environment):
    """Exit status of the child itself, and what came through the shell."""
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    given = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"} | environment
    run = f'"{sys.executable}" child.py {" ".join(arguments)}'
    command = shell.format(run=f"{{ {run}; echo $? > status; }}")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=given, capture_output=True, timeout=120)
    return int((tmp_path / "status").read_text()), done.stdout, done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_an_output_without_the_characters_loses_nothing(tmp_path, environment):
    status, out, err = child(tmp_path, "{run}", **environment)
    assert (status, (tmp_path / "written.txt").read_bytes()) == (3, "×".encode())
    assert b"plain - text" in out
    assert b"plain - text" in err
    assert b"Traceback" not in err


def test_help_and_complaints_are_told_plainly(tmp_path):
    status, out, err = child(tmp_path, "{run}", "--help", PYTHONIOENCODING="ascii")
    assert (status, err) == (0, b"")
    assert b"What it - does." in out
    status, _, err = child(tmp_path, "{run}", "--fail", PYTHONIOENCODING="ascii")
    assert status == 2
    assert err.endswith(b"error: caf? - \xff is wrong\n")


UNREAD = ["{run} | head -1", "{run} 2>&1 | head -1", "{run} >&-", "{run} 2>&-", "{run} >&- 2>&-"]


@pytest.mark.parametrize("shell", UNREAD)
def test_an_output_that_nobody_reads_ends_nothing(tmp_path, shell):
    status, out, err = child(tmp_path, shell, "--fail")
    assert (status, (tmp_path / "written.txt").read_bytes()) == (2, "×".encode())
    assert b"BrokenPipe" not in out + err
    assert b"Exception ignored" not in out + err


def test_help_that_nobody_reads_to_the_end_is_no_failure(tmp_path):
    status, out, err = child(tmp_path, UNREAD[0], "--help")
    assert (status, out.count(b"\n"), err) == (0, 1, b"")
