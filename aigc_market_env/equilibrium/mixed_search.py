"""What the searches for a mixed equilibrium in one market share: judging a mixture, and when to end."""

from dataclasses import dataclass

import numpy as np

from aigc_market_env.equilibrium.mixture import Mixture
from aigc_market_env.equilibrium.mixture_play import Play, best_rows, new_play
from aigc_market_env.model.parameters import FloatArray, MarketArrays

#: Work that a market is worth, in sweeps times profiles times M²N: some seconds. Sweeps that take as long as judging.
_WORK, _SWEEPS_OF_JUDGING = 8_000_000, 20
#: The search ends when the bound on every regret is within this share of the tolerance.
_AIM = 0.1


@dataclass
class Judged:
    """A mixture and every MU's best deviation from it, credits per slot.

    Attributes:
        mixture: what was judged.
        best: every MU's best row against the mixture of the others. (M, N)
        regret: what the MU gains by it. (M,)
        bound: what no row gains more than. (M,)
        utility: what the MU earns by the mixture. (M,)
    """

    mixture: Mixture
    best: FloatArray
    regret: FloatArray
    bound: FloatArray
    utility: FloatArray

    @property
    def exploitability(self) -> float:
        """The largest bound on a regret over the mean utility of the MUs."""
        mean = float(self.utility.mean())
        return float(self.bound.max()) / mean if mean > 0.0 else np.inf


def judge(market: MarketArrays, k: int, mixture: Mixture) -> Judged:
    """Best responses of all MUs against a mixture in market ``k`` of a flat batch, with bounds."""
    num_mus, num_asps = len(mixture.rows), mixture.rows[0].shape[1]
    best, found = np.empty((num_mus, num_asps)), np.empty((3, num_mus))
    best_rows(market, k, new_play(market, k, *mixture.padded(), mixture.sizes), best, found)
    return Judged(mixture, best, found[0] - found[2], found[1] - found[2], found[2])


class MixedSearch:
    """The search for a mixed equilibrium in one market."""

    def __init__(self, market: MarketArrays, k: int, start: Mixture, tolerance: float) -> None:
        self.market, self.k, self.aim = market, k, _AIM * tolerance
        self.work = 0
        self.start = start
        self.best = self.judge(self.start)
        self.scale = float(self.best.utility.mean())

    def ended(self) -> bool:
        """Whether the best mixture met is as good as is asked for, or the work is done that a market is worth."""
        return self.best.exploitability <= self.aim or self.work > _WORK or not self.scale > 0.0

    def count(self, sweeps: int, profiles: int) -> None:
        """Count the work of so many sweeps over all rewards, or what takes as long."""
        num_mus, num_asps = len(self.start.rows), self.start.rows[0].shape[1]
        self.work += sweeps * profiles * num_mus * num_mus * num_asps

    def note(self, mixture: Mixture) -> Judged:
        """Judge a mixture, and remember the least exploitable one."""
        judged = self.judge(mixture)
        if judged.exploitability < self.best.exploitability:
            self.best = judged
        return judged

    def judge(self, mixture: Mixture) -> Judged:
        """Best responses of all MUs against the mixture."""
        self.count(_SWEEPS_OF_JUDGING, mixture.profiles)
        return judge(self.market, self.k, mixture)

    def play(self, mixture: Mixture) -> Play:
        """The mixture, played out."""
        return new_play(self.market, self.k, *mixture.padded(), mixture.sizes)


def played(p: Play) -> Mixture:
    """A copy of what is posted."""
    sizes = [int(size) for size in p.sizes]
    return Mixture(
        [p.rows[m, :size].copy() for m, size in enumerate(sizes)],
        [p.probabilities[m, :size].copy() for m, size in enumerate(sizes)],
    )
