"""Run folders: where a run lives, and its JSON files, written whole or not at all."""

import json
import math
import re
from pathlib import Path
from typing import Any

from aigc_market_env.files import write_whole

CONFIG_FILE, METRICS_FILE, EVALUATION_FILE = "config.json", "metrics.json", "evaluation.json"
#: Sub-folder of a run for its copy of the market file that it is trained on.
MARKET_FOLDER = "market"
#: Sub-folder of a run for what evaluate.py writes.
EVALUATION_FOLDER = "evaluation"


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file in one go: a reader sees the old one or the new one.

    An infinite number, such as a regret where nobody has anything, is null.
    """
    write_whole(path, json_bytes(document))


def json_bytes(document: Any) -> bytes:
    """A document as the JSON files of a run have it; see :func:`write_json`."""
    return (json.dumps(_finite(document), indent=1, allow_nan=False) + "\n").encode()


def _finite(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _finite(value) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [_finite(value) for value in document]
    return None if isinstance(document, float) and math.isinf(document) else document


def number(value: Any) -> float:
    """A number of a run's JSON file; null is an infinite one, see :func:`write_json`.

    Raises:
        TypeError: it is neither.
        ValueError: it is text that is no number.
    """
    return math.inf if value is None else float(value)


def new_run_folder(name: str, root: Path = Path("runs")) -> Path:
    """The first folder ``root/name``, ``root/name-2``, … that does not exist yet."""
    candidates = [root / name, *(root / f"{name}-{number}" for number in range(2, 10_000))]
    return next(folder for folder in candidates if not folder.exists())


def latest_run_folder(name: str, root: Path = Path("runs")) -> Path:
    """The youngest of the runs ``root/name``, ``root/name-2``, ….

    Raises:
        ValueError: there is none.
    """
    found = find_run(name, root)
    if found is None:
        raise ValueError(f"no run called {name!r} in {root}/ to resume; name one with --out")
    return found


def find_run(name: str, root: Path = Path("runs")) -> Path | None:
    """Like :func:`latest_run_folder`; None when there is none."""
    pattern = re.compile(re.escape(name) + r"(-\d+)?")
    runs = [path.parent for path in root.glob(f"*/{CONFIG_FILE}") if pattern.fullmatch(path.parent.name)]
    return max(runs, key=lambda folder: (folder / CONFIG_FILE).stat().st_mtime, default=None)
