"""What is typed after ``train.py``: what to train, every field of its configuration, and where and how often.

The first few options choose a configuration; the fields of that configuration are the other options. So there is none
that does not belong to the training.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from agents.algorithms import ALGORITHMS, SET_ALGORITHMS
from agents.config import OF_SCENARIO, SIDES, Config
from agents.documents import flat, parts, with_fields
from agents.run_folder import read_config, read_config_file
from agents.runs import CONFIG_FILE
from agents.sweeps.grid import combinations
from agents.sweeps.sweep import Values
from aigc_market_env import Scenario
from aigc_market_env.scenarios import PRESETS
from experiments.own_code import own_scenario
from experiments.places import folder
from experiments.workers import Workers

_MARKERS = (tyro.conf.OmitArgPrefixes, tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff)
#: What None is called.
_AUTO = "auto"
#: What an option is called that is not given, and where a sentence tells what is done then.
_UNSET = tyro.conf.arg(help_behavior_hint="")


@dataclass(frozen=True)
class Choice:
    """What to train. The options of the configuration below are those of this choice.

    Attributes:
        train: Who learns. both: mobile users and providers, each against the other as it is then; the default, except
            for set policies. leaders: mobile users, with providers at their exact best response; the default of set
            policies. followers: providers, on rewards from a mixture.
        policy: What learns. mlp: a network for one market of one size; the default. set: one network for markets of any
            size, which sees the whole market and does not care in what order mobile users and providers are listed.
        algorithm: How. ppo: from rewards alone, of what it has just played; the default, except for set policies. sac
            (mlp only): likewise, but from the latest 200,000 transitions, by way of a critic; on campus neither side
            got as near as with ppo. equilibrium (set only): on exact conditions of optimality, without sampled returns;
            the default of set policies. levels (set only): likewise, where mobile users have wallets.
        preset: How long to train: less than a minute, a few minutes (the default), or a quarter of an hour.
        config: Begin with the configuration in a file, such as RUN/config.json, instead of the four above.
    """

    train: Annotated[Literal["both", "leaders", "followers"] | None, _UNSET] = None
    policy: Annotated[Literal["mlp", "set"] | None, _UNSET] = None
    algorithm: Annotated[str | None, _UNSET, tyro.conf.arg(metavar="|".join({**ALGORITHMS, **SET_ALGORITHMS}))] = None
    preset: Annotated[Literal["quick", "default", "long"] | None, _UNSET] = None
    config: Annotated[Path | None, _UNSET, tyro.conf.arg(metavar="FILE")] = None

    def configuration(self, scenario: str = "") -> Config:
        """The configuration that is chosen, before its own options; of set policies, what suits a scenario.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: there is no such training, or a file is given beside the choice that it makes.
        """
        if self.config is not None:
            for name in ("train", "policy", "algorithm", "preset"):
                if (given := getattr(self, name)) is not None:
                    raise ValueError(f"--{name} {given}: --config {self.config} says that; give one of them")
            file = self.config / CONFIG_FILE if os.path.isdir(self.config) else self.config
            if not os.path.isfile(file):
                raise FileNotFoundError(f"--config {file}: no such file; name that of a run, such as RUN/{CONFIG_FILE}")
            return read_config_file(file)
        chosen = self._set(scenario) if self.policy == "set" else self._fixed_market()
        return with_fields(chosen, chosen.presets[self.preset or "default"])

    def _fixed_market(self) -> Config:
        name = self.algorithm or "ppo"
        if name not in ALGORITHMS:
            raise ValueError(f"--algorithm {name}: --policy mlp, the default, learns by {' or '.join(ALGORITHMS)}")
        return SIDES[self.train or "both"](algorithm=ALGORITHMS[name]())

    def _set(self, scenario: str) -> Config:
        name = self.algorithm or ("levels" if scenario in PRESETS and PRESETS[scenario].wallet else "equilibrium")
        if name not in SET_ALGORITHMS:
            raise ValueError(f"--algorithm {name}: --policy set learns by {' or '.join(SET_ALGORITHMS)}")
        if self.train == "both":
            raise ValueError("--policy set learns one side at a time; choose --train leaders or --train followers")
        return SET_ALGORITHMS[name](side=self.train or "leaders")


@dataclass(frozen=True)
class _Where:
    """The scenario that was typed, which says what suits it, before it is read as a field."""

    scenario: str = ""


@dataclass(frozen=True)
class Runs:
    """Where the run goes; several runs.

    Attributes:
        seeds: Seeds of several runs instead of one, with a table of their regrets at the end.
        sweep: Values of options of the configuration, each combination of which is trained with every seed, with a
            table of their regrets at the end: learning_rate=1e-3,3e-4 hidden=64x64,128x128.
        workers: Processes that the runs of --seeds and --sweep share; 0 takes all cores, ray a cluster of machines. The
            weights do not depend on it.
        out: Run folder; by default runs/SCENARIO-seedSEED for both sides, runs/SCENARIO-SIDE-seedSEED for one, with
            -ALGORITHM before the seed unless that is ppo, and runs/SCENARIO-set-SIDE-ALGORITHM-seedSEED for a set
            policy; with a number appended when that exists. With --seeds, their runs are DIR/seed0, DIR/seed1, …; with
            --sweep, they are DIR/FIELD=VALUE,FIELD=VALUE/seed0, …, and -FIELD=VALUE,FIELD=VALUE stands before the seed
            of default names.
        resume: Go on from the checkpoint of the run in --out (or of the latest run of this scenario, seed, --train,
            --policy and --algorithm). The run's own configuration counts, options need not be given again; those
            that are, and a file of --config, must not contradict it, but for --checkpoint-seconds. More
            --transitions or --updates than it has lengthen it, also when it has ended: from there on the learning rate
            is what it would be had the run been so long from the beginning. With --seeds or --sweep, what is not there
            yet is begun.
    """

    seeds: Annotated[str | None, _UNSET, tyro.conf.arg(metavar="A..B")] = None
    sweep: Annotated[tuple[str, ...] | None, _UNSET, tyro.conf.arg(metavar="FIELD=VALUE,VALUE...")] = None
    workers: Annotated[Workers, tyro.conf.arg(metavar="INT|ray")] = 0
    out: Annotated[Path | None, folder("--out"), _UNSET, tyro.conf.arg(metavar="DIR")] = None
    resume: bool = False


@dataclass(frozen=True)
class Arguments:
    """All that was typed.

    Attributes:
        choice: what to train.
        config: the configuration asked for.
        runs: where, and how many.
        given: the fields of the configuration that were named.
    """

    choice: Choice
    config: Config
    runs: Runs
    given: frozenset[str]

    def combinations(self) -> list[Values]:
        """Every combination of the values of --sweep; a single empty one without it.

        Raises:
            ValueError: --sweep is not understood, or names what another option has been given for.
        """
        if self.runs.sweep is None:
            return [{}]
        if not self.runs.sweep:
            raise ValueError("--sweep names no field; give some, as in --sweep learning_rate=1e-3,3e-4")
        found = combinations(self.runs.sweep, self.config)
        for name in found[0].keys() & self.given:
            raise ValueError(f"{option(name)} is of all runs, --sweep {name} of some; give one of them")
        return found


def option(field: str) -> str:
    """What the option of a field is called."""
    return f"--{field.replace('_', '-')}"


def parse(description: str | None, typed: Sequence[str] | None = None) -> Arguments:
    """Read what was typed; ``--help`` tells the options of the configuration chosen.

    Args:
        description: of the command.
        typed: the arguments; by default the command's.

    Raises:
        ValueError, OSError: an option is out of range, or there is no such training; nothing was written.
        SystemExit: it was not understood, which is told, or help was asked for.
    """
    typed = sys.argv[1:] if typed is None else list(typed)
    registry = _registry()
    known: dict[str, Any] = {"args": typed, "return_unknown_args": True, "add_help": False, "registry": registry}
    choice, _ = tyro.cli(Choice, config=_MARKERS, **known)
    where, _ = tyro.cli(_Where, config=_MARKERS, **known)
    runs, _ = tyro.cli(Runs, config=_MARKERS, **known)
    begun = _begun(choice, runs, where.scenario)
    shown = unchecked(begun)
    groups = [("training", Choice, choice), ("configuration", type(shown), shown), ("runs", Runs, Runs())]
    found: Any = tyro.cli(
        make_dataclass("Options", groups, frozen=True),
        args=typed,
        description=description,
        config=_MARKERS,
        registry=registry,
    )
    names = {text.partition("=")[0].lstrip("-").replace("-", "_") for text in typed if text.startswith("--")}
    values = {name: value for name, value in flat(found.configuration).items() if name in names}
    if names_object(values.get("scenario")):
        values["scenario"] = own_scenario(values["scenario"])
    own = dict.fromkeys(OF_SCENARIO) if "scenario" in values and not begun.any_size else {}  # are the new scenario's
    config = with_fields(begun, values | own)
    if "market_seed" in values and not runs.resume and not config.any_size and config.of_file:
        raise ValueError(f"--market-seed {config.market_seed}: {config.scenario} is one market; leave the option out")
    return Arguments(found.training, config, found.runs, frozenset(values))


def _begun(choice: Choice, runs: Runs, scenario: str) -> Config:
    """The configuration whose options there are: of the run that is to go on, where one is named."""
    if runs.resume and choice.config is None and runs.out is not None and os.path.isfile(runs.out / CONFIG_FILE):
        return read_config(runs.out)
    return choice.configuration(scenario)


def names_object(scenario: Any) -> bool:
    """Whether what is typed as a scenario is code of one's own."""
    return isinstance(scenario, str) and ":" in scenario and not os.path.isfile(scenario)


def unchecked(config: Any) -> Any:
    """The configuration as a command line is made from it: values are checked together, when all are known."""
    kind = type(config)
    own = {"__post_init__": lambda _: None, "__doc__": kind.__doc__}
    same: Any = dataclass(frozen=True)(type(kind.__name__, (kind,), own))
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return same(**values | {name: unchecked(values[name]) for name in parts(config)})


def _registry() -> ConstructorRegistry:
    """How options are read and shown that tyro would show otherwise."""
    registry = ConstructorRegistry()
    registry.primitive_rule(_optional)
    registry.primitive_rule(_scenario)
    return registry


def _scenario(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """A scenario by its name; see :func:`own_scenario` for what is code."""
    if Scenario not in get_args(info.type):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME|FILE|FILE.py:OBJECT",
        instance_from_str=lambda texts: texts[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [str(value)],
    )


def _optional(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """One value that may be left out: its type alone is shown, and None is called auto."""
    kinds = [kind for kind in get_args(info.type) if kind is not NoneType]
    if NoneType not in get_args(info.type) or len(kinds) != 1:
        return None
    (kind,) = kinds
    if kind == tuple[float, float]:
        return _OPTIONAL_RANGE
    choices = get_args(kind) if get_origin(kind) is Literal else None
    if choices is None and kind not in (int, float, str, Path):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="|".join(choices) if choices else {Path: "FILE"}.get(kind, kind.__name__.upper()),
        instance_from_str=lambda texts: None if texts[0] == _AUTO else texts[0] if choices else kind(texts[0]),
        is_instance=lambda value: True,
        str_from_instance=lambda value: [_AUTO if value is None else str(value)],
        choices=choices,
    )


#: Two numbers that may be left out, likewise.
_OPTIONAL_RANGE = PrimitiveConstructorSpec[Any](
    nargs=2,
    metavar="FLOAT FLOAT",
    instance_from_str=lambda texts: None if texts[0] == _AUTO else tuple(map(float, texts)),
    is_instance=lambda value: True,
    str_from_instance=lambda value: [_AUTO] * 2 if value is None else [str(end) for end in value],
)
