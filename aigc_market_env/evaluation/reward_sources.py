"""What the MUs may post while ASPs learn or are measured: near equilibrium, far from it, or what a policy posts.

A source is called once a slot with the :class:`Situation` of all markets, and returns rewards as shares of the bound
ω/q, (B, M, N).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env import Market, solve_equilibrium
from aigc_market_env.model.parameters import FloatArray

#: The lowest reward a learner posts, as a share of the bound ω/q. An MU that posts less is priced out in practice.
LOWEST_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class Situation:
    """What a source may look at.

    Attributes:
        observations: of the MUs. (B, M, D)
        equilibrium: rewards at an equilibrium of each market, as shares of ω/q; see :func:`equilibrium_shares`.
            (B, M, N)
        rng: where all randomness comes from.
    """

    observations: npt.NDArray[np.float32]
    equilibrium: FloatArray
    rng: np.random.Generator


RewardSource = Callable[[Situation], FloatArray]
#: From observations of the MUs (B, M, D) to rewards as shares of ω/q (B, M, N): what MUs are to an evaluation.
Posting = Callable[[npt.NDArray[np.float32]], FloatArray]


def equilibrium_shares(market: Market) -> FloatArray:
    """Rewards at the oracle's equilibrium as shares of the bound ω/q. (..., M, N)."""
    shares: FloatArray = solve_equilibrium(market, certify=False).rewards / market.reward_bound[..., None]
    return shares


@dataclass(frozen=True)
class NearEquilibrium:
    """Equilibrium rewards times noise, exp(s·normal); s is drawn for each market and slot, evenly in log.

    Attributes:
        least: smallest s, > 0.
        most: largest s.
    """

    least: float = 0.05
    most: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.least <= self.most < math.inf:
            raise ValueError(f"least = {self.least} and most = {self.most} must be 0 < least <= most, finite")

    def __call__(self, situation: Situation) -> FloatArray:
        """Shares of ω/q; what noise takes above the bound is posted at the bound."""
        rng, shape = situation.rng, situation.equilibrium.shape
        spread = np.exp(rng.uniform(math.log(self.least), math.log(self.most), (shape[0], 1, 1)))
        return np.minimum(situation.equilibrium * np.exp(spread * rng.standard_normal(shape)), 1.0)


def uniform(situation: Situation) -> FloatArray:
    """Every share of ω/q is as likely as any other; most such rewards are far above what they are at equilibrium."""
    return situation.rng.random(situation.equilibrium.shape)


def log_uniform(situation: Situation) -> FloatArray:
    """Evenly in log over what learners can post; about half of such rewards serve nobody."""
    shares: FloatArray = LOWEST_SHARE ** situation.rng.random(situation.equilibrium.shape)
    return shares


@dataclass(frozen=True)
class Posted:
    """What a policy of the MUs posts, times noise, exp(noise·normal).

    Attributes:
        policy: from observations (B, M, D) to shares of ω/q (B, M, N).
        noise: standard deviation of the logarithm of a share.
    """

    policy: Posting
    noise: float = 0.0

    def __call__(self, situation: Situation) -> FloatArray:
        """Shares of ω/q; what noise takes above the bound is posted at the bound."""
        shares = self.policy(situation.observations)
        return np.minimum(shares * np.exp(self.noise * situation.rng.standard_normal(shares.shape)), 1.0)


class Mixture:
    """In every market and slot, one of several sources, drawn with given probabilities.

    Args:
        sources: the sources.
        weights: what their probabilities are proportional to, > 0.

    Raises:
        ValueError: there are no sources, not as many weights as sources, or a weight is not positive.
    """

    def __init__(self, sources: Sequence[RewardSource], weights: Sequence[float]) -> None:
        if not sources or len(sources) != len(weights) or not all(0.0 < weight < math.inf for weight in weights):
            raise ValueError(f"{len(sources)} sources need as many positive weights, got {list(weights)}")
        self.sources = tuple(sources)
        self.probabilities = np.asarray(weights, np.float64) / sum(weights)

    def __call__(self, situation: Situation) -> FloatArray:
        """Shares of ω/q."""
        posted = np.stack([source(situation) for source in self.sources])
        lanes = len(situation.equilibrium)
        chosen = situation.rng.choice(len(self.sources), size=lanes, p=self.probabilities)
        shares: FloatArray = posted[chosen, np.arange(lanes)]
        return shares


#: Equilibrium rewards missed by a tenth: what a follower meets once leaders have learned.
NEAR = NearEquilibrium(0.1, 0.1)
#: What followers are trained on: all that leaders may do, half of it around equilibrium.
EVERYTHING = Mixture([NearEquilibrium(), uniform, log_uniform], [2.0, 1.0, 1.0])

#: Sources by name, for configurations and command lines.
REWARD_SOURCES: dict[str, RewardSource] = {
    "near": NEAR,
    "everything": EVERYTHING,
    "uniform": uniform,
    "log_uniform": log_uniform,
}


def source_called(name: str) -> RewardSource:
    """The source of a name.

    Raises:
        ValueError: there is none of that name.
    """
    if not isinstance(name, str) or name not in REWARD_SOURCES:
        raise ValueError(f"rewards = {name!r} must be one of {', '.join(REWARD_SOURCES)}")
    return REWARD_SOURCES[name]
