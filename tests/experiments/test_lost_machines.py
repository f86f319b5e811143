"""A machine of a Ray cluster is lost in the middle of a command: nothing of the results is."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.policy.files import WEIGHTS_FILE
from agents.sweeps.sweep import SweepRun, begin
from agents.training.one_side import LeaderConfig, train_leaders

ROOT = Path(__file__).parents[2]
STUDY = ["evaluate.py", "mechanisms", "--markets", "60", "--size", "4", "2", "--loads", "--only", "uniform_reward"]
#: Some seconds of learning, with a checkpoint after every update.
CONFIG = LeaderConfig(
    scenario="duo",
    transitions=30_000,
    markets=16,
    slots=16,
    hidden=(8,),
    evaluate_every=15_000,
    evaluation_slots=4,
    final_evaluation_slots=8,
    checkpoint_seconds=1e-9,
)


class TwoMachines:
    """Two machines of one core each, as far as Ray can tell; the second can be lost."""

    def __init__(self, cluster, second):
        self.address, self._cluster, self._second = cluster.address, cluster, second

    @property
    def at_work(self):
        """Whether a worker of the second machine is at a job."""
        return bool(self._workers())

    def writes_into(self, folder):
        """Whether a worker of the second machine writes events, whose files have its number, into a folder."""
        return any(list(folder.glob(f"events.out.tfevents.*.{worker}.*")) for worker in self._workers())

    def lose_second(self):
        """Kill all its processes, and the worker at a job first; nobody is told."""
        for worker in self._workers():
            os.kill(worker, signal.SIGKILL)
        self._cluster.remove_node(self._second, allow_graceful=False)

    def _workers(self):
        (raylet,) = self._second.all_processes["raylet"]
        found = subprocess.run(["ps", "--ppid", str(raylet.process.pid), "-o", "pid=,args="], capture_output=True)
        return [int(line.split()[0]) for line in found.stdout.splitlines() if b"ray::attempt_there" in line]


@pytest.fixture
def machines(monkeypatch):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of workers
    monkeypatch.setenv("RAY_worker_niceness", "0")  # they would wait for the other tests
    quickly = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}  # to see that a machine is lost
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": quickly})
    yield TwoMachines(cluster, cluster.add_node(num_cpus=1))
    cluster.shutdown()


def started(machines, folder, *words):
    return subprocess.Popen(
        [sys.executable, ROOT / words[0], *map(str, words[1:])],
        cwd=folder,
        env=os.environ | {"RAY_ADDRESS": machines.address},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def test_a_study_goes_on_without_the_machine_and_comes_to_the_same(machines, tmp_path):
    results = tmp_path / "lost" / "results.jsonl"
    process = started(machines, tmp_path, *STUDY, "--out", "lost", "--workers", "ray")
    wait(lambda: results.exists() and results.read_text().count("\n") >= 3 and machines.at_work, process)
    machines.lose_second()
    done = results.read_text().count("\n")
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert done < results.read_text().count("\n")
    here = [*STUDY, "--out", "undisturbed", "--workers", "1"]
    subprocess.run([sys.executable, ROOT / here[0], *here[1:]], cwd=tmp_path, check=True, capture_output=True)
    for file in ("mechanisms.json", "mechanisms.csv", "equal_qoe.csv"):
        assert (tmp_path / "lost" / file).read_bytes() == (tmp_path / "undisturbed" / file).read_bytes()


def test_a_training_goes_on_from_its_checkpoint_on_another_machine(machines, tmp_path):
    folders = [tmp_path / "lost" / f"seed{seed}" for seed in (0, 1)]
    begin([SweepRun(replace(CONFIG, seed=seed), folder) for seed, folder in enumerate(folders)])
    words = ["train.py", "--resume", "--seeds", "0..1", "--out", "lost", "--workers", "ray"]
    process = started(machines, tmp_path, *words)
    wait(
        lambda: any((folder / "checkpoint.pt").exists() and machines.writes_into(folder) for folder in folders), process
    )
    machines.lose_second()
    _, said = process.communicate()
    assert process.returncode == 0, said
    begun = {folder: first_steps(folder) for folder in folders}
    assert sorted(map(len, begun.values())) == [1, 2]
    folder = max(folders, key=lambda folder: len(begun[folder]))
    assert begun[folder][0] == 0 < begun[folder][1] < CONFIG.transitions
    train_leaders(replace(CONFIG, seed=folders.index(folder)), tmp_path / "undisturbed")
    assert (folder / WEIGHTS_FILE).read_bytes() == (tmp_path / "undisturbed" / WEIGHTS_FILE).read_bytes()


def first_steps(folder):
    """At which transition each process that trained a run wrote its first curve, in their order."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        events = EventAccumulator(str(path)).Reload()
        found.append(min(event.step for name in events.Tags()["scalars"] for event in events.Scalars(name)))
    return found
