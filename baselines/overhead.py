"""What it takes to learn rewards to within 1 %: the paper's figure of computational and communication overhead.

Every mechanism that learns is played on the same markets until its relative regret is at most GOAL, or until its cap;
all are counted alike (:mod:`baselines.learning`). The reduction is 1 - ours/theirs, of follower solves for computation
and of bytes for communication. Where a mechanism has not arrived at its cap, what it had spent by then is counted, so
the reduction is understated.

A leaner count is possible where one reward is perturbed at a time: then only one ASP would have to solve, and only one
reward and one report be sent. A round would take 2·M·N solves against the 2·N of dual perturbation, and 4·M·N messages
against the same 4·M·N: computation and slots are saved, messages only where fewer rounds are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market
from baselines import MECHANISMS

#: Mechanisms that learn by being played; ours first.
LEARNERS = ("dual_perturbation", "coordinate_perturbation", "random_search", "bayesian_optimisation")


@dataclass(frozen=True)
class OverheadFigures:
    """Means over markets.

    Attributes:
        name: of the mechanism.
        reached: share of the markets on which it arrived.
        probes: slots played.
        follower_solves: problems that ASPs solved.
        messages: rewards and QoE reports sent.
        kibibytes: of those.
        fewer_solves: share by which ours has fewer follower solves; 0 for ours.
        fewer_bytes: share by which ours sends fewer bytes; 0 for ours.
    """

    name: str
    reached: float
    probes: float
    follower_solves: float
    messages: float
    kibibytes: float
    fewer_solves: float
    fewer_bytes: float


def overhead_until_reached(
    markets: Sequence[Market], names: Sequence[str] = LEARNERS, seed: int = 0
) -> list[OverheadFigures]:
    """Play every mechanism named on all markets until it arrives; the first is the one that others are held against.

    Args:
        markets: single markets.
        names: of mechanisms that learn.
        seed: every market has a stream of its own, the same for all mechanisms.

    Raises:
        ImportError: Bayesian optimisation is named and scikit-optimize is not installed.
    """
    counted: list[OverheadFigures] = []
    for name in names:
        results = [MECHANISMS[name].run(market, np.random.default_rng([seed, i])) for i, market in enumerate(markets)]
        spent = [result.overhead for result in results if result.overhead is not None]
        solves = float(np.mean([o.follower_solves for o in spent]))
        kibibytes = float(np.mean([o.bytes_down + o.bytes_up for o in spent])) / 1024
        ours = counted[0] if counted else None
        counted.append(
            OverheadFigures(
                name,
                float(np.mean([result.reached for result in results])),
                float(np.mean([o.probes for o in spent])),
                solves,
                float(np.mean([o.messages for o in spent])),
                kibibytes,
                _reduction(ours.follower_solves, solves) if ours else 0.0,
                _reduction(ours.kibibytes, kibibytes) if ours else 0.0,
            )
        )
    return counted


def _reduction(ours: float, theirs: float) -> float:
    """1 - ours/theirs; 0 where nobody spends anything."""
    return 1.0 - ours / theirs if theirs > 0.0 else 0.0
