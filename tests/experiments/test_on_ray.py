"""Jobs on Ray: the same results, whatever workers are lost."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from baselines.study.jobs import Setting, Trial
from baselines.uniform_reward import UniformReward
from experiments.execute import here
from experiments.jobs import Done
from experiments.on_ray import on_ray
from experiments.workers import executor


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Workers import this module."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # they would wait for the other tests


@pytest.fixture
def ray(importable):
    """Ray, and a cluster of one core that ends with the test."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@dataclass(frozen=True)
class Fatal:
    """Ends its worker the first time that it is done."""

    folder: Path
    key: str = "fatal"

    def run(self):
        before = len(list(self.folder.iterdir()))
        (self.folder / str(os.getpid())).touch()
        if before == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"threads": float(os.environ["NUMBA_NUM_THREADS"]), "before": float(before)}


@dataclass(frozen=True)
class Changing:
    """Has another key where it is done, as with other code."""

    pid: int = os.getpid()

    @property
    def key(self):
        return "here" if os.getpid() == self.pid else "there"

    def run(self):
        return {}


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[ray\]'"):
        executor("ray")


def test_results_are_those_of_this_process_bit_for_bit(ray):
    jobs = [Trial(Setting("campus", 3, 2, 1.0), seed, UniformReward()) for seed in range(3)]
    assert sorted(on_ray()(jobs), key=lambda done: done.key) == sorted(here(jobs), key=lambda done: done.key)


def test_a_job_whose_worker_is_killed_is_done_again_on_one_thread(ray, tmp_path):
    assert list(on_ray()([Fatal(tmp_path)])) == [Done("fatal", {"threads": 1.0, "before": 1.0})]


def test_other_code_on_another_machine_is_told_of(ray):
    with pytest.raises(OSError, match="other code than this one: there, here"):
        list(on_ray()([Changing()]))
