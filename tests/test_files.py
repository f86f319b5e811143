import codecs
import contextlib
import errno
import os
import stat

import pytest

from aigc_market_env import Scenario, files
from aigc_market_env.files import FolderTakenError, naming, read_json, replacing, write_new, write_whole, writing

needs_posix = pytest.mark.skipif(os.name != "posix", reason="locks, umask and limits of POSIX")


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with contextlib.suppress(OSError), replacing(str(path)) as new:
        new.write_text("half")
        raise OSError("the disk is full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_market_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path, (old, new) = tmp_path / "market.json", (Scenario.preset("random").sample(seed) for seed in (0, 1))
    old.to_json(path)
    write_bytes = path.__class__.write_bytes
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda self, _: write_bytes(self, b"{") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        new.to_json(path)
    assert type(old).from_json(path) == old


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_json_is_read_with_a_byte_order_mark_and_without(tmp_path, mark):
    path = tmp_path / "file.json"
    path.write_bytes(mark + '{"ω": [1, 0.1]}'.encode())
    assert read_json(path) == {"ω": [1, 0.1]}


@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b"\xff\xfe\x00", b"9" * 5000, b"[" * 100_000])
def test_what_is_no_json_is_refused_by_the_name_of_the_file(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file\.json: not a JSON document"):
        read_json(path)


def test_of_two_writers_at_once_each_has_its_own_file_and_the_last_to_end_counts(tmp_path):
    path = tmp_path / "file.txt"
    with replacing(path) as first:
        first.write_text("half of the first")
        with replacing(path) as second:
            assert second != first
            second.write_text("second")
        assert path.read_text() == "second"
        first.write_text("first")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("locks", [pytest.param(True, marks=needs_posix), False])
def test_the_failure_of_one_writer_does_not_take_the_file_of_another(tmp_path, monkeypatch, locks):
    monkeypatch.setattr(files, "HAS_LOCKS", locks)
    path = tmp_path / "file.txt"
    with replacing(path) as first:
        first.write_text("first")
        with contextlib.suppress(RuntimeError), replacing(path):
            raise RuntimeError
    with contextlib.suppress(RuntimeError), replacing(path) as one:
        one.write_text("one")
        with replacing(path) as other:
            other.write_text("other")
        raise RuntimeError
    assert path.read_text() == "other"
    assert list(tmp_path.iterdir()) == [path]


def killed_while_writing(path):
    process = os.fork()
    if not process:
        with replacing(path) as new:
            new.write_text("half")
            os._exit(0)
    os.waitpid(process, 0)


@needs_posix
def test_what_killed_writers_leave_does_not_pile_up_and_is_no_file_of_its_kind(tmp_path):
    path = tmp_path / "file.json"
    for _ in range(3):
        killed_while_writing(path)
        assert not list(tmp_path.glob("*.json"))
    assert len(list(tmp_path.iterdir())) == 1
    write_whole(path, b"whole")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "whole"


def test_without_locks_what_is_old_was_left_by_a_killed_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "HAS_LOCKS", False)
    path, young, old = (tmp_path / name for name in ("file.txt", "file.txt.1.new", "file.txt.2.new"))
    for leftover in (young, old):
        leftover.write_text("half")
    os.utime(old, (0, 0))
    write_whole(path, b"whole")
    assert set(tmp_path.iterdir()) == {path, young}
    assert path.read_text() == "whole"


@needs_posix
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_a_file_may_be_read_by_whom_the_umask_lets(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "whole", b"")
        write_new(tmp_path / "new", b"")
        with replacing(tmp_path / "replaced") as new:
            new.write_text("")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o666 & ~umask}


@pytest.fixture
def full_disk():
    """No file can become larger than 10,000 bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("write", [write_whole, write_new])
def test_the_error_of_a_full_disk_names_the_file_and_the_old_one_stays(tmp_path, full_disk, write):
    path = tmp_path / "file.bin"
    if write is write_whole:
        path.write_bytes(b"old")
    with pytest.raises(OSError, match=r"file\.bin'$") as caught:
        write(path, bytes(20_000))
    assert caught.value.errno == errno.EFBIG
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([b"old"] if write is write_whole else [])


def test_errors_that_name_another_file_or_are_no_errors_of_the_system_stay_as_they_are(tmp_path):
    for error in (FileNotFoundError(errno.ENOENT, "none", "other"), FileNotFoundError("a message"), ValueError("x")):
        with pytest.raises(type(error)) as caught, naming(tmp_path / "file"):
            raise error
        assert caught.value is error


def test_a_file_in_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none/market\.json'$"):
        Scenario.preset("duo").sample(0).to_json(tmp_path / "none" / "market.json")


@needs_posix
def test_a_device_is_written_to_and_not_replaced():
    write_whole("/dev/null", b"nothing")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_written_once(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EPERM, "no links")))
    path = tmp_path / "file.txt"
    write_new(path, b"first")
    with pytest.raises(FileExistsError, match=r"file\.txt'$"):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@needs_posix
def test_a_folder_is_one_commands_at_a_time_until_that_ends_however_it_ends(tmp_path):
    folder = tmp_path / "deep" / "folder"
    process = os.fork()
    if not process:
        with writing(folder):
            os._exit(0)
    os.waitpid(process, 0)
    with writing(folder):
        with pytest.raises(FolderTakenError, match="folder: another command is writing"), writing(folder):
            pass
        with pytest.raises(FolderTakenError), writing(folder, patience=0.01):
            pass
        (folder / "file").touch()
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("locks", [pytest.param(True, marks=needs_posix), False])
def test_a_folder_that_was_not_written_into_is_not_left_behind(tmp_path, monkeypatch, locks):
    monkeypatch.setattr(files, "HAS_LOCKS", locks)
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "mine" / "new" / "folder", tmp_path / "mine"):
        with contextlib.suppress(ValueError), writing(folder):
            raise ValueError
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
