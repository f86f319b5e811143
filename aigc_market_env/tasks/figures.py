"""The figures of a score: of what was found in test markets, agent by agent, with intervals over test markets.

Where a task has several sizes, a figure is the mean of the sizes' own, and every size's markets are resampled.

Source: docs/tasks.md#the-metric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market_env.equilibrium.certificate import share_of
from aigc_market_env.evaluation.intervals import Interval, interval_of_strata
from aigc_market_env.evaluation.side_regret import SideRegret
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks.task import Role


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in S test markets of one size; of each role that acts by the policy, (S, K) of K agents.

    Attributes:
        label: of the size, ``"8x4"``.
        regret: what each agent could gain, or a bound on it, credits.
        scale: what that is relative to, credits: utility of an MU at equilibrium, best profit of an ASP.
        payoff: credits.
        relative: the regrets of each role, relative.
        uniform_regret: of each agent in uniform play, credits.
        uniform_scale: what that is relative to, credits.
    """

    label: str
    regret: Mapping[Role, FloatArray]
    scale: Mapping[Role, FloatArray]
    payoff: Mapping[Role, FloatArray]
    relative: Mapping[Role, SideRegret]
    uniform_regret: Mapping[Role, FloatArray]
    uniform_scale: Mapping[Role, FloatArray]


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval of 95 %, None where there is one market alone."""

    value: float
    interval: Interval | None

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"value": finite(self.value), "interval_95": None if self.interval is None else list(self.interval)}


def finite(value: float) -> float | None:
    """A number for JSON, which has no endless ones: null is one."""
    return value if np.isfinite(value) else None


@dataclass(frozen=True)
class Worst:
    """The agent that forgoes most of what is its own, of all test markets.

    Attributes:
        value: what it forgoes, as a share of that.
        agent: its name, with the number of the market and the size where these differ.
    """

    value: float
    agent: str


def relative_regret_of(found: Sequence[Found], role: Role, *, uniform: bool = False) -> Estimate:
    """Mean regret over mean utility at equilibrium (MUs) or mean best profit (ASPs); of uniform play if asked for."""
    pairs = [
        (one.uniform_regret[role], one.uniform_scale[role]) if uniform else (one.regret[role], one.scale[role])
        for one in found
    ]
    return _ratio([regret for regret, _ in pairs], [np.maximum(scale, 0.0) for _, scale in pairs])


def utility_ratio_of(found: Sequence[Found], role: Role) -> Estimate:
    """Mean payoff over mean utility at equilibrium (MUs) or mean best profit (ASPs)."""
    return _ratio([one.payoff[role] for one in found], [one.scale[role] for one in found])


def nash_conv_of(found: Sequence[Found]) -> Estimate:
    """Sum of the regrets of all who act by the policy, credits per slot or episode."""
    totals = [_total(one.regret) for one in found]
    return _estimate(lambda *parts: sum(part.mean(axis=-1) for part in parts) / len(parts), totals)


def normalised_of(found: Sequence[Found]) -> Estimate:
    """1 - NashConv over that of uniform play: 1 at an equilibrium, 0 for uniform play, below for what is worse."""
    above = [_total(one.regret)[:, None] for one in found]
    ratio = _ratio(above, [_total(one.uniform_regret)[:, None] for one in found])
    interval = None if ratio.interval is None else (1.0 - ratio.interval[1], 1.0 - ratio.interval[0])
    return Estimate(1.0 - ratio.value, interval)


def worst_of(found: Sequence[Found], role: Role) -> Worst:
    """The worst agent of a role in all sizes."""
    worst = max(found, key=lambda one: one.relative[role].worst)
    size = f", {worst.label}" if len(found) > 1 else ""
    return Worst(worst.relative[role].worst, worst.relative[role].worst_agent + size)


def _total(of_role: Mapping[Role, FloatArray]) -> FloatArray:
    total: FloatArray = sum((array.sum(axis=-1) for array in of_role.values()), np.zeros(()))
    return total


def _ratio(above: Sequence[FloatArray], below: Sequence[FloatArray]) -> Estimate:
    """Mean over sizes of a ratio of means over markets and agents, arrays (S, K)."""
    pairs = [array.mean(axis=-1) for part in zip(above, below, strict=True) for array in part]

    def statistic(*parts: FloatArray) -> FloatArray:
        shares = [
            share_of(part.mean(axis=-1), scale.mean(axis=-1))
            for part, scale in zip(parts[::2], parts[1::2], strict=True)
        ]
        total: FloatArray = sum(shares, np.zeros(())) / len(shares)
        return total

    return _estimate(statistic, pairs, each=2)


def _estimate(statistic: Any, samples: Sequence[FloatArray], each: int = 1) -> Estimate:
    value = float(statistic(*samples))
    strata = [tuple(samples[i : i + each]) for i in range(0, len(samples), each)]
    return Estimate(value, interval_of_strata(statistic, strata, value) if np.isfinite(value) else None)
