"""The runs that a command is about: what to train, where, and begun before anybody else does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from agents.config import Config, TrainingConfig
from agents.documents import flat, with_fields
from agents.run_folder import begin_run, read_config
from agents.runs import CONFIG_FILE, find_run, new_run_folder
from agents.sweeps.arguments import Arguments
from agents.sweeps.grid import combination_name, with_values
from agents.sweeps.resume import asked_of_run
from agents.sweeps.sweep import SweepRun, Values, begin, seeds_called
from aigc_market_env.files import FolderTakenError, readable
from experiments.places import check_folder

_Fixed = TypeVar("_Fixed", bound=TrainingConfig)


def begun_run(arguments: Arguments) -> tuple[Config, Path]:
    """Begin a run: what to train, and where.

    Raises:
        ValueError: an option is out of range, or there is a run in --out.
    """
    run = _new(arguments.config, {}, arguments.runs.out)
    while True:
        try:
            begin_run(run.config, run.out)
        except FolderTakenError:  # perhaps by another command, since the name was chosen
            if arguments.runs.out is not None:
                raise
            run = replace(run, out=new_run_folder(run.config.run_name()))
        else:
            return run.config, run.out


def begun_sweep(arguments: Arguments) -> list[SweepRun]:
    """Begin what is still to be begun of several runs; all of them.

    Raises:
        ValueError: as of :func:`sweep_runs` and :func:`~agents.sweeps.sweep.begin`.
    """
    while True:
        runs = sweep_runs(arguments)
        try:
            begin(runs, resume=arguments.runs.resume)
        except FolderTakenError:  # perhaps by another command, since the names were chosen
            if arguments.runs.out is not None or arguments.runs.resume:
                raise
        else:
            return runs


def sweep_runs(arguments: Arguments) -> list[SweepRun]:
    """What to train of several runs, and where: every combination of --sweep with each of --seeds.

    With --resume, runs that are there are as they were begun, and the others like them but for their seeds and values.

    Raises:
        ValueError: the seeds or the sweep are not understood, an option is out of range or contradicts a run, or there
            is none to resume.
    """
    options, config = arguments.runs, arguments.config
    if options.seeds is not None and "seed" in arguments.given:
        raise ValueError("--seed is of one run, --seeds are of several; give one of them")
    seeds = [config.seed] if options.seeds is None else seeds_called(options.seeds)
    if options.out is not None and not options.resume:
        check_folder(options.out)
    asked = [(seed, values) for values in arguments.combinations() for seed in seeds]
    if options.resume:
        return _resumed(arguments, asked)
    return [_new(replace(config, seed=seed), values, _folder(options.out, seed, values)) for seed, values in asked]


def _folder(out: Path | None, seed: int, values: Values) -> Path | None:
    return None if out is None else out / combination_name(values) / f"seed{seed}"


def _new(config: Config, values: Values, out: Path | None) -> SweepRun:
    """A run that is still to be begun.

    Raises:
        FileNotFoundError, ValueError: a field is out of range, or what it names is not there.
    """
    config = with_values(config, values)
    if not config.any_size:
        if "market_seed" in values and config.of_file:
            raise ValueError(
                f"--sweep market_seed: {config.scenario_name} is one market; name the Scenario with --scenario"
            )
        config.check_named()
        config = _of_one_market(config)
    out = out or new_run_folder(_name(config, values))
    check_folder(out)
    if readable(out) != str(out):
        raise ValueError(
            f"--out {out}: TensorBoard takes names in UTF-8 only; name another folder, or set PYTHONUTF8=1"
        )
    return SweepRun(config, out, values)


def _of_one_market(config: _Fixed) -> _Fixed:
    """The configuration with the market that its seed draws, in the place of code, which not every worker can have."""
    if isinstance(config.scenario, str):
        return config
    return replace(config, scenario=config.scenario.fix(config.market_seed))


def _name(config: Config, values: Values) -> str:
    return config.run_name(f"-{combination_name(values)}" if values else "")


def _resumed(arguments: Arguments, asked: Sequence[tuple[int, Values]]) -> list[SweepRun]:
    """The runs of a sweep that goes on; see :func:`sweep_runs`."""
    found: list[SweepRun | None] = []
    for seed, values in asked:
        one = replace(arguments, config=with_fields(arguments.config, {"seed": seed}))
        name = _name(one.config, values)
        out = _folder(arguments.runs.out, seed, values) or find_run(name)
        if out is None or not (out / CONFIG_FILE).exists():
            found.append(None)
        else:
            found.append(SweepRun(asked_of_run(one, read_config(out), out, values), out, values))
    begun = next((run for run in found if run is not None), None)
    if begun is None:
        seed, values = asked[0]
        folder = arguments.runs.out
        place = _folder(folder, seed, values) or Path("runs") / _name(replace(arguments.config, seed=seed), values)
        where = "" if folder is None else f"--out {folder}: "
        raise ValueError(f"{where}no run to resume, such as {place}; leave out --resume to begin them all")
    like = begun.config
    if not isinstance(scenario := flat(arguments.config)["scenario"], str):  # its copy is that of one market seed
        like = with_fields(like, {"scenario": scenario})
    runs = []
    for run, (seed, values) in zip(found, asked, strict=True):
        runs.append(run or _new(replace(like, seed=seed), values, _folder(arguments.runs.out, seed, values)))
    return runs
