"""Jobs on a cluster of machines, by Ray."""

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

from experiments.execute import ONE_THREAD, Execute
from experiments.jobs import Done, Job, Result

#: How often a job is begun anew after its worker or its machine was lost; one that always ends its worker must end.
_RETRIES = 10


def on_ray() -> Execute:
    """On the Ray cluster that ``RAY_ADDRESS`` names or this machine belongs to, else on all cores of this machine.

    A job takes one core. When a worker or a machine is lost, its jobs are begun anew on another. Every machine needs
    the repository in the same folder, and the same versions of everything.

    Raises:
        ImportError: Ray is not installed.
        OSError: while iterating, if the cluster does not answer, a job is lost again and again, or a machine has other
            code than this one.
    """
    try:
        import ray
    except ImportError:
        raise ImportError("--workers ray needs the extra ray: pip install -e '.[ray]'") from None

    def execute(jobs: Sequence[Job[Result]]) -> Iterator[Done[Result]]:
        if not ray.is_initialized():
            ray.init(log_to_driver=False, logging_level=logging.ERROR)  # finds a cluster, or starts one here
        folder, threads = os.getcwd(), dict(ONE_THREAD)

        def attempt_there(pickled: bytes) -> Done[Any]:
            os.environ.update(threads)  # before anything is imported that would read it
            os.chdir(folder)  # that of market files and run folders
            from experiments.execute import attempt

            return attempt(pickle.loads(pickled))

        there = ray.remote(attempt_there).options(num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD")
        keys = {there.remote(pickle.dumps(job)): job.key for job in jobs}
        waiting = list(keys)
        try:
            while waiting:
                (ready,), waiting = ray.wait(waiting)
                done: Done[Result] = ray.get(ready)
                if done.key != keys[ready]:
                    raise OSError(f"a machine of the cluster has other code than this one: {done.key}, {keys[ready]}")
                yield done
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise OSError(f"{reason}; run again to go on from here") from None
        finally:
            for left in waiting:
                ray.cancel(left)

    return execute
