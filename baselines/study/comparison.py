"""How far ours is below the other mechanisms, beside the figures of the paper's abstract."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aigc_market_env.model.parameters import FloatArray
from baselines.study.jobs import Setting
from baselines.study.own import OwnMechanism
from baselines.study.study import MEAN, OURS, Study
from experiments.intervals import Estimate, difference, reduction


@dataclass(frozen=True)
class Claim:
    """A reduction that the paper's abstract states, and the metric that it is held against here."""

    metric: str
    label: str
    paper: float


#: The abstract says neither what resource consumption is nor how overhead is counted: those are this project's choices.
CLAIMS = (
    Claim("mu_service_cost", "MU service cost", 0.665),
    Claim("utilisation", "ASP utilisation", 0.768),
    Claim("asp_cost", "ASP cost", 0.768),
    Claim("messages", "overhead: messages", 0.649),
    Claim("follower_solves", "overhead: follower solves", 0.649),
)
CLAIMED = tuple(claim.metric for claim in CLAIMS)
SAVINGS = CLAIMED[:3]


def benchmark_values(study: Study, setting: Setting, name: str, metric: str) -> FloatArray:
    """A metric market by market, of a mechanism or of the mean over benchmarks; shape (S,).

    In the mean are those benchmarks of the project that are played in all markets, and the markets in which none of
    them failed; for overhead, those that learn.
    """
    if name != MEAN:
        return study.played.values(setting, name, metric)
    ours = [m for m in study.plan.benchmarks if not isinstance(m, OwnMechanism)]
    everywhere = [m for m in ours if m.name not in study.plan.at_most]
    rows = [study.played.values(setting, benchmark.name, metric) for benchmark in everywhere]
    applying = [row for row in rows if np.isfinite(row).any()]
    means: FloatArray = np.mean(applying, axis=0) if applying else np.full(len(study.played.seeds), np.nan)
    return means


def reductions(
    study: Study, setting: Setting, name: str, ours: str = OURS, metrics: Sequence[str] = CLAIMED
) -> dict[str, Estimate]:
    """Reductions of ours (or the oracle) against a mechanism or ``MEAN``, by metric."""
    return {
        metric: reduction(study.played.values(setting, ours, metric), benchmark_values(study, setting, name, metric))
        for metric in metrics
    }


def utility_gain(study: Study, setting: Setting, name: str, ours: str = OURS) -> Estimate:
    """Mean MU utility of ours minus that of a mechanism or ``MEAN``, credits per slot."""
    played = study.played.values(setting, ours, "mu_utility")
    return difference(played, benchmark_values(study, setting, name, "mu_utility"))


@dataclass(frozen=True)
class Matched:
    """Ours and a benchmark made alike in what they deliver.

    Attributes:
        matched: share of the markets in which that is possible; NaN where it was tried in none.
        reductions: of ours on those markets, for each of ``SAVINGS``.
        utility_gain: MU utility of ours minus that of the benchmark there, credits per slot.
    """

    matched: float
    reductions: dict[str, Estimate]
    utility_gain: Estimate


def at_equal_qoe(study: Study, setting: Setting, name: str) -> Matched:
    """Our equilibrium at the QoE that a benchmark delivers, market by market."""

    def ours(metric: str) -> FloatArray:
        return study.matched.values(setting, name, metric)

    def theirs(metric: str) -> FloatArray:
        return study.played.values(setting, name, metric)

    return _matched(ours, theirs, study.matched.values(setting, name, "matched"))


def at_equal_guarantee(study: Study, setting: Setting, name: str) -> Matched:
    """A benchmark at the guarantee that ours gives, market by market."""

    def ours(metric: str) -> FloatArray:
        return study.played.values(setting, OURS, metric)

    def theirs(metric: str) -> FloatArray:
        return study.guaranteed.values(setting, name, metric)

    return _matched(ours, theirs, theirs("matched"))


def share_left_out(study: Study, setting: Setting) -> float:
    """Share of the markets in which ours serves some MU nothing, so that it guarantees nothing; NaN without ours."""
    found = study.played.values(setting, OURS, "guarantee")
    found = found[np.isfinite(found)]
    return float((found == 0.0).mean()) if found.size else float("nan")


def _matched(ours: Callable[[str], FloatArray], theirs: Callable[[str], FloatArray], matched: FloatArray) -> Matched:
    """Compare metrics on those markets (S,) where ``matched`` is 1; it is NaN where nothing was tried."""
    tried = matched[np.isfinite(matched)]

    def there(metric: str) -> FloatArray:
        return np.where(matched == 1.0, ours(metric), np.nan)

    return Matched(
        float(tried.mean()) if tried.size else float("nan"),
        {metric: reduction(there(metric), theirs(metric)) for metric in SAVINGS},
        difference(there("mu_utility"), theirs("mu_utility")),
    )
