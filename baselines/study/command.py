"""Compare mechanisms side by side: what they cost users and providers, what they deliver, what learning takes.

Every mechanism is played in the same markets, drawn from a preset at one load (the table) and at growing loads (the
sweep): load decides the answer, for where capacity is scarce every mechanism uses all of it. Ours is then compared at
the QoE that each benchmark delivers, and each benchmark at the guarantee that ours gives. Results are kept in DIR, so
an interrupted command goes on where it stopped when it is given again; more markets only add to them. See
docs/mechanisms.md for what every figure means.
    python evaluate.py mechanisms                          # the table over 100 campus markets, and the sweep
    python evaluate.py mechanisms --markets 10             # a look, in a minute
    python evaluate.py mechanisms --scenario town --loads  # another preset, no sweep
    python evaluate.py mechanisms --only oracle dual_perturbation uniform_reward
    python evaluate.py mechanisms --mechanism mine.py:ByAccuracy  # one of your own, beside them
    python evaluate.py mechanisms --workers ray            # on a cluster; see docs/cluster.md
    python evaluate.py mechanisms --map                    # in which worlds the paper's figures are reached
    python evaluate.py mechanisms --map --quick            # a part of that, in minutes
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from rich.console import Console

from aigc_market_env import Scenario, solve_equilibrium
from aigc_market_env.files import writing
from baselines import MECHANISMS
from baselines.mechanism import Mechanism
from baselines.study.cache import CACHE_FILE, Cache
from baselines.study.export import save_files
from baselines.study.figures import save_study_figures
from baselines.study.jobs import Setting
from baselines.study.map.cells import Map
from baselines.study.map.export import save_map
from baselines.study.map.figures import save_map_figures
from baselines.study.map.plan import QUICK, WHOLE, Grid, map_plan
from baselines.study.map.report import print_map
from baselines.study.own import own_mechanisms
from baselines.study.regimes import Findings
from baselines.study.report import print_report
from baselines.study.study import MEAN, OURS, Study, StudyPlan, play_study
from experiments.execute import Execute
from experiments.pictures import Format, Pictures
from experiments.places import check_folder, folder
from experiments.whole_parts import say
from experiments.workers import Workers, executor

#: Markets of the table, and loads of the sweep.
MARKETS = 100
LOADS = tuple(float(f"{load:.2g}") for load in np.geomspace(0.02, 8.0, 13))
#: Sizes (MUs, ASPs) at which the overhead of learning is compared.
SIZES = ((8, 4), (20, 5))
#: Mechanisms that take many seconds a market: played in the first few of the table and of each size, not in the sweep.
MARKETS_AT_MOST = {"bayesian_optimisation": 3}
#: Libraries that a mechanism needs and that may not be installed, and how to get them.
NEEDS = {"bayesian_optimisation": ("skopt", "pip install -e '.[baselines]'")}


@dataclass(frozen=True)
class Arguments:
    """Compare mechanisms side by side.

    Attributes:
        map: Make the map instead of the table and the sweep: over load, satiation and how far apart requirements are,
            in which worlds ours saves as much as the paper states.
        quick: A part of the map, in fewer markets.
        markets: In how many markets each mechanism is played for the table, 100 when left out; or in every cell of the
            map, 20, or 4 of a quick one.
        seed: Seed of the first market; the others follow.
        scenario: Preset that markets are drawn from.
        size: Another size than the preset's own.
        load: Load of the table: demand against capacity.
        loads: Loads of the sweep, 13 when left out, nothing after --loads leaves it out; or of the map.
        sweep_markets: How many of the markets are played at every load of the sweep; a fifth, but two or more, when
            left out.
        only: Mechanisms to play instead of all; those of --mechanism are played in any case.
        mechanism: Mechanisms of your own to play, too: a class in a file, or module:Class. This executes the code of
            the file. See docs/how-to/mechanism.md.
        workers: Processes; 0 takes all cores, ray a cluster of machines. The results do not depend on it.
        out: Where tables, figures and kept results go.
        format: Of the figures' files.
    """

    map: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    markets: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    seed: int = 0
    scenario: Literal["campus", "town", "random", "duo"] = "campus"
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(help_behavior_hint="", metavar="MUS ASPS")] = None
    load: float = 1.0
    loads: Annotated[tuple[float, ...] | None, tyro.conf.arg(help_behavior_hint="", metavar="LOAD...")] = None
    sweep_markets: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    only: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="", metavar="NAME...")] = ()
    mechanism: tyro.conf.UseAppendAction[
        Annotated[tuple[tuple[str, ...], ...], tyro.conf.arg(help_behavior_hint="", metavar="FILE.py:CLASS...")]
    ] = ()
    workers: Annotated[Workers, tyro.conf.arg(metavar="INT|ray")] = 0
    out: Annotated[Path, folder("--out")] = Path("runs/mechanisms")
    format: Format = "png"


def plan_of(arguments: Arguments) -> StudyPlan:
    """What is to be played.

    Raises:
        ValueError: an argument is out of its range or has no meaning beside another, or no mechanism has that name.
    """
    if arguments.map:
        return _map_plan_of(arguments)
    if arguments.quick:
        raise ValueError("--quick is of --map; for a quick table, give --markets 10")
    markets = MARKETS if arguments.markets is None else arguments.markets
    sweep_markets = max(markets // 5, 2) if arguments.sweep_markets is None else arguments.sweep_markets
    _check(arguments, markets, sweep_markets)
    setting = _setting(arguments, arguments.load)
    loads = LOADS if arguments.loads is None else arguments.loads
    return StudyPlan(
        table=setting,
        sweep=tuple(_setting(arguments, load) for load in sorted(set(loads))),
        sizes=tuple(_setting(arguments, arguments.load, size) for size in SIZES) if arguments.scenario != "duo" else (),
        seeds=tuple(range(arguments.seed, arguments.seed + markets)),
        sweep_markets=min(sweep_markets, markets),
        mechanisms=_mechanisms_of(arguments),
        at_most=MARKETS_AT_MOST,
    )


def _map_plan_of(arguments: Arguments) -> StudyPlan:
    for option, given in (("--load", arguments.load != 1.0), ("--sweep-markets", arguments.sweep_markets is not None)):
        if given:
            raise ValueError(
                f"{option} has no meaning with --map, which has --loads and --markets a cell; leave it out"
            )
    usual = QUICK if arguments.quick else WHOLE
    markets = usual.markets if arguments.markets is None else arguments.markets
    _check(arguments, markets, markets)
    loads = usual.loads if arguments.loads is None else arguments.loads
    if not loads:
        raise ValueError("--loads names no load; a map needs one or more")
    worlds = [_setting(arguments, load) for load in loads]
    seeds = range(arguments.seed, arguments.seed + markets)
    plan = map_plan(worlds[0], seeds, _mechanisms_of(arguments), Grid(markets, loads, usual.satiations))
    if all(mechanism.name != OURS for mechanism in plan.mechanisms) or not plan.benchmarks:
        raise ValueError(f"--only must name {OURS}, which the map is about, and another that it is compared with")
    return plan


def _check(arguments: Arguments, markets: int, sweep_markets: int) -> None:
    for option, given, smallest in (
        ("--markets", markets, 1),
        ("--sweep-markets", sweep_markets, 1),
        ("--seed", arguments.seed, 0),
    ):
        if given < smallest:
            raise ValueError(f"{option} {given} must be at least {smallest}")


def _setting(arguments: Arguments, load: float, size: tuple[int, int] | None = None) -> Setting:
    """Markets of the preset asked for; says what is wrong with its load or size."""
    num_mus, num_asps = size or arguments.size or (None, None)
    preset = Scenario.preset(arguments.scenario, load=load, num_mus=num_mus, num_asps=num_asps)
    return Setting(arguments.scenario, preset.num_mus, preset.num_asps, load)


def _mechanisms_of(arguments: Arguments) -> tuple[Mechanism, ...]:
    unknown = sorted(set(arguments.only) - set(MECHANISMS))
    if unknown:
        raise ValueError(f"--only {unknown[0]}: no such mechanism; there are {', '.join(MECHANISMS)}")
    missing = missing_libraries()
    for name in arguments.only:
        if name in missing:
            raise ValueError(f"--only {name} needs a library that is not installed: {missing[name]}")
    named = [text for group in arguments.mechanism for text in group]
    return (
        *(MECHANISMS[name] for name in MECHANISMS if name in (arguments.only or set(MECHANISMS) - set(missing))),
        *own_mechanisms(named, (*MECHANISMS, MEAN)),
    )


def missing_libraries() -> dict[str, str]:
    """Mechanisms whose library is not installed, and the command that installs it."""
    return {name: fix for name, (library, fix) in NEEDS.items() if find_spec(library) is None}


def main(arguments: Arguments, console: Console) -> int:
    """Play, tell, and write; the exit status is 1 when a mechanism failed somewhere."""
    plan, execute = plan_of(arguments), executor(arguments.workers)
    check_folder(arguments.out)
    with writing(arguments.out):
        return _play_and_write(plan, execute, arguments, console)


def _play_and_write(plan: StudyPlan, execute: Execute, arguments: Arguments, console: Console) -> int:
    cache = Cache(arguments.out / CACHE_FILE)
    solve_equilibrium(Scenario.preset("duo").sample(0))  # compiled once, here, rather than by every worker
    study = play_study(plan, cache, execute, console)
    about = f"mechanisms in {len(plan.seeds)} markets of {plan.table.scenario}, seeds from {arguments.seed}"
    pictures = Pictures(arguments.out, about, arguments.format)
    files = (_show_map if arguments.map else _show_study)(study, pictures, console)
    for name, fix in ({} if arguments.only else missing_libraries()).items():
        say(console, f"Left out: {name}, whose library is not installed ({fix})")
    say(console, f"Written: {', '.join(files)} in {arguments.out}")
    return 1 if study.played.failures() else 0


def _show_study(study: Study, pictures: Pictures, console: Console) -> list[str]:
    with console.status("resampling for intervals, and drawing"):
        findings = Findings.of(study)
        files = save_files(study, findings, pictures.folder) + save_study_figures(study, findings, pictures)
    print_report(study, findings, console)
    return files


def _show_map(study: Study, pictures: Pictures, console: Console) -> list[str]:
    with console.status("resampling for intervals, and drawing"):
        found = Map.of(study)
        files = save_map(found, study, pictures.folder) + save_map_figures(found, pictures)
    print_map(found, study, console)
    return files
