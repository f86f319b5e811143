"""Proportional share: MUs bid, every ASP divides both its capacities by bids (the Kelly mechanism).

    share  s[m, n] = β[m, n] / (R_n + Σ_k β[k, n])
           f = s F,  b = s B,  throughput x = s X,  X = 1/(κ/F + σ/B)
    MU m   bids what maximises its satisfaction less Σ_n β[m, n], pays its bids
    ASP n  keeps the share of a reserve bid R_n = c_f F + c_b B, idle: what its
           whole capacity costs

at the Nash equilibrium of the bids. Bids anticipate their effect on the price (Johari and Tsitsiklis 2004): with
v = V Q'(x) X, V what QoE is worth and v a further share, every MU served has v (1 - s) = R + Σ β. Kelly's mechanism
(1997) is the field's standard for dividing one resource. This project's choices: one bid per ASP buys the same share of
its two resources; and the reserve, without which a lone MU would get everything for nothing and ASPs could lose by
serving. Payoffs are continuous, and concave in the own bids, so an equilibrium exists (Rosen 1965). The intensity is a
factor of all bids.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, Outcome
from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of
from baselines.buying import basket, link_rows
from baselines.mechanism import MechanismResult, has_arrived, outcome_of_payments

#: Rounds of best replies, one MU after another; and how far bids may be from best replies, relative to the largest.
_MAX_ROUNDS, _SETTLED = 2000, 1e-11
#: How much of the way an MU goes. Whole replies may go round in circles where capacity is very scarce.
_DAMPING = 0.5


@dataclass(frozen=True)
class ProportionalShare:
    """The Nash equilibrium of bids for shares of every ASP's capacities."""

    name: str = "proportional_share"
    label: str = "proportional share"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """The equilibrium of best replies, one MU after another from no bids at all."""
        bids = np.zeros((market.num_mus, market.num_asps))
        reserve, whole = reserves(market), whole_throughputs(market)
        _reply_in_turn(link_rows(market), market.flat, reserve, whole, _MAX_ROUNDS, bids)

        def at_intensity(level: float) -> Outcome:
            paid = level * bids
            share = paid / (reserve + paid.sum(axis=0))
            return outcome_of_payments(market, paid, share * market.compute_capacity, share * market.bandwidth_capacity)

        outcome = at_intensity(1.0)
        regret = bidding_regret(market, bids, outcome.mu_utility)
        return MechanismResult(outcome, reached=has_arrived(regret, outcome.mu_utility), at_intensity=at_intensity)


def reserves(market: Market) -> FloatArray:
    """R, what the whole capacity of each ASP costs, credits per slot; shape (N,)."""
    total: FloatArray = (
        market.compute_cost * market.compute_capacity + market.bandwidth_cost * market.bandwidth_capacity
    )
    return total


def whole_throughputs(market: Market) -> FloatArray:
    """X, tokens/s that an MU would get from the whole of an ASP; shape (M, N)."""
    time = market.flops_per_token / market.compute_capacity + market.bandwidth_per_rate / market.bandwidth_capacity
    rate: FloatArray = 1.0 / time
    return rate


def bidding_regret(market: Market, bids: FloatArray, utility: FloatArray) -> FloatArray:
    """What each MU could gain by other bids, the others' bids standing, credits per slot; shape (M,)."""
    best = np.empty(market.num_mus)
    for m in range(market.num_mus):
        replied = bids.copy()
        _reply(
            link_rows(market), market.flat, reserves(market), whole_throughputs(market), m, 1.0, replied,
            np.zeros((3, market.num_asps)),
        )  # fmt: skip
        share = replied / (reserves(market) + replied.sum(axis=0))
        compute, bandwidth = share * market.compute_capacity, share * market.bandwidth_capacity
        felt = market.outcome(np.zeros_like(bids), compute, bandwidth).mu_utility[m]
        best[m] = felt - replied[m].sum()
    regret: FloatArray = np.maximum(best - utility, 0.0)
    return regret


@compiled
def _reply_in_turn(
    tables: FloatArray,
    market: MarketArrays,
    reserve: FloatArray,
    whole: FloatArray,
    max_rounds: int,
    bids: FloatArray,
) -> None:
    """Update ``bids`` (M, N) by best replies until they no longer move."""
    scratch = np.zeros((3, bids.shape[1]))
    for _ in range(max_rounds):
        moved = 0.0
        for m in range(bids.shape[0]):
            moved = max(moved, _reply(tables, market, reserve, whole, m, _DAMPING, bids, scratch))
        if moved <= _SETTLED * bids.max():
            break


@compiled
def _reply(
    tables: FloatArray,
    market: MarketArrays,
    reserve: FloatArray,
    whole: FloatArray,
    m: int,
    part: float,
    bids: FloatArray,
    scratch: FloatArray,
) -> float:
    """Move MU ``m``'s row of ``bids`` a ``part`` of the way to its best reply; return by how much a bid was off."""
    others, price, x = scratch[0], scratch[1], scratch[2]
    for n in range(bids.shape[1]):
        others[n] = reserve[n] - bids[m, n]
        for k in range(bids.shape[0]):
            others[n] += bids[k, n]
        price[n] = others[n] / whole[m, n]
        x[n] = 0.0
    basket(tables[m], wants_of(market, 0, m), price, whole[m], x)
    moved = 0.0
    for n in range(bids.shape[1]):
        share = x[n] / whole[m, n]
        bid = others[n] * share / (1.0 - share)
        moved = max(moved, abs(bid - bids[m, n]))
        bids[m, n] += part * (bid - bids[m, n])
    return moved
