"""Going on with a run: its own configuration counts, and may become longer."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from agents.config import Config
from agents.documents import flat, with_fields
from agents.sweeps.arguments import Arguments, option
from agents.sweeps.sweep import Values
from aigc_market_env import Market, Scenario


def asked_of_run(arguments: Arguments, config: Config, out: Path, values: Values) -> Config:
    """The configuration of a run that goes on: its own, and longer if that is asked for.

    Args:
        arguments: of the command.
        config: of the run.
        out: its folder.
        values: that are swept, which is not for other options to say.

    Raises:
        ValueError: an option contradicts the run, or would make it shorter.
    """

    def told(name: str, asked: Any, of_run: Any) -> ValueError:
        return ValueError(f"{name} {asked}: {out} is a run with {of_run}, and goes on as such; leave the option out")

    for name, of_run in _kind(config).items():
        asked = getattr(arguments.choice, name)
        if asked not in (None, of_run):
            raise told(f"--{name}", asked, f"--{name} {of_run}")
    own = flat(config)
    asked = {name: value for name, value in flat(arguments.config).items() if name in arguments.given}
    for name, value in asked.items():
        if name not in own:
            raise ValueError(f"{option(name)}: {out} is no run that has it; leave the option out")
        alike: Callable[[Any, Any], bool] = _same_market if name == "scenario" else operator.eq
        if name != config.length and name not in values and not alike(value, own[name]):
            raise told(option(name), _shown(value), _shown(own[name]))
    for name, value in _of_preset(arguments.choice.preset, config).items():
        if name not in values and name not in asked and value != own[name]:
            raise told(f"--preset {arguments.choice.preset}, which is {name} =", value, f"{name} = {own[name]}")
    length = asked.get(config.length, own[config.length])
    if length < own[config.length]:
        of_run = f"{out} is a run of {own[config.length]}; it can become longer, not shorter"
        raise ValueError(f"{option(config.length)} {length}: {of_run}")
    return with_fields(config, {config.length: length})


def _kind(config: Config) -> dict[str, str]:
    """The choice with which a run is begun."""
    if config.any_size:
        return {"policy": "set", "train": config.side, "algorithm": config.algorithm}
    return {"policy": "mlp", "train": config.side, "algorithm": config.algorithm.name}


def _of_preset(preset: str | None, config: Config) -> Mapping[str, Any]:
    """What a preset says of the fields that one of the presets changes."""
    if preset is None:
        return {}
    usual = {field.name: getattr(type(config)(), field.name) for field in fields(config)}
    changed = dict.fromkeys(name for changes in config.presets.values() for name in changes)
    return {name: usual[name] for name in changed} | dict(config.presets[preset])


def _same_market(asked: str | Scenario, of_run: str) -> bool:
    """Whether it is the preset of a run, or the market that it has its copy of; one that is gone, by its name."""
    if asked == of_run or not Path(of_run).is_file():
        return asked == of_run
    if isinstance(asked, str) and not Path(asked).is_file():
        return Path(asked).name == Path(of_run).name
    return Scenario.of(asked).sample(0) == Market.from_json(of_run)


def _shown(value: Any) -> str:
    """The value of an option as it is typed."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
