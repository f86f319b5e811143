"""Checkpoints from which a run goes on as if it had never stopped.

A checkpoint is taken between two steps of a run. It is written to a file beside the old one and then renamed, so that a
run killed at any moment, or out of disk space, finds a whole one. It is read with ``weights_only=True``: numbers, no
code. Its checksums are verified first, so that a flipped bit does not go unnoticed.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from agents.algorithms.set_config import SetConfig
from agents.config import TrainingConfig
from agents.documents import config_of, learning_fields
from aigc_market_env.files import write_whole

CHECKPOINT_FILE = "checkpoint.pt"


def save_checkpoint(path: Path, document: Mapping[str, Any]) -> None:
    """Write the state of a run: numbers, tensors, lists and dictionaries of them."""
    content = io.BytesIO()
    torch.save(document, content)  # in memory: torch's own error of a full disk tells neither that nor the file
    write_whole(path, content.getvalue())


@contextmanager
def load_checkpoint(path: Path) -> Iterator[Mapping[str, Any]]:
    """What :func:`save_checkpoint` wrote; whatever goes wrong while it is used is a ValueError that names the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or does not fit what is restored from it.
    """
    try:
        yield _read(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged archives and pickles raise almost anything
        raise ValueError(f"{path}: damaged, or of a run with another configuration: {error}") from None


def check_goes_on(state: Mapping[str, Any], config: TrainingConfig | SetConfig) -> None:
    """Make sure that a run may go on from a state: its configuration is the same, or has become longer.

    Args:
        state: with the :func:`~agents.documents.learning_fields` of its run as ``config``.
        config: the run's own.

    Raises:
        ValueError: it may not.
    """
    saved: Any = state.get("config")
    now, length = learning_fields(config), config.length
    try:
        begun = learning_fields(config_of(saved))  # what was not thought of when it was saved has its default
    except (AttributeError, KeyError, TypeError, ValueError):
        begun = {}
    if not (begun and begun[length] <= now[length] and {**begun, length: now[length]} == now):
        raise ValueError("the saved state is of a run with another configuration")


def _read(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")
    return torch.load(path, weights_only=True)
