"""The equilibrium of the market as the paper has it: MUs post personalised rewards per QoE, ASPs respond.

    r[m, n] = V_m e[m, n]/(1 + e[m, n])  on every link that is served
    V_m = ω_m/(q_m + Q_m)

with e the elasticity of the MU's own QoE. That MUs lead with rewards and ASPs follow is the paper's; the payoffs, and
that one who knows the whole market computes the equilibrium, are this project's
(:func:`~aigc_market_env.solve_equilibrium`). It is where :class:`~aigc_market_env.DualPerturbation` would end.

Where no pure equilibrium is found, MUs mix rows of rewards, and what is played is a draw: nobody expects to gain by
other rewards than it drew, though some would have gained, had they known what the others drew. Where no mixed one is
found either, it is a draw from the least exploitable mixture met; ``reached`` tells whether that is good enough.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, solve_equilibrium
from baselines.mechanism import MechanismResult, has_arrived


@dataclass(frozen=True)
class Oracle:
    """The equilibrium of personalised rewards per QoE."""

    name: str = "oracle"
    label: str = "equilibrium (oracle)"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """The equilibrium, drawn from where MUs mix; nobody has to learn it, so there is no overhead."""
        equilibrium = solve_equilibrium(market, mixed=True)
        assert equilibrium.certificate is not None
        reached = has_arrived(equilibrium.certificate.leader_regret, equilibrium.outcome.mu_utility)
        return MechanismResult.of_rewards(market, equilibrium.sample(rng), reached=reached)
