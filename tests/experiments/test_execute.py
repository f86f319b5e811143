"""Workers: what they give, and that they end with the command."""

import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.execute import here, in_processes, usable_cores
from experiments.jobs import Done


@dataclass(frozen=True)
class Sleeper:
    """Tells which process does it, then takes its time."""

    key: str
    seconds: float
    folder: Path

    def run(self):
        (self.folder / str(os.getpid())).touch()
        time.sleep(self.seconds)
        return {"threads": float(os.environ["NUMBA_NUM_THREADS"])}


@dataclass(frozen=True)
class Dying:
    key: str = "dying"

    def run(self):
        os._exit(1)


def test_workers_have_one_thread_each_and_the_command_keeps_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    jobs = [Sleeper(str(i), 0.0, tmp_path) for i in range(3)]
    done = sorted(in_processes(2)(jobs), key=lambda result: result.key)
    assert done == [Done(str(i), {"threads": 1.0}) for i in range(3)]
    assert os.environ["NUMBA_NUM_THREADS"] == "3"
    assert [result.result["threads"] for result in here(jobs)] == [3.0] * 3
    assert str(os.getpid()) in os.listdir(tmp_path)


def test_a_worker_that_is_killed_is_told_of():
    with pytest.raises(OSError, match="a worker ended abruptly"):
        list(in_processes(1)([Dying()]))


def test_nothing_to_do_is_done():
    assert list(in_processes(2)([])) == []


def test_there_is_a_core():
    assert usable_cores() >= 1


def _sleep(folder):
    list(in_processes(2)([Sleeper(str(i), 300.0, folder) for i in range(4)]))


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited for a minute in vain")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_workers_end_when_the_command_is_killed(tmp_path):
    command = multiprocessing.get_context("spawn").Process(target=_sleep, args=(tmp_path,))
    command.start()
    _until(lambda: len(os.listdir(tmp_path)) == 2)
    workers = os.listdir(tmp_path)
    assert all(map(_alive, workers))
    command.kill()
    command.join()
    _until(lambda: not any(map(_alive, workers)))
