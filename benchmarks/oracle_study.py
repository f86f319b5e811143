"""What the oracle answers on thousands of markets: pure, mixed or none found, by which certificate; and who refutes it.

    python -m benchmarks.oracle study                      # 3,000 markets, half an hour of a core
    python -m benchmarks.oracle study --markets 300        # a look at the first ones
    python -m benchmarks.oracle study --no-mixed --workers ray
    python -m benchmarks.oracle study --satiation 4 --markets 500  # the same markets, their MUs satiated

Every answer that is called an equilibrium in a sample of the markets is attacked by a search of its own
(benchmarks/refutation.py). Results are kept in DIR: an interrupted command goes on where it stopped when it is given
again, and more markets only add to them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console

from aigc_market_env import Market, Scenario
from aigc_market_env._numerics.import_closure import sources_digest
from aigc_market_env.equilibrium import solve_equilibrium
from aigc_market_env.scenarios.scenario import satiation_of
from baselines.study.cache import CACHE_FILE, Cache, done_or_known
from baselines.study.metrics import Figures
from benchmarks.refutation import gains
from experiments.jobs import Done
from experiments.places import check_folder, folder
from experiments.progress import watch
from experiments.tables import NumberTable
from experiments.workers import Workers, executor

#: What the markets are drawn from, in turn: half of them are random, the others of each preset.
PRESETS = ("random", "campus", "random", "town", "random", "duo")
#: Most MUs and ASPs, in turn after each round of presets.
SIZES = ((12, 5), (20, 8))
#: Loads, evenly in log.
LOADS = (0.05, 8.0)
#: Shares of the mean utility of the MUs that the largest regret is compared with.
TOLERANCES = (1e-6, 1e-4)
KINDS = ("pure", "mixed", "none found")


@dataclass(frozen=True)
class Arguments:
    """Solve many markets, and try to refute the answers.

    Attributes:
        markets: How many; the first ones of an endless row.
        mixed: Whether MUs may mix where no pure equilibrium is found.
        attacked: How many of them are attacked, evenly among all.
        satiation: Of all MUs.
        workers: Processes; 0 takes all cores, ray a cluster of machines. The results do not depend on it.
        out: Where results are kept.
    """

    markets: int = 3000
    mixed: bool = True
    attacked: int = 100
    satiation: float = 0.0
    workers: Annotated[Workers, tyro.conf.arg(metavar="INT|ray")] = 0
    out: Annotated[Path, folder("--out")] = Path("runs/oracle")


@dataclass(frozen=True)
class Drawn:
    """One of the studied markets: the same whatever else is studied."""

    preset: str
    num_mus: int
    num_asps: int
    load: float
    seed: int
    satiation: float = 0.0

    @classmethod
    def of(cls, index: int, satiation: float = 0.0) -> "Drawn":
        """The market of a place in the row."""
        rng = np.random.default_rng([2026, index])
        preset = PRESETS[index % len(PRESETS)]
        most_mus, most_asps = SIZES[index // len(PRESETS) % len(SIZES)]
        size = (int(rng.integers(1, most_mus + 1)), int(rng.integers(1, most_asps + 1))) if preset != "duo" else (2, 1)
        load = float(np.exp(rng.uniform(*np.log(LOADS))))
        return cls(preset, *size, load, int(rng.integers(2**31)), satiation)

    def market(self) -> Market:
        """The market itself."""
        size: dict[str, Any] = {"num_mus": self.num_mus, "num_asps": self.num_asps} if self.preset != "duo" else {}
        return Scenario.preset(self.preset, load=self.load, satiation=self.satiation, **size).sample(self.seed)

    def __str__(self) -> str:
        satiation = f", satiation {self.satiation!r}" if self.satiation else ""
        return f"{self.preset:6s} {self.num_mus:2d} x {self.num_asps}, load {self.load!r}, seed {self.seed}{satiation}"


@dataclass(frozen=True)
class Solved:
    """The oracle's answer in one market."""

    drawn: Drawn
    mixed: bool

    @property
    def key(self) -> str:
        """The market, and the code."""
        return f"{self.drawn} mixed={self.mixed} code={_code()}"

    def run(self) -> Figures:
        """Solve it, and tell kind, regrets over the mean utility, seconds of a core, and who mixes."""
        _compile()
        market, began = self.drawn.market(), process_time()
        answer = solve_equilibrium(market, mixed=self.mixed)
        seconds = process_time() - began
        certificate = answer.certificate
        assert certificate is not None
        scale = max(float(answer.outcome.mu_utility.mean()), np.finfo(np.float64).tiny)
        rows = (answer.probabilities > 0.0).sum(axis=1)
        return {
            "kind": float(KINDS.index(str(answer.kind))),
            "found": float(certificate.leader_regret.max()) / scale,
            "bound": float(certificate.leader_regret_bound.max()) / scale,
            "residual": float(min(answer.residual, 1e300)),
            "seconds": seconds,
            "mixing": float((rows > 1).sum()),
            "profiles": float(rows.prod()),
        }


@dataclass(frozen=True)
class Attacked:
    """What the best deviation gains that another search finds from the oracle's answer in one market."""

    drawn: Drawn
    mixed: bool

    @property
    def key(self) -> str:
        """The market, and the code."""
        return f"attack on {Solved(self.drawn, self.mixed).key}"

    def run(self) -> Figures:
        """Solve and attack: the largest gain over the mean utility, and what the certificate says that it can be."""
        market = self.drawn.market()
        answer = solve_equilibrium(market, mixed=self.mixed)
        certificate = answer.certificate
        assert certificate is not None
        gained = gains(market, answer.supports, answer.probabilities, np.random.default_rng(self.drawn.seed))
        scale = max(float(answer.outcome.mu_utility.mean()), np.finfo(np.float64).tiny)
        return {
            "kind": float(KINDS.index(str(answer.kind))),
            "gained": float(gained.max()) / scale,
            "beyond_bound": float((gained - certificate.leader_regret_bound).max()) / scale,
            "beyond_found": float((gained - certificate.leader_regret).max()) / scale,
        }


@cache
def _code() -> str:
    """Hash of what decides the answers."""
    return sources_digest(["benchmarks.oracle_study"], [f"{name} {version(name)}" for name in ("numba", "numpy")])


@cache
def _compile() -> None:
    """Have this process load all compiled code before a time is taken."""
    for load in (1.0, 7.25):  # the latter has no pure equilibrium
        solve_equilibrium(Scenario.preset("duo", load=load).sample(0), mixed=True)


# What is told ---------------------------------------------------------------------------------------------------------


def main(arguments: Arguments, console: Console) -> int:
    """Solve, attack and tell; the exit status is 1 if an answer is refuted or a job failed.

    Raises:
        ValueError: an argument is out of its range.
    """
    for option, given, least in (("--markets", arguments.markets, 1), ("--attacked", arguments.attacked, 0)):
        if given < least:
            raise ValueError(f"{option} {given} must be at least {least}")
    check_folder(arguments.out)
    execute, kept = executor(arguments.workers), Cache(arguments.out / CACHE_FILE)
    satiation_of(arguments.satiation)
    drawn = [Drawn.of(index, arguments.satiation) for index in range(arguments.markets)]
    some = [drawn[i] for i in np.unique(np.linspace(0, len(drawn) - 1, arguments.attacked, dtype=np.int64))]
    _compile()  # once, here, rather than by every worker

    def do(description: str, jobs: Sequence[Solved | Attacked]) -> list[tuple[Drawn, Done[Figures]]]:
        done = watch(description, done_or_known(jobs, kept, execute), {job.key: 1 for job in jobs}, console)
        return [(job.drawn, done[job.key]) for job in jobs]

    solved = do("markets solved", [Solved(one, arguments.mixed) for one in drawn])
    attacked = do("answers attacked", [Attacked(one, arguments.mixed) for one in some])
    failures = [f"{one}: {done.error}" for one, done in (*solved, *attacked) if done.error is not None]
    for failure in failures:
        console.print(failure, markup=False, highlight=False, soft_wrap=True)
    refuted = _tell(list(_results(solved)), list(_results(attacked)), console)
    return 1 if refuted or failures else 0


Result = tuple[Drawn, dict[str, float]]


def _results(done: list[tuple[Drawn, Done[Figures]]]) -> Iterator[Result]:
    for drawn, one in done:
        if one.result is not None:
            yield drawn, {name: float("nan") if value is None else value for name, value in one.result.items()}


def _tell(solved: list[Result], attacked: list[Result], console: Console) -> int:
    """Print tables and failures; how many answers are refuted."""
    console.print(_kinds_table(solved))
    console.print(_certificates_table(solved))
    profiles = Counter(int(one["profiles"]) for _, one in solved if one["kind"] == KINDS.index("mixed"))
    if profiles:
        told = ", ".join(f"{count} with {joint}" for joint, count in sorted(profiles.items()))
        console.print(f"joint profiles of mixed equilibria: {told}", highlight=False)
    for drawn, one in solved:
        if one["kind"] == KINDS.index("none found"):
            regrets = f"regret {one['found']:.1e} found, {one['bound']:.1e} at most"
            line = f"none found: {drawn}: {regrets}, residual {one['residual']:.0e}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return _tell_attacks(attacked, console)


def _kinds_table(solved: list[Result]) -> NumberTable:
    table = NumberTable(f"{len(solved)} markets", "seconds of a core: median, and longest, of one market")
    for heading in ("", *KINDS, "seconds pure", "seconds mixed", "seconds none found"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in ("all", *dict.fromkeys(PRESETS)):
        ones = [one for drawn, one in solved if name in ("all", drawn.preset)]
        by_kind = [[one["seconds"] for one in ones if one["kind"] == kind] for kind in range(len(KINDS))]
        counts = [f"{len(times)} ({len(times) / max(len(ones), 1):.1%})" for times in by_kind]
        times = [f"{median(times):.3f} ({max(times):.2f})" if times else "–" for times in by_kind]
        table.add_row(name, *counts, *times)
    return table


def _certificates_table(solved: list[Result]) -> NumberTable:
    table = NumberTable("share of markets by certificate", "largest regret over the mean utility of the MUs, at most")
    for heading in ("", *(f"{tolerance:.0e}" for tolerance in TOLERANCES)):
        table.add_column(heading, justify="right" if heading else "left")
    pure = [one for _, one in solved if one["profiles"] == 1.0]
    for name, ones in (("pure answers", pure), ("all answers", [one for _, one in solved])):
        for regret in ("found", "bound"):
            held = [sum(one[regret] <= tolerance for one in ones) / len(solved) for tolerance in TOLERANCES]
            table.add_row(f"{name}, regret {regret}", *(f"{share:.2%}" for share in held))
    return table


def _tell_attacks(attacked: list[Result], console: Console) -> int:
    called = [(drawn, one) for drawn, one in attacked if one["kind"] != KINDS.index("none found")]
    refuted = [(drawn, one) for drawn, one in called if one["gained"] > TOLERANCES[0]]
    beyond = [(drawn, one) for drawn, one in attacked if one["beyond_bound"] > 1e-9]
    largest = max((one["gained"] for _, one in called), default=0.0)
    line = f"{len(called)} equilibria attacked, {len(refuted)} refuted; largest gain {largest:.1e} of the mean utility"
    console.print(line, highlight=False, soft_wrap=True)
    found = max((one["beyond_found"] for _, one in attacked), default=0.0)
    line = f"{len(attacked)} answers attacked: {len(beyond)} bounds exceeded; {found:.1e} more than any regret found"
    console.print(line, highlight=False, soft_wrap=True)
    for drawn, one in (*refuted, *beyond):
        line = f"refuted: {drawn}: gains {one['gained']:.2e}, {one['beyond_bound']:.1e} above the bound"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return len(refuted) + len(beyond)
