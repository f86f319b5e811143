"""Going on with a run: its own configuration counts, and may become longer, with checkpoints as often as one likes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.config import OF_SCENARIO, Config
from agents.documents import FREE, flat, with_fields
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

    file, own, asked = arguments.choice.config, flat(config), _asked(arguments, config)
    kind = {name: getattr(arguments.choice, name) for name in _kind(config)}
    for name, value in (kind if file is None else _kind(arguments.config)).items():
        if value not in (None, _kind(config)[name]):
            option_asked = f"--{name}" if file is None else f"--config {file}, which is --{name}"
            raise told(option_asked, value, f"--{name} {_kind(config)[name]}")
    for name, value in asked.items():
        if name not in own:
            raise ValueError(f"{option(name)}: {out} is no run that has it; leave the option out")
        alike = _same_market(value, config) if name == "scenario" else value == own[name]
        if name not in (config.length, FREE) and name not in values and not alike:
            option_asked = option(name) if name in arguments.given else f"--config {file}, which is {option(name)}"
            raise told(option_asked, _shown(value), _shown(own[name]))
    for name, value in _of_preset(arguments.choice.preset, config).items():
        if name not in values and name not in asked and value != own[name]:
            raise told(f"--preset {arguments.choice.preset}, which is {name} =", value, f"{name} = {own[name]}")
    length = asked.get(config.length, own[config.length])
    if length < own[config.length]:
        of_run = f"{out} is a run of {own[config.length]}; it can become longer, not shorter"
        raise ValueError(f"{option(config.length)} {length}: {of_run}")
    return with_fields(config, {config.length: length, FREE: asked.get(FREE, own[FREE])})


def _kind(config: Config) -> dict[str, str]:
    """The choice with which a run is begun."""
    if config.any_size:
        return {"policy": "set", "train": config.side, "algorithm": config.algorithm}
    return {"policy": "mlp", "train": config.side, "algorithm": config.algorithm.name}


def _of_preset(preset: str | None, config: Config) -> Mapping[str, Any]:
    """What a preset says of the fields that one of the presets changes."""
    if preset is None:
        return {}
    usual = flat(type(config)())
    changed = dict.fromkeys(name for changes in config.presets.values() for name in changes)
    return {name: usual[name] for name in changed} | dict(config.presets[preset])


def _asked(arguments: Arguments, config: Config) -> dict[str, Any]:
    """The fields that are asked for: those that were typed, and all of a file that --config names.

    A file does not ask for a length, for the run may have become longer since. What changes from slot to slot belongs
    to its scenario.
    """
    names = set(arguments.given)
    if arguments.choice.config is not None:
        names |= flat(arguments.config).keys() - {config.length, FREE, *OF_SCENARIO}
    return {name: value for name, value in flat(arguments.config).items() if name in names}


def _same_market(asked: str | Scenario, config: Config) -> bool:
    """Whether it is the preset of a run, or the market that it has its copy of; one that is gone, by its name."""
    if config.any_size or not os.path.isfile(config.scenario_name):
        return asked == flat(config)["scenario"]
    if isinstance(asked, str) and not os.path.isfile(asked):
        return Path(asked).name == Path(config.scenario_name).name
    return Scenario.of(asked).sample(config.market_seed) == Market.from_json(config.scenario_name)


def _shown(value: Any) -> str:
    """The value of an option as it is typed."""
    if isinstance(value, Scenario):
        return value.name
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
