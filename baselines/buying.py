"""What an MU buys where throughput, not QoE, has a price: its exact best choice at all ASPs at once.

At ASP n a throughput x costs MU m  p x/(1 - x/X): a price p per token/s at first, dearer and dearer towards a limit X.
With X = ∞ the price is posted; with X the throughput of a whole ASP and p = R/X it is the bid that wins the share
s = x/X of it against other bids of R in total, R s/(1 - s) (:mod:`baselines.proportional_share`). The MU maximises

    S(Σ_n Q_n(x_n)) - Σ_n p_n x_n/(1 - x_n/X_n),        S its satisfaction,

which is concave. At the optimum V Q'_n(x_n) = p_n/(1 - x_n/X_n)² wherever x_n > 0, with V = S'(Σ Q): one scalar V,
bracketed, and for each V every x_n by itself.
"""

import math

import numpy as np

from aigc_market_env import Market
from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import coefficients_of, link_tables
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: Accuracy of log V.
_CLOSED = 1e-13


def purchases(market: Market, price: FloatArray, limit: FloatArray) -> FloatArray:
    """What every MU buys at given prices.

    Args:
        market: a single market.
        price: p, credits per slot per token/s, positive. (..., M, N)
        limit: X, tokens/s, or inf; broadcast against ``price``.

    Returns:
        Throughputs, tokens/s. (..., M, N)
    """
    links = (market.num_mus, market.num_asps)
    prices = np.array(price, order="C").reshape(-1, *links)
    limits = np.array(np.broadcast_to(limit, price.shape), order="C").reshape(-1, *links)
    bought = np.zeros_like(prices)
    tables = link_rows(market)
    over_markets(_buy, len(prices), tables, market.flat, prices, limits, bought)
    return bought.reshape(price.shape)


def link_rows(market: Market) -> FloatArray:
    """The link tables of every MU, its ASPs as columns; shape (M, LINK_ROWS, N)."""
    return np.ascontiguousarray(link_tables(market).swapaxes(-1, -2))


@compiled
def _buy(
    start: int,
    stop: int,
    tables: FloatArray,
    market: MarketArrays,
    price: FloatArray,
    limit: FloatArray,
    bought: FloatArray,
) -> None:
    for i in range(start, stop):
        for m in range(tables.shape[0]):
            basket(tables[m], wants_of(market, 0, m), price[i, m], limit[i, m], bought[i, m])


@compiled
def basket(table: FloatArray, wants: satisfaction.Wants, price: FloatArray, limit: FloatArray, x: FloatArray) -> None:
    """Fill ``x`` (N,), a start on entry, with what one MU buys; ``table`` (LINK_ROWS, N)."""
    low = math.log(satisfaction.marginal(x.shape[0], wants))
    high = math.log(satisfaction.marginal(0.0, wants))
    at_low, at_high = 0.0, 0.0
    log_worth = high
    for step in range(100):
        if step > 0:
            log_worth = 0.5 * (low + high)
        if at_low < 0.0 and at_high > 0.0 and step % 3:
            log_worth = low + (high - low) * (at_low / (at_low - at_high))
        total = _wanted(table, math.exp(log_worth), price, limit, x)
        # By how much the MU wants more than what would make QoE worth so much to it; its slope in log V is at least 1.
        excess = log_worth - math.log(satisfaction.marginal(total, wants))
        if excess < 0.0:
            low, at_low, at_high = log_worth, excess, 0.5 * at_high
        else:
            high, at_high, at_low = log_worth, excess, 0.5 * at_low
        if abs(excess) <= _CLOSED or high - low <= _CLOSED:
            break


@compiled
def _wanted(table: FloatArray, worth: float, price: FloatArray, limit: FloatArray, x: FloatArray) -> float:
    """Fill ``x`` (N,) with what an MU wants to whom QoE is worth ``worth``; return the QoE of it all."""
    total = 0.0
    for n in range(x.shape[0]):
        c = coefficients_of(table, n)
        if worth * qoe.slope(0.0, c) <= price[n]:
            x[n] = 0.0
            continue
        x[n] = _up_to(math.sqrt(worth / price[n]), c, limit[n], x[n])
        total += qoe.value(x[n], c)
    return total


@compiled
def _up_to(root: float, c: qoe.Coefficients, limit: float, start: float) -> float:
    """The x with Q'^(-1/2)(x) = root·(1 - x/X).

    The left side is concave and increasing (:func:`aigc_market_env.model.qoe.inverse_slope`), the right side a falling
    line, so Newton's method needs no bracket: from the left it never overshoots, from the right it lands on the left.
    """
    x = start
    for _ in range(64):
        s, d = qoe.slope_and_curvature(x, c)
        if not d < 0.0:  # beyond what floating point can tell from zero
            break
        at = 1.0 / math.sqrt(s)
        step = -(at - root * (1.0 - x / limit)) / (-0.5 * d * at / s + root / limit)
        x = max(x + step, 0.0)
        if abs(step) <= 1e-12 * x:
            break
    return min(x, limit)
