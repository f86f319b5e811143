"""The equilibrium of the market as the paper has it: MUs post personalised rewards per QoE, ASPs respond.

    r[m, n] = V_m e[m, n]/(1 + e[m, n])  on every link that is served
    V_m = ω_m/(q_m + Q_m)

with e the elasticity of the MU's own QoE. That MUs lead with rewards and ASPs follow is the paper's; the payoffs, and
that one who knows the whole market computes the equilibrium, are this project's
(:func:`~aigc_market_env.solve_equilibrium`). It is where :class:`~aigc_market_env.DualPerturbation` would end.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, solve_equilibrium
from baselines.learning import leaders_have_arrived
from baselines.mechanism import MechanismResult


@dataclass(frozen=True)
class Oracle:
    """The equilibrium of personalised rewards per QoE."""

    name: str = "oracle"
    label: str = "equilibrium (oracle)"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """The equilibrium; nothing is random and nobody has to learn it, so there is no overhead."""
        equilibrium = solve_equilibrium(market)
        reached = leaders_have_arrived(market, equilibrium.rewards)
        return MechanismResult(equilibrium.outcome, reached=reached)
