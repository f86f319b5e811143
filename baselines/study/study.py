"""A study: which mechanisms are played in which markets, and what came out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console

from aigc_market_env.model.parameters import FloatArray
from baselines.mechanism import Mechanism
from baselines.study.cache import Cache, done_or_known
from baselines.study.jobs import AT_GUARANTEE, Match, Setting, Trial
from baselines.study.metrics import Figures
from experiments.execute import Execute
from experiments.jobs import Done
from experiments.progress import watch

#: The mechanism whose claim is looked at, and the one that tells where it would end.
OURS, ORACLE = "dual_perturbation", "oracle"
#: Stands for the mean over benchmarks where the name of one might stand.
MEAN = "mean_of_benchmarks"


@dataclass(frozen=True)
class StudyPlan:
    """What to play.

    Attributes:
        table: the setting of the table.
        sweep: settings at growing loads.
        sizes: settings in which mechanisms that learn are compared in overhead.
        seeds: of the markets of the table.
        sweep_markets: how many of them are played in the other settings, the first ones.
        mechanisms: who plays, in the order of tables.
        at_most: markets of the table and of each of the sizes that a mechanism which takes long is played in, by its
            name: the first ones. It is left out of the sweep.
    """

    table: Setting
    sweep: tuple[Setting, ...]
    sizes: tuple[Setting, ...]
    seeds: tuple[int, ...]
    sweep_markets: int
    mechanisms: tuple[Mechanism, ...]
    at_most: Mapping[str, int]

    @property
    def benchmarks(self) -> tuple[Mechanism, ...]:
        """All but ours and the oracle."""
        return tuple(mechanism for mechanism in self.mechanisms if mechanism.name not in (OURS, ORACLE))

    def label(self, name: str) -> str:
        """What people call a mechanism, or the mean over benchmarks."""
        if name == MEAN:
            return "mean of the benchmarks"
        return next(mechanism.label for mechanism in self.mechanisms if mechanism.name == name)

    def trials(
        self, settings: Iterable[Setting], mechanisms: Iterable[Mechanism], ours: "Results | None" = None
    ) -> list[Trial]:
        """Every mechanism in every market of the settings; benchmarks at the guarantee of ours, too, if it is given."""
        found = []
        for setting in dict.fromkeys(settings):
            wanted = dict.fromkeys(self.seeds) if ours is None else ours.guarantees(setting)
            for mechanism in mechanisms:
                seeds = self.seeds[: self._markets(setting, mechanism)]
                matched = mechanism in self.benchmarks
                found += [Trial(setting, seed, mechanism, wanted[seed] if matched else None) for seed in seeds]
        return found

    def _markets(self, setting: Setting, mechanism: Mechanism) -> int:
        markets = len(self.seeds) if setting == self.table else self.sweep_markets
        if mechanism.name not in self.at_most:
            return markets
        return min(markets, self.at_most[mechanism.name]) if setting in (self.table, *self.sizes) else 0


class Results:
    """What became of jobs, by setting, mechanism and the market's seed.

    Args:
        seeds: the order of markets.
        done: jobs and what became of them.
    """

    def __init__(self, seeds: Sequence[int], done: Iterable[tuple[Trial | Match, Done[Figures]]]) -> None:
        self.seeds = tuple(seeds)
        self._done = {(job.setting, job.name, job.seed): result for job, result in done}

    def first(self, markets: int) -> "Results":
        """The same of the first markets only."""
        view = Results(self.seeds[:markets], ())
        view._done = self._done
        return view

    def values(self, setting: Setting, name: str, metric: str) -> FloatArray:
        """A metric of a mechanism by market, shape (S,); NaN where it was not played, failed or does not apply."""
        found = (self._done.get((setting, name, seed)) for seed in self.seeds)
        figures = ((None if done is None else done.result) or {} for done in found)
        return np.array([_number(figure.get(metric)) for figure in figures])

    def guarantees(self, setting: Setting) -> dict[int, float | None]:
        """Q/q of the MU that ours serves worst, by the market's seed; None where ours was not played or failed."""
        values = self.values(setting, OURS, "guarantee")
        return {
            seed: float(value) if np.isfinite(value) else None for seed, value in zip(self.seeds, values, strict=True)
        }

    def at_guarantee(self) -> "Results":
        """Mechanisms as they are at the guarantee of ours, where that was asked for."""
        view = Results(self.seeds, ())
        for place, done in self._done.items():
            figures = {name: value for name, value in (done.result or {}).items() if name.startswith(AT_GUARANTEE)}
            if figures:
                stripped = {name.removeprefix(AT_GUARANTEE): value for name, value in figures.items()}
                view._done[place] = Done(done.key, stripped)
        return view

    def of(self, setting: Setting, name: str) -> Iterator[tuple[int, Done[Figures]]]:
        """The markets that a mechanism was played in."""
        for seed in self.seeds:
            if (setting, name, seed) in self._done:
                yield seed, self._done[setting, name, seed]

    def failures(self) -> list[tuple[Setting, str, int, str]]:
        """Setting, mechanism, the market's seed and the error."""
        return [(*place, done.error) for place, done in self._done.items() if done.error is not None]


@dataclass(frozen=True)
class Study:
    """A plan that has been played.

    Attributes:
        plan: what was to be played.
        played: every mechanism in its markets.
        matched: ours at the QoE that each benchmark delivers.
        guaranteed: each benchmark at the guarantee that ours gives.
    """

    plan: StudyPlan
    played: Results
    matched: Results
    guaranteed: Results

    @property
    def swept(self) -> "Study":
        """The same of the markets of the sweep only, so that all loads have the same, the table's load, too."""
        markets = self.plan.sweep_markets
        first = {name: getattr(self, name).first(markets) for name in ("played", "matched", "guaranteed")}
        return replace(self, **first)

    def learners(self) -> tuple[Mechanism, ...]:
        """Mechanisms that learn, and so have an overhead."""
        return tuple(m for m in self.plan.mechanisms if _learns(self.played, self.plan.table, m.name))

    def with_intensity(self) -> tuple[Mechanism, ...]:
        """Benchmarks that have an intensity, and so were matched to the guarantee of ours."""
        settings = (self.plan.table, *self.plan.sweep)

        def tried(name: str) -> bool:
            return any(np.isfinite(self.guaranteed.values(setting, name, "matched")).any() for setting in settings)

        return tuple(m for m in self.plan.benchmarks if tried(m.name))


def play_study(plan: StudyPlan, cache: Cache, execute: Execute, console: Console) -> Study:
    """Play all that is not known yet; what fails is told in the results.

    An interruption loses nothing but the jobs under way.
    """
    settings = (plan.table, *plan.sweep)

    def do(description: str, jobs: Sequence[Trial | Match]) -> list[tuple[Trial | Match, Done[Figures]]]:
        done = watch(description, done_or_known(jobs, cache, execute), {job.key: 1 for job in jobs}, console)
        return [(job, done[job.key]) for job in jobs]

    ours = [mechanism for mechanism in plan.mechanisms if mechanism.name == OURS]
    others = [mechanism for mechanism in plan.mechanisms if mechanism.name != OURS]
    done = do("ours in markets", plan.trials(settings, ours))
    done += do("others in markets", plan.trials(settings, others, Results(plan.seeds, done)))
    played = Results(plan.seeds, done)
    learners = [m for m in plan.mechanisms if _learns(played, plan.table, m.name)]
    done += do("overhead at other sizes", plan.trials(plan.sizes, learners))
    matched = do("ours at the QoE of others", _matches(plan, settings, played))
    played = Results(plan.seeds, done)
    return Study(plan, played, Results(plan.seeds, matched), played.at_guarantee())


def _matches(plan: StudyPlan, settings: Iterable[Setting], played: Results) -> list[Match]:
    found = []
    for setting in dict.fromkeys(settings):
        for mechanism in plan.benchmarks:
            qoe = played.values(setting, mechanism.name, "mu_qoe")
            found += [
                Match(setting, seed, mechanism.name, float(value))
                for seed, value in zip(plan.seeds, qoe, strict=True)
                if np.isfinite(value)
            ]
    return found


def _learns(played: Results, setting: Setting, name: str) -> bool:
    return bool(np.isfinite(played.values(setting, name, "probes")).any())


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
