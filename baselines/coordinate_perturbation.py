"""Conventional adaptive pricing: one reward is perturbed at a time, so a round takes 2·M·N probes.

The same update as dual perturbation (:mod:`baselines.dual_perturbation`), with the elasticity of every pair measured
alone, by a two-sided difference with all other rewards where they are. The paper compares with adaptive pricing of this
order of complexity; that the two differ in nothing but the perturbation is this project's choice.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import DualPerturbation
from aigc_market_env.equilibrium.dual_perturbation import Probe, slope_of_logs
from aigc_market_env.model.parameters import FloatArray


@dataclass(frozen=True)
class OneAtATime(DualPerturbation):
    """Two probes for every pair."""

    def probes_per_round(self, num_mus: int, num_asps: int) -> int:
        """Two for every pair."""
        return 2 * num_mus * num_asps

    def perturbed_per_probe(self, num_mus: int, num_asps: int) -> int:
        """One."""
        return 1

    def sample(
        self, probe: Probe, rewards: FloatArray, size: float, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """QoE and elasticity of every pair, perturbed alone, both (..., M, N)."""
        links = rewards.shape[-2:]
        # The pair that is perturbed is the first axis, so that one call serves all probes of a side.
        pairs = np.eye(links[0] * links[1]).reshape(-1, *[1] * (rewards.ndim - 2), *links)
        factor = np.exp(size * pairs)
        high, low = ((probe(moved) * pairs).sum(axis=0) for moved in (rewards * factor, rewards / factor))
        return 0.5 * (high + low), slope_of_logs(high, low, size)
