"""The folder of a run: begun before anybody else does, with its configuration and its own copy of the market."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from agents.algorithms.set_config import SetConfig
from agents.config import Config, TrainingConfig
from agents.documents import as_document, config_of, learning_fields
from agents.runs import CONFIG_FILE, EVALUATION_FILE, MARKET_FOLDER, json_bytes, write_json
from aigc_market_env import Market, Scenario
from aigc_market_env.files import FolderTakenError, read_json, write_new

_Config = TypeVar("_Config", bound=TrainingConfig | SetConfig)


def keep_market(config: _Config, run: Path) -> _Config:
    """Copy a market that is no preset's into a run folder; the configuration with the copy, and how it changes.

    So a run stays what it is when a file is edited, can be given away, and is read without executing anything.

    Raises:
        ValueError: a file is not a market, or not the one that the run was begun on, or a load was given for it.
    """
    copy, own = _copy(config, run), cast(Any, config)
    if copy is None:
        return config
    scenario: Scenario = own.make_scenario()  # before anything is written
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        scenario.sample().to_json(copy)
    elif Market.from_json(copy) != scenario.sample():
        name = config.scenario_name
        raise ValueError(f"scenario = {name!r}: not the market that {run} was begun on, which is in {copy}")
    if isinstance(own.scenario, str):
        return replace(own, scenario=str(copy))
    return replace(own, scenario=str(copy), dynamics=scenario.dynamics, wallet=scenario.wallet)


def _copy(config: TrainingConfig | SetConfig, run: Path) -> Path | None:
    """Where the copy of a market is; None for a preset's, or where there is no such file."""
    if config.any_size or config.of_preset:
        return None
    if isinstance(config.scenario, str):
        return run / MARKET_FOLDER / Path(config.scenario).name if os.path.isfile(config.scenario) else None
    return run / MARKET_FOLDER / f"{Path(config.scenario_name).name}.json"


def begin_run(config: TrainingConfig | SetConfig, run: Path) -> list[Path]:
    """Begin a run in a folder: its configuration, and a copy of its market file, before anybody else does.

    Returns:
        What was made, for :func:`forget`.

    Raises:
        FolderTakenError: the folder already holds a run, whoever began it; nothing is written.
        ValueError: see :func:`keep_market`.
    """
    copy = _copy(config, run)
    paths = [*reversed(run.parents), run, run / CONFIG_FILE, *([] if copy is None else [copy.parent, copy])]
    made = [path for path in paths if not path.exists()]
    try:
        run.mkdir(parents=True, exist_ok=True)
        write_new(run / CONFIG_FILE, json_bytes(document_in(config, run)))
        write_config(keep_market(config, run), run)
    except BaseException as error:
        if isinstance(error, FileExistsError) and (run / CONFIG_FILE).exists():
            message = f"{run} already holds a run; add --resume to go on with it, or choose another --out"
            raise FolderTakenError(message) from None
        forget(made)
        raise
    return made


def forget(made: Sequence[Path]) -> None:
    """Take back what was made, the last first; folders that others have put something into stay."""
    for path in reversed(made):
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def lengthen_run(config: TrainingConfig | SetConfig, run: Path) -> None:
    """Have a run be as long as a configuration says; if that is longer, it is one that has not ended from now on."""
    if learning_fields(config) != learning_fields(read_config(run)):
        (run / EVALUATION_FILE).unlink(missing_ok=True)
    write_config(config, run)


def write_config(config: TrainingConfig | SetConfig, run: Path) -> None:
    """Write a configuration into a run folder, where :func:`read_config` finds it."""
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / CONFIG_FILE, document_in(config, run))


def document_in(config: TrainingConfig | SetConfig, run: Path) -> dict[str, Any]:
    """A configuration as plain numbers and text; a market file in the run folder goes by its name there."""
    document = as_document(config)
    if not config.any_size and Path(config.scenario_name).parent == run / MARKET_FOLDER:
        document["scenario"] = f"{MARKET_FOLDER}/{Path(config.scenario_name).name}"
    return document


def read_config(run: Path) -> Config:
    """The configuration of a run folder.

    Raises:
        FileNotFoundError: the folder is not a run.
        ValueError: the file is damaged or from another version.
    """
    return read_config_file(run / CONFIG_FILE)


def read_config_file(path: Path) -> Config:
    """The configuration in a file, which a run folder may hold.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or from another version.
    """
    document = read_json(path)
    try:
        entries = dict(document)
        if str(entries.get("scenario")).startswith(f"{MARKET_FOLDER}/"):
            entries["scenario"] = str(path.parent / entries["scenario"])
        return config_of(entries)
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not the configuration of a run: {error}") from None
