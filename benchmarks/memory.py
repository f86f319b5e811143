"""Resident memory of many markets, measured in a process of its own.

``footprint`` starts ``python -m benchmarks.memory``, which imports, draws the actions, steps one market so that the
kernels are loaded, and only then makes the batch: what is reported is what comes on top. Linux only.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from aigc_market_env import BatchedMarketEnv, Scenario

#: Steps in an episode: few, so that resets, which build new markets, are among what is measured.
_EPISODE = 8
#: Steps after which a batch counts as running, the end of an episode among them.
_FEW = 10
#: Times that memory is looked at while a batch goes on.
_LOOKS = 20


def resident_bytes() -> int:
    """What of this process is in memory now."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status does not tell VmRSS")


def _actions(num_envs: int, asps: str) -> dict[str, np.ndarray]:
    scenario, rng = Scenario.preset("campus"), np.random.default_rng(0)
    m, n = scenario.num_mus, scenario.num_asps
    drawn = {"mu": rng.random((num_envs, m, n), dtype=np.float32)}
    if asps == "agents":
        drawn["asp"] = rng.random((num_envs, n, 2, m), dtype=np.float32)
    return drawn


def measure(num_envs: int, asps: Literal["agents", "best_response"], steps: int, seconds: float) -> None:
    """Print, as JSON, what a batch of campus markets adds to this process, and by how much that grows.

    Args:
        num_envs: markets side by side.
        asps: as in BatchedMarketEnv.
        steps: how many steps to take.
        seconds: when to stop if they are not taken by then.
    """
    actions, one = _actions(num_envs, asps), _actions(1, asps)
    imported = resident_bytes()
    small = BatchedMarketEnv("campus", 1, asps=asps, seed=0)
    small.reset()
    for _ in range(65):
        small.step(one)
    loaded = resident_bytes()
    env = BatchedMarketEnv("campus", num_envs, asps=asps, max_cycles=_EPISODE, seed=0)
    returned: Any = env.reset()
    for _ in range(_FEW):
        returned = env.step(actions)
    running, taken, began = resident_bytes(), 0, time.perf_counter()
    looks = [(0, running)]
    while taken < steps and time.perf_counter() - began < seconds:
        returned = env.step(actions)
        taken += 1
        if taken * _LOOKS >= steps * len(looks) or time.perf_counter() - began > seconds * len(looks) / _LOOKS:
            looks.append((taken, resident_bytes()))
    looks.append((taken, resident_bytes()))
    del returned
    settled = [size for when, size in looks if when >= taken // 10]
    result = {
        "num_envs": num_envs,
        "asps": asps,
        "above_imports_bytes": running - imported,
        "above_loaded_kernels_bytes": running - loaded,
        "above_loaded_kernels_bytes_per_market": (running - loaded) / num_envs,
        "steps": taken,
        "growth_bytes": looks[-1][1] - running,
        "growth_after_first_tenth_bytes": looks[-1][1] - settled[0],
        "highest_above_imports_bytes": max(size for _, size in looks) - imported,
    }
    print(json.dumps(result))


def footprint(num_envs: int, asps: str, steps: int, seconds: float) -> dict[str, Any]:
    """What :func:`measure` finds in a fresh process.

    Raises:
        RuntimeError: the process failed.
    """
    options = {"num-envs": num_envs, "asps": asps, "steps": steps, "seconds": seconds}
    command = [sys.executable, "-m", "benchmarks.memory", *(f"--{name}={value}" for name, value in options.items())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1], check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    tyro.cli(measure)
