"""Compare mechanisms side by side: what they cost users and providers, what they deliver, what learning takes.

Every mechanism is played in the same markets, drawn from a preset at one load (the table) and at growing loads (the
sweep): load decides the answer, for where capacity is scarce every mechanism uses all of it. Ours is then compared at
the QoE that each benchmark delivers, too. Results are kept in DIR, so an interrupted command goes on where it
stopped when it is given again; more markets only add to them. See docs/mechanisms.md for what every figure means.
    python evaluate.py mechanisms                          # the table over 100 campus markets, and the sweep
    python evaluate.py mechanisms --markets 10             # a look, in a minute
    python evaluate.py mechanisms --scenario town --loads  # another preset, no sweep
    python evaluate.py mechanisms --only oracle dual_perturbation uniform_reward
    python evaluate.py mechanisms --mechanism mine.py:ByAccuracy  # one of your own, beside them
    python evaluate.py mechanisms --workers ray            # on a cluster; see docs/cluster.md
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
from baselines.study.cache import CACHE_FILE, Cache
from baselines.study.export import save_files
from baselines.study.figures import save_study_figures
from baselines.study.jobs import Setting
from baselines.study.own import own_mechanisms
from baselines.study.regimes import Findings
from baselines.study.report import print_report
from baselines.study.study import MEAN, StudyPlan, play_study
from experiments.execute import Execute
from experiments.places import check_folder, folder
from experiments.workers import Workers, executor

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
        markets: In how many markets each mechanism is played for the table.
        seed: Seed of the first market; the others follow.
        scenario: Preset that markets are drawn from.
        size: Another size than the preset's own.
        load: Load of the table: demand against capacity.
        loads: Loads of the sweep; nothing after --loads leaves it out.
        sweep_markets: How many of the markets are played at every load of the sweep; a fifth, but two or more, when
            left out.
        only: Mechanisms to play instead of all; those of --mechanism are played in any case.
        mechanism: Mechanisms of your own to play, too: a class in a file, or module:Class. This executes the code of
            the file. See docs/how-to/mechanism.md.
        workers: Processes; 0 takes all cores, ray a cluster of machines. The results do not depend on it.
        out: Where tables, figures and kept results go.
    """

    markets: int = 100
    seed: int = 0
    scenario: Literal["campus", "town", "random", "duo"] = "campus"
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(help_behavior_hint="", metavar="MUS ASPS")] = None
    load: float = 1.0
    loads: Annotated[tuple[float, ...], tyro.conf.arg(metavar="LOAD...")] = LOADS
    sweep_markets: Annotated[int | None, tyro.conf.arg(help_behavior_hint="", metavar="INT")] = None
    only: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="", metavar="NAME...")] = ()
    mechanism: tyro.conf.UseAppendAction[
        Annotated[tuple[tuple[str, ...], ...], tyro.conf.arg(help_behavior_hint="", metavar="FILE.py:CLASS...")]
    ] = ()
    workers: Annotated[Workers, tyro.conf.arg(metavar="INT|ray")] = 0
    out: Annotated[Path, folder("--out")] = Path("runs/mechanisms")


def plan_of(arguments: Arguments) -> StudyPlan:
    """What is to be played.

    Raises:
        ValueError: an argument is out of its range, or no mechanism has that name.
    """
    sweep_markets = max(arguments.markets // 5, 2) if arguments.sweep_markets is None else arguments.sweep_markets
    for option, given, smallest in (
        ("--markets", arguments.markets, 1),
        ("--sweep-markets", sweep_markets, 1),
        ("--seed", arguments.seed, 0),
    ):
        if given < smallest:
            raise ValueError(f"{option} {given} must be at least {smallest}")
    unknown = sorted(set(arguments.only) - set(MECHANISMS))
    if unknown:
        raise ValueError(f"--only {unknown[0]}: no such mechanism; there are {', '.join(MECHANISMS)}")
    missing = missing_libraries()
    for name in arguments.only:
        if name in missing:
            raise ValueError(f"--only {name} needs a library that is not installed: {missing[name]}")
    named = [text for group in arguments.mechanism for text in group]
    num_mus, num_asps = arguments.size or (None, None)
    preset = Scenario.preset(arguments.scenario, load=arguments.load, num_mus=num_mus, num_asps=num_asps)

    def setting(load: float, mus: int = preset.num_mus, asps: int = preset.num_asps) -> Setting:
        Scenario.preset(arguments.scenario, load=load, num_mus=mus, num_asps=asps)  # says what is wrong with them
        return Setting(arguments.scenario, mus, asps, load)

    return StudyPlan(
        table=setting(arguments.load),
        sweep=tuple(setting(load) for load in sorted(set(arguments.loads))),
        sizes=tuple(setting(arguments.load, *size) for size in SIZES) if arguments.scenario != "duo" else (),
        seeds=tuple(range(arguments.seed, arguments.seed + arguments.markets)),
        sweep_markets=min(sweep_markets, arguments.markets),
        mechanisms=(
            *(MECHANISMS[name] for name in MECHANISMS if name in (arguments.only or set(MECHANISMS) - set(missing))),
            *own_mechanisms(named, (*MECHANISMS, MEAN)),
        ),
        at_most=MARKETS_AT_MOST,
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
    with console.status("resampling for intervals, and drawing"):
        findings = Findings.of(study)
        files = save_files(study, findings, arguments.out) + save_study_figures(study, findings, arguments.out)
    print_report(study, findings, console)
    for name, fix in ({} if arguments.only else missing_libraries()).items():
        console.print(f"Left out: {name}, whose library is not installed ({fix})", markup=False)
    console.print(f"Written: {', '.join(files)} in {arguments.out}", markup=False)
    return 1 if study.played.failures() else 0
