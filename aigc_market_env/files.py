"""Files that are written whole or not at all, JSON, names of files as text, and folders of one command at a time."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

LOCK_FILE = ".lock"
#: Seconds after which a file beside another is one that a killed writer left, where there are no locks to tell.
_ABANDONED_AFTER = 86_400.0
#: What is created follows the umask, as it would by ``open``.
_MODE = 0o666

#: Device and number of a file: what a name stands for may change.
_Identity = tuple[int, int]


class FolderTakenError(ValueError):
    """Another command has a folder, or had it first."""


def readable(path: str | PathLike[str]) -> str:
    """A path as text that files and figures take; what is no text in a name becomes a replacement character."""
    return os.fsencode(path).decode("utf-8", errors="replace")


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """A path to write to in place of ``path``, whose file is replaced when the block ends without an error.

    Whoever reads sees the old file or the new one, and a failure leaves the old one. Of several writers at once, each
    writes to a path of its own, and the last one to end counts. What a killed writer leaves is removed by the next one.

    Raises:
        OSError: the file cannot be written; the error names it.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):  # /dev/stdout stays what it is
        with naming(path):
            yield path
        return
    with naming(path), _beside(path) as new:
        yield new
        os.replace(new, path)


def write_whole(path: str | PathLike[str], content: bytes) -> None:
    """Write a file, or leave the old one; see :func:`replacing`."""
    with replacing(path) as new:
        new.write_bytes(content)


def write_new(path: str | PathLike[str], content: bytes) -> None:
    """Write a file that is not there yet; of several writers at once, one succeeds.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written; the error names it.
    """
    path = Path(path)
    with naming(path), _beside(path) as new:
        new.write_bytes(content)
        try:
            os.link(new, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
            os.replace(new, path)


def read_json(path: str | PathLike[str]) -> Any:
    """Read a JSON file in UTF-8, -16 or -32, with a byte-order mark or without: Windows programs write both.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON; the message names the file.
    """
    content = Path(path).read_bytes()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:  # bytes of no encoding, or a number of too many digits, too
        raise ValueError(f"{path}: not a JSON document: {error}") from None


@contextmanager
def naming(path: str | PathLike[str]) -> Iterator[None]:
    """Have an error of the system's that names no file, such as that of a full disk, name this one."""
    try:
        yield
    except OSError as error:
        name = str(error.filename or "")
        own = not name or (name.startswith(f"{path}.") and name.endswith(".new"))
        if error.errno is None or not own:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def writing(folder: str | PathLike[str], *, patience: float = 0.0) -> Iterator[None]:
    """Have a folder to oneself, among all who ask in this way; it is made if need be, and does not stay empty.

    The lock ends with the process that holds it, however that ends. Where the file system has no locks, there is none.

    Args:
        folder: the folder.
        patience: seconds to wait for whoever has it.

    Raises:
        FolderTakenError: somebody has it.
        OSError: it cannot be made, or is a file.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = _locked(folder, time.monotonic() + patience)
        try:
            yield
        finally:
            if descriptor is not None:
                (folder / LOCK_FILE).unlink(missing_ok=True)  # before it is given back, lest it be another's
                os.close(descriptor)
    finally:
        with suppress(OSError):  # raised by the first that is not empty
            for path in made:
                path.rmdir()


def _locked(folder: Path, until: float) -> int | None:
    """The lock file of a folder, open and locked; None where there are no locks."""
    path = folder / LOCK_FILE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _MODE)
        free = _lock(descriptor)
        if free and _is_at(_identity(descriptor), path):
            return descriptor
        os.close(descriptor)
        if free is None:
            path.unlink(missing_ok=True)
            return None
        if not free:
            if time.monotonic() >= until:
                raise FolderTakenError(
                    f"{folder}: another command is writing into it; wait for it, or choose another folder"
                )
            time.sleep(0.05)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty file beside another for a writer of its own, gone in the end unless it was renamed."""
    number = 1
    while True:
        new = path.with_name(f"{path.name}.{number}.new")
        try:
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)
        except FileExistsError:
            number += not _remove_abandoned(new)
            continue
        identity, free = _identity(descriptor), _lock(descriptor)
        if free is None or (free and _is_at(identity, new)):
            break
        os.close(descriptor)  # in the moment before it was locked, another writer took it for abandoned
    if free is None:
        os.close(descriptor)  # Windows does not rename what is open
    try:
        yield new
    finally:
        if _is_at(identity, new):
            new.unlink(missing_ok=True)
        if free is not None:
            os.close(descriptor)


def _remove_abandoned(new: Path) -> bool:
    """Remove what a writer left that was killed, and nothing else; whether it was that."""
    with suppress(OSError):  # another has removed it, or it cannot be
        descriptor = os.open(new, os.O_RDWR)
        try:
            free, age = _lock(descriptor), time.time() - os.fstat(descriptor).st_mtime
            if free and _is_at(_identity(descriptor), new):
                new.unlink()
                return True
        finally:
            os.close(descriptor)
        if free is None and age > _ABANDONED_AFTER:
            new.unlink()
            return True
    return False


def _lock(descriptor: int) -> bool | None:
    """Lock an open file until it is closed: whether nobody else has locked it; None where there are no locks."""
    if not HAS_LOCKS:
        return None
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _identity(descriptor: int) -> _Identity:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _is_at(identity: _Identity, path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == identity
