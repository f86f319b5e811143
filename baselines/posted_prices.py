"""Posted prices: the ASPs lead with a price per token, the MUs choose how much to buy.

    ASP n posts p[n], credits per slot per token/s, the same for all MUs
    MU m  buys x[m, ·] that maximises its satisfaction with Q_m(x) less Σ_n p[n] x[m, n]
    ASP n earns Σ_m p[n] x[m, n] - the least cost of serving it

The order of play is turned round, the currency is the token as in the price lists of such services, and nothing is
personalised: price competition with differentiated goods, at its Nash equilibrium in p. An ASP whose orders exceed its
capacities serves the same share of each and is paid for what it serves; it would rather raise its price, so this is
seen off the equilibrium alone. With capacities, an equilibrium in pure strategies need not exist (Edgeworth 1897); then
the prices are those of least regret that best responses met. Leadership of the sellers is a family that the field
compares with; this form of it is the project's choice.

With intensity x, an ASP's price is its cost of a token/s at equilibrium, and on top 1/x of its margin there. So prices
fall towards that cost; where more orders strain its capacities, a token/s costs more, and it may lose a part of it.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, Outcome
from aigc_market_env.model.links import ENTRY, link_tables
from aigc_market_env.model.parameters import FloatArray
from baselines.buying import purchases
from baselines.mechanism import MechanismResult, has_arrived, outcome_of_payments
from baselines.provisioning import Provision, natural_costs, provision
from baselines.scalar_game import Payoffs, equilibrium


@dataclass(frozen=True)
class PostedPrices:
    """The equilibrium of ASPs that post prices per token."""

    name: str = "posted_prices"
    label: str = "posted prices"

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """The equilibrium in prices, or the point of least regret that best responses met."""
        # Nobody buys at the highest price, where even the first token is worth less to every MU.
        high = (market.reward_bound[:, None] * link_tables(market)[..., ENTRY]).max(axis=0)
        low = np.minimum(natural_costs(market).min(axis=0), high)
        found = equilibrium(profits(market), np.sqrt(low * high), low, high)
        reached = has_arrived(found.regret, found.payoffs)
        margin = margins(market, found.strategies)

        def at_intensity(level: float) -> Outcome:
            prices = found.strategies + (1.0 / level - 1.0) * margin
            orders, served = sales(market, prices)
            payments = prices * orders * served.served[..., None, :]
            return outcome_of_payments(market, payments, served.compute, served.bandwidth)

        return MechanismResult(at_intensity(1.0), reached=reached, at_intensity=at_intensity)


def profits(market: Market) -> Payoffs:
    """The ASPs' profits as functions of their prices, (K, N) to (K, N)."""

    def payoffs(prices: FloatArray) -> FloatArray:
        orders, served = sales(market, prices)
        cost = market.compute_cost * served.compute.sum(axis=-2) + market.bandwidth_cost * served.bandwidth.sum(axis=-2)
        profit: FloatArray = prices * orders.sum(axis=-2) * served.served - cost
        return profit

    return payoffs


def margins(market: Market, prices: FloatArray) -> FloatArray:
    """What the ASPs earn by a token/s at their prices, at least nothing; one that sells nothing, by the cheapest; (N,).

    Prices less these are the floor at which an ASP that sells as much as here gets back what it spends.
    """
    orders, served = sales(market, prices)
    sold = (orders * served.served[..., None, :]).sum(axis=-2)
    cost = market.compute_cost * served.compute.sum(axis=-2) + market.bandwidth_cost * served.bandwidth.sum(axis=-2)
    each = np.divide(cost, sold, out=natural_costs(market).min(axis=0), where=sold > 0.0)
    return np.maximum(prices - each, 0.0)


def sales(market: Market, prices: FloatArray) -> tuple[FloatArray, Provision]:
    """What MUs order at prices (..., N), tokens/s (..., M, N), and how it is served."""
    each = np.repeat(prices[..., None, :], market.num_mus, axis=-2)
    orders = purchases(market, each, np.asarray(np.inf))
    return orders, provision(market, orders)
