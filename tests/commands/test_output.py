"""Whatever the output is, the commands write their files; where files cannot go is told first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import ROOT, evaluated, fails

FILES = {"evaluation.json", "slots.csv", "money.png", "rewards.png", "regret.png"}
TRAIN = ["train.py", "--train", "leaders", "--scenario", "duo", "--preset", "quick", "--transitions", "1"]
ASCII = {"PYTHONIOENCODING": "ascii"}
#: Bytes of names come as surrogates, and files that are opened without an encoding are of ASCII.
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def through(tmp_path):
    """Run a command line through a shell, in an empty folder; its own exit status, and what came out."""

    def run(shell, script, *arguments, **environment):
        words = " ".join(f"'{word}'" for word in (sys.executable, ROOT / script, *arguments))
        given = os.environ | {"PYTHONWARNINGS": "ignore", "COLUMNS": "70"} | environment
        command = shell.format(run=f"{{ {words}; echo $? > status; }}")
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=given, capture_output=True, timeout=300)
        return int((tmp_path / "status").read_text()), done.stdout, done.stderr

    return run


@pytest.mark.parametrize("shell", ["{run}", "{run} | head -1", "{run} >&-"])
def test_evaluation_is_written_whatever_is_shown(through, run, tmp_path, shell):
    status, _, err = through(shell, "evaluate.py", "a run", "--markets", "2", "--out", "out", **ASCII)
    assert (status, b"Traceback" in err, b"error" in err) == (0, False, False)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= FILES
    assert evaluated(tmp_path / "out", Path("a run"))["slots"] == 2


def test_names_that_are_no_text_for_the_locale_are_evaluated_and_shown_as_they_are(through, run, tmp_path):
    names = ["é run", os.fsdecode(b"\xff run")]
    os.rename(run, tmp_path / names[0])
    subprocess.run(["cp", "-r", tmp_path / names[0], tmp_path / names[1]], check=True)
    status, out, err = through("{run}", "evaluate.py", *names, "--markets", "2", "--out", "ö", **C_LOCALE)
    assert (status, b"Traceback" in err) == (0, False)
    assert all(os.fsencode(word) in out for word in (*names, "ö"))
    assert {path.name for path in (tmp_path / "ö").iterdir()} >= FILES
    assert all(os.fsencode(name) in (tmp_path / "ö" / "slots.csv").read_bytes() for name in names)


@pytest.mark.parametrize(
    ("shell", "environment"), [("{run}", C_LOCALE), ("{run} | head -1", {}), ("{run} 2>&-", ASCII)]
)
def test_training_goes_on_whatever_is_shown(through, tmp_path, shell, environment):
    backend = {"MPLBACKEND": "module://no_such.backend"}
    status, out, err = through(shell, *TRAIN, "--out", "new", **environment, **backend)
    assert (status, b"Traceback" in err) == (0, False)
    assert out
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert {"evaluation.json", "metrics.json", "policy.json", "rewards.png"} <= names


@pytest.mark.parametrize("script", [["train.py"], ["evaluate.py"], ["evaluate.py", "mechanisms"]])
def test_help_is_shown_on_any_terminal(command, monkeypatch, tmp_path, script):
    with (tmp_path / "shown").open("w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert command(*script, "--help")[0] == 0
    assert f"python {script[0]}" in (tmp_path / "shown").read_text(encoding="ascii")


def test_a_folder_that_tensorboard_cannot_write_is_told_first(command, tmp_path):
    out = os.fsdecode(b"\xff")
    assert fails(command(*TRAIN, "--out", out), "--out", "TensorBoard", "PYTHONUTF8=1")
    assert not any(tmp_path.iterdir())


OUT = {
    "no name": ("", ["--out ''", "names no folder"]),
    "a file": ("README.md", ["--out README.md is a file", "name a folder"]),
    "under a file": ("README.md/x", ["--out README.md/x lies under", "README.md, which is a file"]),
    "a long name": ("x" * 300, ["--out xxx", "too long"]),
}
ASKED = {
    "evaluate": ["evaluate.py", "a run", "--markets", "2"],
    "mechanisms": ["evaluate.py", "mechanisms", "--markets", "1"],
    "train": ["train.py", "--scenario", "duo"],
    "seeds": ["train.py", "--scenario", "duo", "--seeds", "0..1"],
    "sweep": ["train.py", "--scenario", "duo", "--sweep", "epochs=1,2"],
}


@pytest.mark.parametrize(("out", "words"), OUT.values(), ids=OUT)
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_folder_for_no_results_is_told_before_anything_is_done(command, run, tmp_path, asked, out, words):
    (tmp_path / "README.md").write_text("read me")
    before = sorted(tmp_path.rglob("*"))
    assert fails(command(*asked, "--out", out), *words)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("folder", ["missing", "README.md", "empty"])
@pytest.mark.parametrize("seeds", [[], ["--seeds", "0..1"]])
def test_what_cannot_be_resumed_is_told_with_the_option(command, tmp_path, folder, seeds):
    (tmp_path / "README.md").write_text("read me")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert fails(command("train.py", "--resume", "--out", folder, *seeds), f"--out {folder}", "no run to resume")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_a_name_is_not_the_current_folder(command, run):
    assert fails(command("evaluate.py", ""), "RUN ''", "names no folder")
