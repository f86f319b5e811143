"""The commands that take ``--workers``, as a user types them: the same files from processes and from Ray."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MECHANISMS = ["--scenario", "duo", "--markets", "2", "--sweep-markets", "1", "--loads", "0.5"]
TRAINING = ["--scenario", "duo", "--train", "leaders", "--preset", "quick", "--transitions", "4000", "--seeds", "0..1"]
#: What depends on the clock, at the top of metrics.json and in every point of its curve.
CLOCK = ("wall_seconds",)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Workers import the repository."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture(scope="module")
def ray():
    """A cluster on this machine, of two cores, on which all tests of this file run."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_worker_niceness", "0")  # they would wait for the other tests
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run a command line in an empty folder, which has to succeed."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
        assert not ended.value.code

    return run


def files(folder):
    """Names and contents of all files but those that name a process, the clock or a moment."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name == "metrics.json":
            metrics = json.loads(path.read_text())
            assert all(point.pop(name) > 0.0 for point in (metrics, *metrics["curve"]) for name in CLOCK)
            found[name] = metrics
        elif path.name == "results.jsonl":  # in the order in which they came
            found[name] = sorted(path.read_text().splitlines())
        elif path.suffix in (".json", ".csv", ".safetensors", ".png"):
            found[name] = path.read_bytes()
    return found


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(
    ("words", "least"),
    [
        (["evaluate.py", "mechanisms", *MECHANISMS], {"mechanisms.json", "mechanisms.csv", "results.jsonl"}),
        (["evaluate.py", ROOT / "pretrained" / "campus-set", "--markets", "1"], {"evaluation.json", "slots.csv"}),
        (["train.py", *TRAINING], {"seed1/metrics.json", "seed1/policy.safetensors", "seed1/evaluation.json"}),
    ],
    ids=["mechanisms", "run", "training"],
)
def test_processes_and_ray_write_the_same_files(command, tmp_path, words, least):
    for workers in ("2", "ray"):
        command(*words, "--workers", workers, "--out", tmp_path / workers)
    assert least <= set(files(tmp_path / "2"))
    assert files(tmp_path / "2") == files(tmp_path / "ray")
