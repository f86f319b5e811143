"""Where jobs are done. What is in the way of another place (a cluster, say) is one function: jobs in, results out."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from experiments.jobs import Done, Job, Result


class Execute(Protocol):
    """Where jobs are done."""

    def __call__(self, jobs: Sequence[Job[Result]]) -> Iterator[Done[Result]]:
        """Do jobs, and yield what became of each, in any order."""
        ...


#: Workers are processes: threads inside them would only wait for one another.
ONE_THREAD = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
#: Starts a server that has imported everything once and forks workers; where there is none, every worker imports anew.
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def attempt(job: Job[Result]) -> Done[Result]:
    """Do a job; a failure is an answer, too."""
    try:
        return Done(job.key, job.run())
    except Exception as error:  # whatever it is, it is told with the market's seed
        return Done(job.key, error=f"{type(error).__name__}: {error}")


def here(jobs: Sequence[Job[Result]]) -> Iterator[Done[Result]]:
    """One job after another in this process."""
    return map(attempt, jobs)


def in_processes(workers: int) -> Execute:
    """On that many processes; the results do not depend on how many.

    Raises:
        OSError: while iterating, if a worker is killed.
    """

    def execute(jobs: Sequence[Job[Result]]) -> Iterator[Done[Result]]:
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)  # workers read it as they start
        context, others = multiprocessing.get_context(_METHOD), set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(min(workers, max(len(jobs), 1)), context, _end_with_parent)
        try:
            for future in as_completed([pool.submit(_attempt_or_end, job) for job in jobs]):
                yield future.result()
        except BrokenProcessPool:
            raise OSError("a worker ended abruptly, out of memory perhaps; run again to go on from here") from None
        except BaseException:  # nobody waits for results any more
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    return execute


def _attempt_or_end(job: Job[Result]) -> Done[Result]:
    """Do a job in a worker; one that is told to stop takes up no other job."""
    try:
        return attempt(job)
    except KeyboardInterrupt:
        os._exit(130)


def _end_with_parent() -> None:
    """Have this worker end when the command is killed; it would wait for more work forever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
