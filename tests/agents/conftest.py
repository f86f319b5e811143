"""Runs that take a fraction of a second, for tests of everything around learning."""

import pytest
import torch
from tiny_configs import TINY

from agents.documents import with_fields
from agents.training.one_side import train_leaders


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny():
    """A configuration, with some fields changed."""
    return lambda **changes: with_fields(TINY, changes)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A run folder, to be read only."""
    folder = tmp_path_factory.mktemp("finished")
    train_leaders(TINY, folder)
    return folder


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of a run folder, to do with as one likes."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished_run.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


class Trap:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def trap(tmp_path):
    """A booby-trapped object and the file whose presence tells that it went off."""
    return Trap(tmp_path / "sprung"), tmp_path / "sprung"
