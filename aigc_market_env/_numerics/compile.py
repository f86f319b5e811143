"""How the package compiles its numerical functions, and how it spreads markets over cores.

A kernel is a plain function ``kernel(start, stop, *arrays)`` that treats markets ``start … stop - 1`` of a batch
independently of one another. It is compiled once, without Numba's parallel backend, and releases the GIL: threads that
each take a slice of the batch give the same bits as one thread, survive ``fork`` and can be called from any thread.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import numba
from numba import config as numba_config
from numba.core.dispatcher import Dispatcher

from aigc_market_env._numerics.announce import announce_compilations
from aigc_market_env._numerics.machine_code import MachineCode

P = ParamSpec("P")
R = TypeVar("R")

# Numba defines its settings at run time, out of sight of type checkers.
_SETTINGS: Any = numba_config


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` on its first call, cache the machine code on disk, and release the GIL while it runs."""
    return _compiled(function, _nrt=True)  # in words, or it would be as its first caller is


def compiled_in_place(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that neither makes nor returns arrays, nor calls one that returns some.

    It does not count references to the arrays that it works on; its callers hold them. The counts are atomic, take
    longer than much of what is done to a market between two of them, and are shared by all threads, which would wait
    for one another. A call from Python with ten arrays takes a third of a microsecond less.
    """
    return _compiled(function, _nrt=False)


def compiled_inner(function: Callable[P, R]) -> Callable[P, R]:
    """:func:`compiled_in_place`, and into the functions that call it.

    As it becomes part of its callers, what vector code must make sure of, that rows do not overlap, is looked at once
    for all markets.
    """
    return _compiled(function, _nrt=False, forceinline=True)


def _compiled(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    dispatcher = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if not _SETTINGS.DISABLE_JIT:
        dispatcher._cache = MachineCode(function)  # which Numba's own cache=True would set
    return dispatcher


def version_for(function: Callable[..., R], *arguments: Any) -> Callable[..., R]:
    """The version of a compiled function that is for arguments of the types of these, and for no others.

    A call of it does not look at the types again, which of ten arrays takes Numba a fifth of a microsecond. Nobody
    notices an array of another type or layout: its memory is read, and written, as if it were of this one.
    """
    if not isinstance(function, Dispatcher):  # it is not compiled, for debugging
        return function
    version: Callable[..., R] = function.compile(tuple(map(numba.typeof, arguments)))
    return version


announce_compilations()

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


def over_markets(
    kernel: Callable[..., None], size: int, *arrays: Any, min_slice: int = 16, slices_per_thread: int = 4
) -> None:
    """Run ``kernel(start, stop, *arrays)`` over ``range(size)``, in slices on all cores when that is worth it.

    Args:
        kernel: what to run; without the GIL, or threads are of no use.
        size: how many markets there are.
        arrays: what else it takes.
        min_slice: slices of fewer markets are not worth a thread's time.
        slices_per_thread: several where markets take unequal time, one where the time to share them out would tell.
    """
    if size < 2 * min_slice:
        kernel(0, size, *arrays)
        return
    threads = num_threads()
    count = min(size // min_slice, threads * slices_per_thread)
    if threads == 1 or count < 2:
        kernel(0, size, *arrays)
        return
    edges = [size * i // count for i in range(count + 1)]
    slices = itertools.pairwise(edges)
    if not getattr(kernel, "signatures", True):  # compile it before the threads would all wait to do so
        kernel(*next(slices), *arrays)

    def work() -> None:
        for start, stop in slices:  # taken by whichever thread is free; the GIL keeps them apart
            kernel(start, stop, *arrays)

    helpers = [_thread_pool(threads).submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        for helper in helpers:
            helper.result()


def _thread_pool(threads: int) -> ThreadPoolExecutor:
    """Threads besides the caller's."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(threads - 1, thread_name_prefix="aigc-market")
    return _pool
