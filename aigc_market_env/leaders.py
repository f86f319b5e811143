"""The leaders' side of the game: reward gradient, best response and regret of an MU (model, section 7).

An MU's utility is ω log(1 + Q/q) minus payments, and its payment to an ASP depends on its reward to that ASP alone,
because ASPs respond independently of one another. With v = ω/(q + Q), the worth of a further unit of QoE, a best
response therefore splits into one search per ASP,

    max_r (v - r) Q_n(r)        over entry threshold <= r <= v,

tied together by one scalar: v must be what the chosen QoE makes it. The QoE chosen grows with v and the QoE that v
calls for, ω/v - q, falls, so there is one crossing, found by bracketing. Each search is global along its axis (a grid,
then bracketing on the exact one-sided derivative), which finds optima on kinks, where a capacity starts to bind, too.
"""

import math

import numpy as np
import numpy.typing as npt

from aigc_market_env import qoe
from aigc_market_env._checks import link_arrays, market_index
from aigc_market_env._compile import compiled, over_markets
from aigc_market_env.followers import (
    LINK_COLUMNS,
    TOLERANCE,
    Asp,
    asp_of,
    coefficients_of,
    demand,
    fill_links,
    marginal_use,
    shadow_prices,
    solve_prices,
)
from aigc_market_env.market import FloatArray, Market, MarketArrays

#: Rewards tried between an entry threshold and the reward bound, evenly in log.
GRID = 24
#: Columns of a grid table: reward, QoE delivered.
_REWARD, _QOE = 0, 1
#: Relative width at which a bracket on a reward is closed, and one on the marginal worth v. What a best response is
#: worth is off by the square of these, or, on a kink, by the product of the first with the jump in slope there.
_CLOSED, _SETTLED = 1e-8, 1e-7
#: Accuracy of capacity use while searching: a reward's worth is off by no more than its square.
_SEARCH_TOLERANCE = 1e-9


def reward_gradient(market: Market, rewards: npt.ArrayLike) -> FloatArray:
    """Derivative of each MU's utility with respect to its own rewards, the ASPs responding exactly.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        dU_m/dr[m, n], credits per slot per (credit per QoE). (..., M, N)
        Zero for a pair that is priced out. On a kink, where a capacity is used up at a shadow price of zero, it is the
        derivative towards lower rewards.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: model, section 7.
    """
    batch, flat = link_arrays(market, rewards=rewards)
    gradient = np.empty_like(flat["rewards"])
    over_markets(
        _gradients, len(gradient), market.flat, market_index(market, batch), flat["rewards"], gradient, min_slice=4
    )
    return gradient.reshape(*batch, market.num_mus, market.num_asps)


def leader_best_response(market: Market, rewards: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Each MU's best rewards against the others' posted ones, the ASPs responding exactly, and what they would earn it.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        Row m of the first array, (..., M, N), is MU m's best response to the rows of ``rewards`` other than its own; an
        ASP that is not worth its price gets the entry threshold (or the reward bound, if that is lower). The second
        array, (..., M), is the utility of MU m if it alone deviates to that row, credits per slot.

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: model, section 7; the search is described at the top of this module.
    """
    best, utility, _ = _deviations(market, rewards)
    return best, utility


def leader_regret(market: Market, rewards: npt.ArrayLike) -> FloatArray:
    """How much each MU could gain by changing its own rewards, followers re-responding exactly.

    Args:
        market: one market or a batch.
        rewards: r, credits per QoE. (..., M, N)

    Returns:
        max over r'_m in [0, ω_m/q_m]^N of U_m(r'_m, r_-m) - U_m(r), credits per slot, >= 0. (..., M)

    Raises:
        ValueError: ``rewards`` has a wrong shape, or an entry that is negative or not finite.

    Source: model, sections 7 and 8.
    """
    _, utility, current = _deviations(market, rewards)
    regret: FloatArray = np.maximum(utility - current, 0.0)
    return regret


def _deviations(market: Market, rewards: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    batch, flat = link_arrays(market, rewards=rewards)
    size, m, n = flat["rewards"].shape
    best, utility, current = np.empty((size, m, n)), np.empty((size, m)), np.empty((size, m))
    over_markets(
        _best_responses,
        size,
        market.flat,
        market_index(market, batch),
        flat["rewards"],
        best,
        utility,
        current,
        min_slice=1,
    )
    return best.reshape(*batch, m, n), utility.reshape(*batch, m), current.reshape(*batch, m)


# One link ------------------------------------------------------------------------------------------------------------


@compiled
def throughput_slope(
    link: FloatArray,
    m: int,
    asp: Asp,
    prices: FloatArray,
    reward: float,
    x: float,
    hessian: tuple[float, float, float],
) -> float:
    """dx/dr of MU ``m`` at one ASP: its own response, less what the shadow prices that it moves take back.

    ``hessian`` is that of the dual, from :func:`demand` at the same prices. Zero when the MU is not served.
    """
    if x <= 0.0:
        return 0.0
    slope, curvature = qoe.slope_and_curvature(x, coefficients_of(link, m))
    direct = -slope / (reward * curvature)
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
    du, dw = solve_prices(prices[0] > 0.0, prices[1] > 0.0, cu * direct, cw * direct, *hessian)
    return direct + (cu * du + cw * dw) / (reward * curvature)


@compiled
def entry_threshold(link: FloatArray, m: int, asp: Asp, prices: FloatArray) -> float:
    """r̲ = C/Q'(0), the reward above which the ASP serves MU ``m`` at these shadow prices, credits per QoE."""
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    cu, cw = marginal_use(link, m, asp.flops_per_token, u, w)
    return (u * cu + w * cw) / qoe.slope(0.0, coefficients_of(link, m))


@compiled
def _offer(
    link: FloatArray, m: int, asp: Asp, rewards: FloatArray, reward: float, prices: FloatArray, scratch: FloatArray
) -> tuple[float, float]:
    """QoE that one ASP delivers to MU ``m`` for ``reward``, and its derivative in the reward.

    ``prices`` and ``scratch[0]`` carry the warm start from one call to the next; ``rewards`` keeps its value.
    """
    x, trial = scratch[0], scratch[1]
    posted = rewards[m]
    rewards[m] = reward
    shadow_prices(link, asp, rewards, _SEARCH_TOLERANCE, prices, x, trial)
    u, w = asp.compute_cost + prices[0], asp.bandwidth_cost + prices[1]
    _, _, _, huu, huw, hww = demand(link, asp.flops_per_token, u, w, rewards, x)
    rewards[m] = posted
    c = coefficients_of(link, m)
    response = throughput_slope(link, m, asp, prices, reward, x[m], (huu, huw, hww))
    return qoe.value(x[m], c), qoe.slope(x[m], c) * response


@compiled
def _tabulate(
    link: FloatArray,
    m: int,
    asp: Asp,
    rewards: FloatArray,
    bound: float,
    prices: FloatArray,
    scratch: FloatArray,
    table: FloatArray,
) -> None:
    """Fill ``table`` (GRID + 1, 2) with rewards from the entry threshold to ``bound`` and the QoE each one buys."""
    _offer(link, m, asp, rewards, 0.0, prices, scratch)
    threshold = entry_threshold(link, m, asp, prices)
    ratio = bound / threshold
    for j in range(GRID + 1):
        if ratio <= 1.0:  # priced out at any reward worth posting
            table[j, _REWARD], table[j, _QOE] = bound, 0.0
            continue
        reward = threshold * ratio ** (j / GRID)
        table[j, _REWARD] = reward
        table[j, _QOE] = _offer(link, m, asp, rewards, reward, prices, scratch)[0] if j > 0 else 0.0


@compiled
def _best_reward(
    worth: float,
    link: FloatArray,
    m: int,
    asp: Asp,
    rewards: FloatArray,
    prices: FloatArray,
    scratch: FloatArray,
    table: FloatArray,
    span: FloatArray,
) -> tuple[float, float]:
    """The reward that maximises (worth - r) Q(r) at one ASP, and the QoE it buys.

    It grows with ``worth``, so the answers for a lower and for a higher worth, ``span`` (2,), bracket it.
    """
    top = 0
    for j in range(1, GRID + 1):
        surplus = (worth - table[j, _REWARD]) * table[j, _QOE]
        if surplus > (worth - table[top, _REWARD]) * table[top, _QOE]:
            top = j
    low = table[max(top - 1, 0), _REWARD]
    high = min(table[min(top + 1, GRID), _REWARD], worth)
    if high <= low:
        return table[0, _REWARD], 0.0
    if max(low, span[0]) < min(high, span[1]):
        low, high = max(low, span[0]), min(high, span[1])
    # The derivative (worth - r) Q' - Q is positive at `low` and negative at `high`: false position, halving the
    # retained end's weight (Illinois), and bisection whenever that is slow, as it is on a kink.
    at_low, at_high = 0.0, 0.0
    bought = 0.0
    for step in range(200):
        reward = 0.5 * (low + high)
        if at_low > 0.0 and at_high < 0.0 and step % 3:
            reward = low + (high - low) * (at_low / (at_low - at_high))
        bought, response = _offer(link, m, asp, rewards, reward, prices, scratch)
        derivative = (worth - reward) * response - bought
        if derivative > 0.0:
            low, at_low, at_high = reward, derivative, 0.5 * at_high
        else:
            high, at_high, at_low = reward, derivative, 0.5 * at_low
        if high - low <= _CLOSED * high or derivative == 0.0:
            break
    return reward, bought


# One leader ----------------------------------------------------------------------------------------------------------


@compiled
def _respond_to_worth(
    worth: float,
    links: FloatArray,
    m: int,
    market: MarketArrays,
    k: int,
    rewards: FloatArray,
    prices: FloatArray,
    scratch: FloatArray,
    tables: FloatArray,
    spans: FloatArray,
    row: FloatArray,
) -> tuple[float, float]:
    """Fill ``row`` (N,) with the best rewards when QoE is worth ``worth``; return total QoE and payment."""
    bought = paid = 0.0
    for n in range(row.shape[0]):
        row[n], gain = _best_reward(
            worth, links[n], m, asp_of(market, k, n), rewards[n], prices[n], scratch[n], tables[n], spans[n]
        )
        bought += gain
        paid += row[n] * gain
    return bought, paid


@compiled
def best_row(
    links: FloatArray,
    m: int,
    market: MarketArrays,
    k: int,
    rewards: FloatArray,
    prices: FloatArray,
    scratch: FloatArray,
    tables: FloatArray,
    row: FloatArray,
    trial_row: FloatArray,
) -> float:
    """Fill ``row`` (N,) with leader ``m``'s best response and return its utility.

    Brackets the crossing of the QoE bought, increasing in its worth v, with the QoE ω/v - q that makes v its worth.
    Every row met on the way is a feasible deviation, so the best of them is kept: that also settles a jump there.
    """
    omega, q = market.satisfaction_scale[k, m], market.qoe_requirement[k, m]
    num_asps = row.shape[0]
    for n in range(num_asps):
        _tabulate(links[n], m, asp_of(market, k, n), rewards[n], omega / q, prices[n], scratch[n], tables[n])
        row[n] = tables[n, 0, _REWARD]
    spans = np.empty((num_asps, 2))
    spans[:, 0], spans[:, 1] = 0.0, np.inf
    low, high = omega / (q + num_asps), omega / q
    at_low, at_high = 0.0, 0.0
    best = 0.0
    for step in range(100):
        worth = math.sqrt(low * high)
        if at_low < 0.0 and at_high > 0.0 and step % 3:
            worth = low + (high - low) * (at_low / (at_low - at_high))
        bought, paid = _respond_to_worth(worth, links, m, market, k, rewards, prices, scratch, tables, spans, trial_row)
        utility = omega * math.log1p(bought / q) - paid
        if utility > best:
            best = utility
            row[:] = trial_row
        excess = bought - (omega / worth - q)
        if excess < 0.0:
            low, at_low, at_high = worth, excess, 0.5 * at_high
            spans[:, 0] = trial_row
        else:
            high, at_high, at_low = worth, excess, 0.5 * at_low
            spans[:, 1] = trial_row
        if high - low <= _SETTLED * high or abs(excess) <= _SETTLED * (q + bought):
            break
    return best


# A batch of markets --------------------------------------------------------------------------------------------------


@compiled
def settle(
    market: MarketArrays,
    k: int,
    rewards: FloatArray,
    links: FloatArray,
    prices: FloatArray,
    x: FloatArray,
    trial: FloatArray,
) -> None:
    """Fill the link tables (N, M, ...) and solve every ASP at ``rewards`` (N, M) from the prices and x given."""
    for n in range(links.shape[0]):
        fill_links(market, k, n, links[n])
        shadow_prices(links[n], asp_of(market, k, n), rewards[n], TOLERANCE, prices[n], x[n], trial)


@compiled
def total_qoe(links: FloatArray, m: int, x: FloatArray) -> float:
    """Q_m = Σ_n Q[m, n]."""
    total = 0.0
    for n in range(x.shape[0]):
        total += qoe.value(x[n, m], coefficients_of(links[n], m))
    return total


@compiled
def _gradients(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    gradient: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    links = np.empty((num_asps, num_mus, LINK_COLUMNS))
    r, x = np.empty((num_asps, num_mus)), np.empty((num_asps, num_mus))
    prices, trial, worth = np.empty((num_asps, 2)), np.empty(num_mus), np.empty(num_mus)
    for i in range(start, stop):
        k = index[i]
        r[:], prices[:], x[:] = rewards[i].T, 0.0, 0.0
        settle(market, k, r, links, prices, x, trial)
        for m in range(num_mus):
            worth[m] = market.satisfaction_scale[k, m] / (market.qoe_requirement[k, m] + total_qoe(links, m, x))
        for n in range(num_asps):
            asp = asp_of(market, k, n)
            u, w = asp.compute_cost + prices[n, 0], asp.bandwidth_cost + prices[n, 1]
            _, _, _, huu, huw, hww = demand(links[n], asp.flops_per_token, u, w, r[n], x[n])
            for m in range(num_mus):
                c = coefficients_of(links[n], m)
                response = throughput_slope(links[n], m, asp, prices[n], r[n, m], x[n, m], (huu, huw, hww))
                marginal = qoe.slope(x[n, m], c) * response
                gradient[i, m, n] = (worth[m] - r[n, m]) * marginal - qoe.value(x[n, m], c)


@compiled
def _best_responses(
    start: int,
    stop: int,
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    rewards: FloatArray,
    best: FloatArray,
    utility: FloatArray,
    current: FloatArray,
) -> None:
    num_mus, num_asps = rewards.shape[1], rewards.shape[2]
    links = np.empty((num_asps, num_mus, LINK_COLUMNS))
    r, x = np.empty((num_asps, num_mus)), np.empty((num_asps, num_mus))
    prices, warm_prices, trial = np.empty((num_asps, 2)), np.empty((num_asps, 2)), np.empty(num_mus)
    scratch, tables = np.empty((num_asps, 2, num_mus)), np.empty((num_asps, GRID + 1, 2))
    trial_row = np.empty(num_asps)
    for i in range(start, stop):
        k = index[i]
        r[:], prices[:], x[:] = rewards[i].T, 0.0, 0.0
        settle(market, k, r, links, prices, x, trial)
        for m in range(num_mus):
            paid = 0.0
            for n in range(num_asps):
                paid += r[n, m] * qoe.value(x[n, m], coefficients_of(links[n], m))
            satisfied = math.log1p(total_qoe(links, m, x) / market.qoe_requirement[k, m])
            current[i, m] = market.satisfaction_scale[k, m] * satisfied - paid
            warm_prices[:] = prices
            scratch[:, 0] = x
            utility[i, m] = best_row(links, m, market, k, r, warm_prices, scratch, tables, best[i, m], trial_row)
