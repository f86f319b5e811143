"""Command lines, as a user types them, and a run to try them on."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest
from tiny_runs import ROOT, TINY

from agents.training.one_side import train_leaders


@pytest.fixture
def command(monkeypatch, tmp_path, capfd):
    """Run a command line in an empty folder; exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        return ended.value.code or 0, *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """A run folder, to be read only."""
    folder = tmp_path_factory.mktemp("finished")
    train_leaders(TINY, folder)
    return folder


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of a run folder, to do with as one likes."""
    return Path(shutil.copytree(finished_run, tmp_path / "a run"))
