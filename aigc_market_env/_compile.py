"""How the package compiles its numerical functions, and how it spreads markets over cores.

A kernel is a plain function ``kernel(start, stop, *arrays)`` that treats markets ``start … stop - 1`` of a batch
independently of one another. It is compiled once, without Numba's parallel backend, and releases the GIL: threads that
each take a slice of the batch give the same bits as one thread, survive ``fork`` and can be called from any thread.
"""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba import config as numba_config

P = ParamSpec("P")
R = TypeVar("R")

# Numba defines its settings at run time, out of sight of type checkers.
_SETTINGS: Any = numba_config
_PACKAGE = Path(__file__).parent
#: Slices handed to each thread: more than one, because markets differ in how many Newton steps they need.
_SLICES_PER_THREAD = 4


def _source_fingerprint() -> str:
    """Hash of every source file that compiles something.

    Numba notices a change in a function's own file but not in the functions it calls, so all of them share one cache
    folder named after all of their sources.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"@compiled" in source:
            digest.update(source)
    return digest.hexdigest()[:16]


@contextmanager
def _cache_folder() -> Iterator[None]:
    """Point Numba at our cache folder while a function is declared, unless the user has chosen one."""
    chosen = _SETTINGS.CACHE_DIR
    if not chosen:
        _SETTINGS.CACHE_DIR = str(_PACKAGE / "__pycache__" / f"numba-{_FINGERPRINT}")
    try:
        yield
    finally:
        _SETTINGS.CACHE_DIR = chosen


_FINGERPRINT = _source_fingerprint()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` on its first call, cache the machine code on disk, and release the GIL while it runs."""
    with _cache_folder():
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    """A forked child has none of its parent's threads and must start its own."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def num_threads() -> int:
    """Threads used for batches: ``NUMBA_NUM_THREADS`` or, by default, the cores this process may use."""
    return int(_SETTINGS.NUMBA_NUM_THREADS)


def over_markets(kernel: Callable[..., None], size: int, *arrays: Any, min_slice: int = 16) -> None:
    """Run ``kernel(start, stop, *arrays)`` over ``range(size)``, in slices on all cores when that is worth it.

    Slices of fewer than ``min_slice`` markets are not worth a thread's time.
    """
    global _pool
    threads = num_threads()
    slices = min(size // min_slice, threads * _SLICES_PER_THREAD)
    if threads == 1 or slices < 2:
        kernel(0, size, *arrays)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(threads, thread_name_prefix="aigc-market")
    edges = [size * i // slices for i in range(slices + 1)]
    # One slice here first: it compiles the kernel for these types before the threads would all wait to do so.
    kernel(edges[0], edges[1], *arrays)
    pending: list[Future[None]] = [
        _pool.submit(kernel, start, stop, *arrays) for start, stop in itertools.pairwise(edges[1:])
    ]
    for future in pending:
        future.result()
