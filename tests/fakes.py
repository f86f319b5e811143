"""Mechanisms that are quick and whose figures can be worked out by hand."""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market
from aigc_market_env.equilibrium import Overhead
from baselines.mechanism import MechanismResult


@dataclass(frozen=True)
class Share:
    """Every MU posts the same share of its reward bound to all."""

    name: str
    share: float

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        return MechanismResult.of_rewards(market, self.rewards(market))

    def rewards(self, market: Market) -> np.ndarray:
        return np.repeat(self.share * market.reward_bound[:, None], market.num_asps, axis=1)


@dataclass(frozen=True)
class Learner(Share):
    """Claims to have taken so many probes, plus one or none at random."""

    probes: int = 10

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        overhead = Overhead.of(1, self.probes + int(rng.integers(2)), market.num_mus, market.num_asps)
        return MechanismResult.of_rewards(market, self.rewards(market), overhead, reached=self.probes < 100)


@dataclass(frozen=True)
class Broken(Share):
    """Fails in markets whose first MU's satisfaction is worth more than a limit."""

    limit: float = 1.4

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        if market.satisfaction_scale[0] > self.limit:
            raise ArithmeticError("too much to want")
        return super().run(market, rng)


FAKES = {
    mechanism.name: mechanism
    for mechanism in (
        Learner("dual_perturbation", 0.2),
        Share("oracle", 0.25),
        Learner("slow_learner", 0.4, probes=200),
        Share("generous", 0.9),
        Share("priced_out", 0.0),
        Broken("broken", 0.3),
    )
}
