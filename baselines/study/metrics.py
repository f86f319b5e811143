"""What is measured of a mechanism in a market, the same way for all."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aigc_market_env import (
    Market,
    Outcome,
    follower_regret,
    leader_regret,
    relative_regret,
    solve_equilibrium,
)
from aigc_market_env.equilibrium import Overhead
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.model.qoe import QOE_DIMENSIONS
from baselines.mechanism import MechanismResult

#: What a metric came to in one market; None where it does not apply, such as overhead where nothing is learned.
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    """How a metric is called, its unit, and the format of its figures."""

    label: str
    unit: str
    form: str = ".3f"

    @property
    def heading(self) -> str:
        """Label and unit, for an axis or a column."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


METRICS: Mapping[str, Metric] = {
    "mu_service_cost": Metric("MU service cost", "credits per slot"),
    "utilisation": Metric("ASP utilisation", "%", ".1%"),
    "utilisation_compute": Metric("compute in use", "%", ".1%"),
    "utilisation_bandwidth": Metric("bandwidth in use", "%", ".1%"),
    "asp_cost": Metric("ASP cost", "credits per slot"),
    "asp_profit": Metric("ASP profit", "credits per slot"),
    "mu_qoe": Metric("MU QoE", ""),
    "qoe_accuracy": Metric("QoE from accuracy", ""),
    "qoe_token_count": Metric("QoE from token count", ""),
    "qoe_timeliness": Metric("QoE from timeliness", ""),
    "mu_utility": Metric("MU utility", "credits per slot"),
    "welfare": Metric("welfare", "credits per slot"),
    "fairness_qoe": Metric("Jain index of QoE", ""),
    "fairness_utility": Metric("Jain index of utility", ""),
    "mu_regret": Metric("MU regret", "%", ".2%"),
    "mu_regret_worst": Metric("worst MU", "%", ".2%"),
    "asp_regret": Metric("ASP regret", "%", ".2%"),
    "asp_regret_worst": Metric("worst ASP", "%", ".2%"),
    "probes": Metric("probes", "", ",.0f"),
    "follower_solves": Metric("follower solves", "", ",.0f"),
    "messages": Metric("messages", "", ",.0f"),
    "bytes": Metric("bytes", "B", ",.0f"),
    "lean_follower_solves": Metric("solves, lean", "", ",.0f"),
    "lean_messages": Metric("messages, lean", "", ",.0f"),
}
#: Metrics of learning, which mechanisms that are not iterated lack.
OVERHEAD = ("probes", "follower_solves", "messages", "bytes", "lean_follower_solves", "lean_messages")
#: Metrics of how far a mechanism ends from equilibrium of the market's own game.
REGRETS = ("mu_regret", "mu_regret_worst", "asp_regret", "asp_regret_worst")
#: Metrics that are followed over loads.
HEADLINES = ("mu_service_cost", "utilisation", "asp_cost", "mu_qoe", "mu_utility", "messages", "follower_solves")


def measure(market: Market, result: MechanismResult) -> Figures:
    """All of ``METRICS`` in one market: means over its MUs or its ASPs, welfare of the whole market."""
    return outcome_figures(result.outcome) | regret_figures(market, result.outcome) | overhead_figures(result.overhead)


def outcome_figures(outcome: Outcome) -> Figures:
    """What a slot of one market comes to."""
    qoe = outcome.qoe.sum(axis=-1)
    terms = outcome.qoe_terms.sum(axis=-2)  # (M, 3)
    figures = {
        "mu_service_cost": outcome.service_cost,
        "utilisation": outcome.utilisation,
        "utilisation_compute": outcome.utilisation[:, 0],
        "utilisation_bandwidth": outcome.utilisation[:, 1],
        "asp_cost": outcome.asp_cost,
        "asp_profit": outcome.asp_profit,
        "mu_qoe": qoe,
        **{f"qoe_{name}": terms[:, j] for j, name in enumerate(QOE_DIMENSIONS)},
        "mu_utility": outcome.mu_utility,
        "welfare": outcome.welfare,
        "fairness_qoe": np.array(jain(qoe)),
        "fairness_utility": np.array(jain(outcome.mu_utility)),
    }
    return {name: float(values.mean()) for name, values in figures.items()}


def regret_figures(market: Market, outcome: Outcome) -> Figures:
    """Relative regrets in the market's own game, whatever the mechanism's rules: of all agents, and of the worst one.

    What an MU could gain by another offer per QoE than what it pays, the others' as they are and the ASPs responding
    exactly to either, over utility at equilibrium; what an ASP could gain by another allocation, over its best profit.
    The equilibrium is the pure point that first-order conditions lead to, not certified: it is a scale alone.
    """
    rewards, compute, bandwidth = outcome.rewards, outcome.compute, outcome.bandwidth
    utility = solve_equilibrium(market, certify=False).outcome.mu_utility
    missed = follower_regret(market, rewards, compute, bandwidth)
    mus = relative_regret(leader_regret(market, rewards)[None], utility[None])
    asps = relative_regret(missed[None], (outcome.asp_profit + missed)[None])
    found = (mus.mean, mus.worst, asps.mean, asps.worst)
    return {name: float(value) for name, value in zip(REGRETS, found, strict=True)}


def overhead_figures(overhead: Overhead | None) -> Figures:
    """What learning took, or Nones."""
    if overhead is None:
        return dict.fromkeys(OVERHEAD)
    return {
        "probes": float(overhead.probes),
        "follower_solves": float(overhead.follower_solves),
        "messages": float(overhead.messages),
        "bytes": float(overhead.bytes_down + overhead.bytes_up),
        "lean_follower_solves": float(overhead.lean_follower_solves),
        "lean_messages": float(overhead.lean_messages),
    }


def jain(shares: FloatArray) -> float:
    """Jain's fairness index (Σ x)²/(n Σ x²) of what n users get: 1 when all get the same, 1/n when one gets everything.

    Losses count as zero, since the index is one of shares; where nobody gets anything, all get the same.

    Source: Jain, Chiu and Hawe, A quantitative measure of fairness and discrimination, DEC-TR-301, 1984.
    """
    shares = np.maximum(shares, 0.0)
    largest = float(shares.max())
    if largest <= 0.0:
        return 1.0
    shares = shares / largest  # squares of tiny numbers would vanish
    return float(shares.sum() ** 2 / (shares.size * (shares**2).sum()))
