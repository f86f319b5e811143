"""Where results are to go: told to be no place for them before anything is measured."""

import os
from pathlib import Path
from tempfile import TemporaryFile

from tyro.constructors import PrimitiveConstructorSpec


def folder(option: str) -> PrimitiveConstructorSpec[Path]:
    """How a command line reads a folder; no name at all is not the current folder, which is a dot.

    Args:
        option: what the command line calls it, such as ``--out``.
    """

    def read(texts: list[str]) -> Path:
        if not texts[0]:  # an OSError, for a ValueError would be told in a box of several lines
            raise FileNotFoundError(f"{option} '' names no folder; the current one is {option} .")
        return Path(texts[0])

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="DIR",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


def check_folder(out: Path, option: str = "--out") -> None:
    """Make sure that files can be written into a folder, which need not be there yet; nothing is made.

    Args:
        out: the folder.
        option: what the command line calls it.

    Raises:
        ValueError: it is a file or lies under one, or cannot be written.
    """
    there = _nearest(out, option)
    if not there.is_dir():
        why = "is a file" if there == out.absolute() else f"lies under {there}, which is a file"
        raise ValueError(f"{option} {out} {why}; name a folder")
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(f"{option} {out}: {there} cannot be written ({error.strerror}); name another folder") from None


def check_file(path: Path, option: str) -> None:
    """Make sure that a file can be written, which need not be there yet; nothing is made.

    Raises:
        ValueError: it is a folder, or its folder is not there or cannot be written.
    """
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder; name a file")
    if not path.parent.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {path.parent}; make it, or name another file")
    check_folder(path.parent, option)


def _nearest(out: Path, option: str) -> Path:
    """What is there of a path: itself, or the first of the folders above it."""
    whole = out.absolute()
    for path in (whole, *whole.parents):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:  # a name that is too long, say
            raise ValueError(f"{option} {out}: {error.strerror}; name another folder") from None
        return path
    raise ValueError(f"{option} {out} is nowhere; name another folder")  # not even a root
