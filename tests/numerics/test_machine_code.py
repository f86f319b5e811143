"""Compiled functions on disk: never stale, never in the way."""

import errno
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from aigc_market_env._numerics import machine_code as _machine_code
from aigc_market_env._numerics.compile import compiled

ROOT = Path(__file__).parents[2]
#: A package whose kernel stands on a formula and a constant in other modules.
SOURCES = {
    "__init__": "",
    "constants": "FACTOR = 2.0",
    "formula": "from aigc_market_env._numerics.compile import compiled\n\n\n"
    "@compiled\ndef scaled(x, factor):\n    return factor * x\n",
    "kernel": "from aigc_market_env._numerics.compile import compiled\n"
    "from physics_of.constants import FACTOR\nfrom physics_of.formula import scaled\n\n\n"
    "@compiled\ndef kernel(x):\n    return scaled(x, FACTOR)\n",
    "pictures": "from physics_of.kernel import kernel\n",
}
USE = "from physics_of.kernel import kernel; print(kernel(3.0), sum(kernel.stats.cache_hits.values()))"


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "physics_of"
    folder.mkdir()
    for name, text in SOURCES.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def use(package, **environment):
    """What the kernel gives, and whether it was found on disk."""
    clean = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    path = os.pathsep.join([str(package.parent), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env=clean | {"PYTHONPATH": path, "HOME": str(package.parent), "TMPDIR": str(package.parent)} | environment,
        cwd=package.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    value, hits = done.stdout.split()
    return float(value), bool(int(hits))


@pytest.mark.parametrize("chosen", [True, False])
def test_a_kernel_is_compiled_anew_when_what_it_stands_on_changes_and_only_then(package, tmp_path, chosen):
    where = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")} if chosen else {}
    assert use(package, **where) == (6.0, False)
    assert use(package, **where) == (6.0, True)
    (package / "pictures.py").write_text("# a comment\n")
    assert use(package, **where) == (6.0, True)
    (package / "formula.py").write_text(SOURCES["formula"].replace("factor * x", "factor * x + 1.0"))
    assert use(package, **where) == (7.0, False)
    (package / "constants.py").write_text("FACTOR = 3.0")
    assert use(package, **where) == (10.0, False)
    assert (package / "__pycache__").exists() or chosen


def test_a_source_that_changed_after_its_import_is_not_taken_for_what_runs(package, tmp_path):
    late = (
        "import pathlib, physics_of.kernel as k, physics_of.formula as f; path = pathlib.Path(f.__file__); "
        "text = path.read_text(); path.write_text(text.replace('factor * x', 'factor * x + 1.0')); k.kernel(3.0)"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", late], env=os.environ | cache | {"PYTHONPATH": path}, check=True)
    assert use(package, **cache) == (7.0, False)


def test_where_nothing_can_be_written_a_private_folder_serves(package, tmp_path):
    (package / "__pycache__").write_text("in the way, also of root")
    nowhere = {"HOME": os.devnull}
    assert use(package, **nowhere) == (6.0, False)
    assert use(package, **nowhere) == (6.0, True)
    (folder,) = tmp_path.glob("aigc-market-env-*")
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no users on this platform")
def test_a_private_folder_of_somebody_else_or_open_to_others_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(_machine_code.tempfile, "gettempdir", lambda: str(tmp_path))
    (folder,) = _machine_code._private_folder(make=True)
    folder.chmod(0o777)
    assert _machine_code._private_folder(make=True) == ()
    folder.chmod(0o700)
    monkeypatch.setattr(_machine_code.os, "getuid", lambda: folder.stat().st_uid + 1)
    folder.rename(tmp_path / f"aigc-market-env-{folder.stat().st_uid + 1}")
    assert _machine_code._private_folder(make=True) == ()


def test_without_a_home_no_folder_is_made_in_the_working_folder(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(
        _machine_code.os.path, "expanduser", lambda path: path
    )  # as where HOME and the user are unknown
    assert _machine_code._user_folder() == ()


def function():
    """A function compiled afresh, as in another process."""

    @compiled
    def doubled(x):
        return 2.0 * x

    return doubled


def hits(dispatcher):
    return sum(dispatcher.stats.cache_hits.values())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(_machine_code, "_places", lambda source, writing: iter([tmp_path / "a", tmp_path / "b"]))
    return tmp_path


def entries(cache):
    return sorted(path.relative_to(cache).parts[0] for path in cache.rglob("*.nbc"))


def test_the_first_place_is_written_to_and_all_are_read(cache):
    assert function()(2.0) == 4.0
    assert entries(cache) == ["a"]
    (cache / "a").rename(cache / "b")
    found = function()
    assert found(2.0) == 4.0
    assert hits(found) == 1


@pytest.mark.parametrize("content", [b"", b"\x80", lambda old: old[: len(old) // 2], lambda old: old[:-9] + old[-8:]])
def test_a_damaged_entry_is_compiled_again_and_replaced(cache, content):
    function()(2.0)
    (path,) = cache.rglob("*.nbc")
    old = path.read_bytes()
    path.write_bytes(content(old) if callable(content) else content)
    again, third = function(), function()
    assert again(2.0) == third(2.0) == 4.0
    assert (hits(again), hits(third)) == (0, 1)


def test_an_entry_whose_checksum_was_made_for_nonsense_is_compiled_again(cache):
    import hashlib
    import pickle

    function()(2.0)
    (path,) = cache.rglob("*.nbc")
    for nonsense in (b"no pickle", pickle.dumps(None), pickle.dumps((1, 2, 3)), pickle.dumps(("another key", ()))):
        path.write_bytes(hashlib.sha256(nonsense).digest() + nonsense)
        again = function()
        assert again(2.0) == 4.0
        assert hits(again) == 0


def test_an_entry_that_is_a_folder_is_left_alone(cache):
    function()(2.0)
    (path,) = cache.rglob("*.nbc")
    path.unlink()
    path.mkdir()
    assert function()(2.0) == 4.0
    assert entries(cache) == ["a", "b"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_where_nothing_can_be_written_functions_compile_all_the_same(cache, monkeypatch, number):
    @contextmanager
    def full(path):
        raise OSError(number, os.strerror(number))
        yield path

    monkeypatch.setattr(_machine_code, "replacing", full)
    assert function()(2.0) == 4.0
    assert entries(cache) == []


def test_a_cache_that_can_only_be_read_is_read(cache, monkeypatch):
    function()(2.0)

    def never(path):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(_machine_code, "replacing", never)
    found = function()
    assert found(2.0) == 4.0
    assert hits(found) == 1


def test_recompiling_forgets_what_is_on_disk(cache):
    found = function()
    found(2.0)
    found.recompile()
    assert found(2.0) == 4.0
    assert entries(cache) == ["a"]


def test_a_package_without_sources_on_disk_compiles(tmp_path):
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", ROOT, "aigc_market_env")
    code = "from aigc_market_env import spaces; import numpy as np; print(spaces.any_outside(np.array([0.5, 2.0])))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": archive},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True\n", done.stderr
