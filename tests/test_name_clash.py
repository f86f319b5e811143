"""A folder of the user's that is called as one of ours is named in the message, with what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def theirs(tmp_path):
    """Make a package of the user's, in a folder of theirs."""

    def make(name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        return tmp_path

    return make


def python(*arguments, cwd, path):
    """Run Python with nothing of ours on its path but what is given; exit status, stdout, stderr."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("script", "name"), [("train.py", "agents"), ("evaluate.py", "baselines"), ("evaluate.py", "experiments")]
)
def test_a_command_says_in_one_line_which_folder_was_found_instead(script, name, theirs):
    folder = theirs(name)
    status, out, error = python("-P", ROOT / script, "--help", cwd=folder, path=[folder, ROOT])
    assert (status, out) == (2, "")
    assert error == (
        f"error: {script} needs the package {name} of {ROOT}, but Python finds {folder / name}: "
        f"run it from {ROOT}, rename the other {name}, or unset PYTHONPATH\n"
    )


def test_a_command_runs_from_a_folder_that_has_such_a_name(theirs):
    folder = theirs("experiments")
    status, out, error = python(ROOT / "train.py", "--help", cwd=folder, path=[folder])
    assert (status, error) == (0, "")
    assert "--seeds" in out


@pytest.mark.parametrize("name", ["agents", "baselines"])
def test_a_users_own_experiments_hide_none_of_ours_unsaid(name, theirs):
    folder = theirs("experiments")
    status, _, error = python("-c", f"import {name}", cwd=folder, path=[ROOT])
    assert status == 1
    assert f"ImportError: {name} needs the package experiments of {ROOT}" in error
    assert f"Python finds {folder / 'experiments'}: run it from {ROOT}" in error


@pytest.mark.parametrize(("module", "name"), [("benchmarks.floors", "baselines"), ("interop.matrix", "experiments")])
def test_a_module_run_from_elsewhere_says_it_in_the_last_line(module, name, theirs):
    folder = theirs(name)
    status, out, error = python("-m", module, "--help", cwd=folder, path=[ROOT])
    assert (status, out) == (1, "")
    assert f"needs the package {name} of {ROOT}, but Python finds {folder / name}" in error.splitlines()[-1]


def test_a_folder_that_is_no_package_hides_nothing(tmp_path):
    (tmp_path / "experiments").mkdir()
    status, _, error = python("-c", "import agents, baselines", cwd=tmp_path, path=[ROOT])
    assert (status, error) == (0, "")
