"""MUs who look at one dimension of QoE alone: what a one-dimensional incentive costs.

    Q̃[m, n](x) = the QoE of an MU whose weight w lies on one dimension alone

That is accuracy, token count or timeliness. Rewards are posted per unit of that score Q̃, which is what is measured and
paid: payment = r Q̃. ASPs therefore allocate for it, and all play the equilibrium of the market that they believe in,
the one with one-hot weights. What an MU then *feels* of that allocation is its true, three-dimensional QoE, and its
utility is the satisfaction from that less what it has paid; an MU who pays for the wrong thing may lose by trading.
That a single dimension is a comparison the paper's multi-dimensional QoE calls for is plain; what is paid and felt is
this project's choice. Where that market has no pure equilibrium that is found, MUs post the least exploitable rewards
met, and ``reached`` tells whether these are good enough. The intensity is a factor of all rewards per score.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, Outcome, follower_response, solve_equilibrium
from aigc_market_env.model.qoe import QOE_DIMENSIONS
from baselines.learning import leaders_have_arrived
from baselines.mechanism import MechanismResult, outcome_of_payments


@dataclass(frozen=True)
class SingleDimension:
    """The equilibrium of the market in which MUs see one dimension of QoE, felt with all three.

    Attributes:
        dimension: ``"accuracy"``, ``"token_count"`` or ``"timeliness"``.
    """

    dimension: str

    @property
    def name(self) -> str:
        """Such as ``"accuracy_only"``."""
        return f"{self.dimension}_only"

    @property
    def label(self) -> str:
        """Such as ``"accuracy only"``."""
        return f"{self.dimension.replace('_', ' ')} only"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """The equilibrium believed in, accounted for with the true QoE."""
        believed = self.believed(market)
        equilibrium = solve_equilibrium(believed)
        reached = leaders_have_arrived(believed, equilibrium.rewards)

        def at_intensity(level: float) -> Outcome:
            rewards = level * equilibrium.rewards
            response = follower_response(believed, rewards)
            seen = believed.outcome(rewards, response.compute, response.bandwidth)
            return outcome_of_payments(market, seen.payment, seen.compute, seen.bandwidth)

        return MechanismResult(at_intensity(1.0), reached=reached, at_intensity=at_intensity)

    def believed(self, market: Market) -> Market:
        """The market that its MUs believe in."""
        seen = np.eye(3)[QOE_DIMENSIONS.index(self.dimension)]
        return market.replace(qoe_weights=np.broadcast_to(seen, market.qoe_weights.shape))
