"""Ours: the MUs learn their rewards by dual-perturbation reward optimisation, two probes a round for the whole market.

    log r ← log r + step · (log(V e/(1 + e)) - log r)
    e from two probes at r exp(±δD)

The name, and that it lowers the complexity of adaptive pricing, are the paper's; this reading of it is this project's
(docs/market.md#learning-from-two-probes). Played until the relative regret is at most 1 %.
"""

from dataclasses import dataclass, field

import numpy as np

from aigc_market_env import DualPerturbation, Market
from aigc_market_env.equilibrium.dual_perturbation import probe_of
from baselines.learning import play_until_goal
from baselines.mechanism import MechanismResult


@dataclass(frozen=True)
class LearnedRewards:
    """MUs learn personalised rewards from the QoE that perturbed rewards bring.

    Attributes:
        learner: how rewards are perturbed and moved; its ``rounds`` are the cap.
    """

    name: str = "dual_perturbation"
    label: str = "dual perturbation (ours)"
    learner: DualPerturbation = field(default_factory=DualPerturbation)

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Learn until the relative regret is at most GOAL, or for ``learner.rounds`` rounds."""
        learner, size = self.learner, (market.num_mus, market.num_asps)
        wants = market.satisfaction_scale, market.qoe_requirement
        updates = learner.updates(probe_of(market), *wants, market.num_asps, rng, market.satiation)
        return play_until_goal(
            market, updates, learner.probes_per_round(*size), learner.rounds, learner.perturbed_per_probe(*size)
        )
