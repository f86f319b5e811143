import importlib
import multiprocessing
import os
import pkgutil
import subprocess
import sys
import typing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from markets import random_market, random_rewards
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

import aigc_market_env
from aigc_market_env import follower_response
from aigc_market_env._numerics import compile as _compile
from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner, over_markets, version_for
from aigc_market_env.spaces import keep


def squares(start, stop, values, results):
    for i in range(start, stop):
        results[i] += values[i] ** 2


@pytest.mark.parametrize("min_slice", [1, 3, 16, 1000])
@pytest.mark.parametrize("size", [0, 1, 2, 7, 16, 33, 1000])
def test_every_market_is_treated_once_whatever_the_slices(four_threads, size, min_slice):
    values, results = np.arange(size, dtype=float), np.zeros(size)
    over_markets(squares, size, values, results, min_slice=min_slice)
    np.testing.assert_array_equal(results, values**2)


def test_large_batches_are_spread_over_slices_of_at_least_min_slice(four_threads):
    slices = []
    over_markets(lambda start, stop: slices.append((start, stop)), 100, min_slice=16)
    assert len(slices) == 6
    assert min(stop - start for start, stop in slices) >= 16


def test_one_thread_takes_the_batch_whole(monkeypatch):
    monkeypatch.setattr(_compile, "num_threads", lambda: 1)
    slices = []
    over_markets(lambda start, stop: slices.append((start, stop)), 100, min_slice=1)
    assert slices == [(0, 100)]


@pytest.mark.parametrize("faulty", [0, 99])
def test_exceptions_of_a_slice_reach_the_caller(four_threads, faulty):
    def kernel(start, stop):
        if start <= faulty < stop:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        over_markets(kernel, 100, min_slice=1)


def game():
    rng = np.random.default_rng(5)
    market = random_market(rng, 4, 2, 1.0, (200,))
    return market, random_rewards(rng, market)


def respond_in_child(queue):
    market, rewards = game()
    queue.put(follower_response(market, rewards).compute)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_answers_after_the_pool_was_used(four_threads):
    market, rewards = game()
    expected = follower_response(market, rewards).compute
    assert _compile._pool is not None
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=respond_in_child, args=(queue,))
    child.start()
    try:
        np.testing.assert_array_equal(queue.get(timeout=60), expected)
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()


def test_several_threads_may_ask_at_once(four_threads):
    market, rewards = game()
    expected = follower_response(market, rewards).compute
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: follower_response(market, rewards).compute, range(24)))
    assert all(np.array_equal(answer, expected) for answer in answers)


def test_one_compiled_version_serves_every_way_of_calling():
    from aigc_market_env.game.followers import _respond

    market, rewards = game()
    follower_response(market, rewards)
    compiled = len(_respond.signatures)
    for args in ((market[0], rewards[0]), (market, rewards[0]), (market[0], rewards), (market[0], rewards[0].tolist())):
        follower_response(*args)
    assert len(_respond.signatures) == compiled


def run_python(code, cache):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "TMPDIR": str(cache)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)


def test_a_first_use_says_that_it_compiles_and_the_next_has_nothing_to_say(tmp_path):
    use = "from aigc_market_env import spaces; import numpy as np; print(spaces.any_outside(np.array([0.5, 2.0])))"
    first, second = run_python(use, tmp_path), run_python(use, tmp_path)
    assert first.stdout == second.stdout == "True\n"
    assert first.stderr.splitlines() == [
        "First use on this machine compiles,",
        "which takes one to two minutes in all.",
        "Compiling formulas of the market",
    ]
    assert second.stderr == ""


def test_import_compiles_nothing(tmp_path):
    assert run_python("import aigc_market_env", tmp_path).stderr == ""
    assert list(tmp_path.rglob("*.nbc")) == []


@pytest.mark.parametrize("decorator", [compiled_in_place, compiled_inner])
def test_functions_that_count_no_references_cannot_make_arrays(decorator):
    with pytest.raises(NumbaError, match="empty"):
        decorator(lambda: np.empty(3))()


def test_functions_count_references_whoever_is_the_first_to_call_them():
    make = compiled(lambda size: np.empty(size))
    assert compiled_in_place(lambda size: make(size).size)(3) == 3  # which leaks, but it is compiled
    assert make(4).size == 4


def test_a_version_for_types_is_the_one_that_a_call_takes():
    shares, kept = np.array([0.5, 1.5], np.float32), np.zeros(2)
    version = version_for(keep, shares, kept)
    assert version(shares, kept) is True
    assert kept.tolist() == [0.5, 1.5]
    known = len(keep.signatures)
    assert keep(shares, kept) is True
    assert version_for(keep, shares[:1], kept[:1]) is version
    assert len(keep.signatures) == known


def test_of_what_is_not_compiled_there_is_one_version():
    assert version_for(squares, 0, 1) is squares


def functions_of_the_package():
    for found in pkgutil.walk_packages(aigc_market_env.__path__, "aigc_market_env."):
        if found.name.rpartition(".")[2] != "__main__":
            module = importlib.import_module(found.name)
            yield from (f for f in vars(module).values() if isinstance(f, Dispatcher))


def holds_arrays(hint):
    inside = list(typing.get_type_hints(hint).values()) if hasattr(hint, "_fields") else typing.get_args(hint)
    return typing.get_origin(hint) is np.ndarray or any(holds_arrays(each) for each in inside)


def returns_arrays(function):
    return holds_arrays(typing.get_type_hints(function.py_func)["return"])


def test_no_array_passes_from_callee_to_caller_uncounted():
    uncounted = {f for f in functions_of_the_package() if f.targetoptions.get("_nrt") is False}
    assert len(uncounted) > 150
    assert [f.__name__ for f in uncounted if returns_arrays(f)] == []
    for function in uncounted:
        names = function.py_func.__code__.co_names
        called = [function.py_func.__globals__.get(name) for name in names]
        assert not any(isinstance(f, Dispatcher) and returns_arrays(f) for f in called), function
