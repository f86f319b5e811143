r"""Adaptive pacing: every MU learns the price of its money from what slots cost at that price.

    s_t = 1/(1 + α_t),    r_t = equilibrium of slot t at s_t ω with budgets m_t,    α_(t+1) = α_t + κ (c_t/ρ - 1)/√T,
    0 <= α <= α̅

with ρ = m_0/T + income what it may spend in a slot, and c_t what the slot costs it at s_t, whether or not there is
money for it: a step down the gradient of the dual problem, relative to ρ. The step κ is tuned once, and the same
everywhere. Prices begin at 0. Above α̅ = S_t(N)/ρ - 1, with S_t(N) the satisfaction with the highest QoE there is, a
slot cannot cost more than ρ. Caps are not planned for: money beyond them is lost.

Source: Balseiro and Gur (2019), Management Science 65(9), Algorithm 1, where a bidder shades its bid to v/(1 + α), bids
no more than it has, and steps are of the order T^(-1/2). That bids are rewards, and that all MUs play the equilibrium
of the slot at their paced satisfaction, not a second-price auction, is this project's; and that the step is by what
the slot would cost, not by what was paid: that is no more than there is, which with an income is ρ for who never saves,
so that its price would stay at 0.
"""

import math
from dataclasses import dataclass

import numpy as np

from aigc_market_env import Episode, Market, SlotView, Wallet, play_episode, solve_equilibrium
from aigc_market_env.model import satisfaction
from aigc_market_env.model.options import positive_number
from aigc_market_env.model.parameters import FloatArray
from baselines.episodes.slot_budget import equilibrium_on_budget

#: The best of 1/4, 1/2, 1, … 16 on four paths of ``campus``, 32 slots, with half of the money that MUs would spend.
STEP = 8.0


@dataclass(frozen=True)
class AdaptivePacing:
    """Equilibria of slots at a price of money that every MU adapts to what it spends.

    Attributes:
        step: κ, of the price where an MU spends twice its target, times √T.
    """

    name: str = "adaptive_pacing"
    label: str = "adaptive pacing"
    step: float = STEP

    def __post_init__(self) -> None:
        positive_number("step", self.step)

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """Play the slots at prices that follow what is spent."""
        prices, cost = np.zeros(path.num_mus), np.zeros(path.num_mus)

        def post(view: SlotView) -> FloatArray:
            if view.slot > 0:
                prices[:] = next_prices(prices, view, cost, self.step)
            paced = view.market.replace(satisfaction_scale=view.market.satisfaction_scale / (1.0 + prices))
            found = solve_equilibrium(paced, certify=False)
            cost[:] = found.outcome.service_cost
            return found.rewards if (cost <= view.money).all() else equilibrium_on_budget(paced, view.money)

        return play_episode(path, post, wallet)


def next_prices(prices: FloatArray, view: SlotView, cost: FloatArray, step: float) -> FloatArray:
    """Prices of money (M,) after a slot that cost so much at them (M,); those of MUs that never have money stay."""
    target = view.purses.money / view.num_slots + view.purses.income
    has_any = target > 0.0
    over = np.divide(cost, target, out=np.ones_like(target), where=has_any) - 1.0
    market = view.market
    wants = market.satisfaction_scale, market.qoe_requirement, market.satiation
    most = satisfaction.values(np.full(market.num_mus, float(market.num_asps)), *wants)
    highest = np.divide(most, target, out=np.full_like(target, np.inf), where=has_any) - 1.0
    moved: FloatArray = np.clip(prices + step / math.sqrt(view.num_slots) * over, 0.0, np.maximum(highest, 0.0))
    return moved
