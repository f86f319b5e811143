"""What ``--workers`` means."""

from typing import Literal

from experiments.execute import Execute, here, in_processes, usable_cores
from experiments.on_ray import on_ray

#: How many processes, 0 for one a core, or a Ray cluster.
Workers = int | Literal["ray"]


def executor(workers: Workers) -> Execute:
    """Where jobs are done; the results do not depend on it.

    Raises:
        ValueError: the number is negative.
        ImportError: Ray is asked for and not installed.
    """
    if workers == "ray":
        return on_ray()
    if workers < 0:
        raise ValueError(f"--workers {workers} must be at least 0")
    processes = workers or usable_cores()
    return in_processes(processes) if processes > 1 else here
