"""One reward per MU for all ASPs: what not telling providers apart costs.

    r[m, n] = ρ_m for all n
    ρ_m maximises U_m(ρ_m, ρ_-m), the ASPs responding exactly

The equilibrium of the market in that class. The comparison is this project's choice; incentives that do not tell
providers apart are what a personalised mechanism is set against.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, follower_response
from aigc_market_env.model.links import ENTRY, link_tables
from aigc_market_env.model.parameters import FloatArray
from baselines.mechanism import MechanismResult, has_arrived
from baselines.provisioning import natural_costs
from baselines.scalar_game import Payoffs, equilibrium


@dataclass(frozen=True)
class UniformReward:
    """The equilibrium of the market in which an MU posts one reward to all ASPs."""

    name: str = "uniform_reward"
    label: str = "uniform reward"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """The equilibrium in uniform rewards, or the point of least regret that best responses met."""
        high = market.reward_bound
        low = np.minimum(natural_thresholds(market).min(axis=-1), high)
        found = equilibrium(utilities(market), np.sqrt(low * high), low, high)
        reached = has_arrived(found.regret, found.payoffs)
        return MechanismResult.of_rewards(market, _to_all(market, found.strategies), reached=reached)


def utilities(market: Market) -> Payoffs:
    """The MUs' utilities as functions of uniform rewards, (K, M) to (K, M)."""

    def payoffs(uniform: FloatArray) -> FloatArray:
        rewards = _to_all(market, uniform)
        response = follower_response(market, rewards)
        return market.outcome(rewards, response.compute, response.bandwidth).mu_utility

    return payoffs


def natural_thresholds(market: Market) -> FloatArray:
    """Reward below which an ASP does not serve an MU even with capacity to spare, credits per QoE; shape (M, N)."""
    threshold: FloatArray = natural_costs(market) / link_tables(market)[..., ENTRY]
    return threshold


def _to_all(market: Market, uniform: FloatArray) -> FloatArray:
    """One reward per MU (..., M), posted to every ASP (..., M, N)."""
    return np.repeat(uniform[..., None], market.num_asps, axis=-1)
