"""The search for one MU's best response, others' rewards fixed (docs/market.md#what-a-user-does).

An MU's utility is ω log(1 + Q/q) minus payments, and its payment to an ASP depends on its reward to that ASP alone,
because ASPs respond independently of one another. With v = ω/(q + Q), the worth of a further unit of QoE, a best
response therefore splits into one search per ASP,

    max_r (v - r) Q_n(r)        over entry threshold <= r <= v,

tied together by one scalar: v must be what the chosen QoE makes it. The QoE chosen grows with v and the QoE that v
calls for, ω/v - q, falls, so there is one crossing, found by bracketing. Each search is global along its axis (a grid,
then bracketing on the exact one-sided derivative), which finds optima on kinks, where a capacity starts to bind, too.
Where the QoE chosen jumps over the crossing, ASP by ASP ascent in the utility itself finishes from both sides.
"""

import math

import numpy as np

from aigc_market_env._compile import compiled
from aigc_market_env.market import FloatArray, MarketArrays
from aigc_market_env.reactions import entry_threshold, offer
from aigc_market_env.shadow_prices import Asp, asp_of

#: Rewards tried between an entry threshold and the reward bound, evenly in log.
_GRID = 24
#: Rows of a grid table; those beyond the even grid go where kinks are.
_ROWS = _GRID + 33
#: Columns of a grid table: reward, QoE delivered, its derivative, and a code of who is served and which prices bind.
_REWARD, _QOE, _RESPONSE, _REGIME = 0, 1, 2, 3
#: Shape of one link's grid table.
TABLE_SHAPE = (_ROWS, 4)
#: A kink is located to this relative width, before all else: _FIRST exceeds the log of any ratio of rewards.
_KINK_WIDTH, _FIRST = 1e-3, 1e4
#: Relative width at which a bracket on a reward is closed, and one on the marginal worth v. What a best response is
#: worth is off by the square of these or, on a kink, by the product of the first with the jump in slope there.
_CLOSED, _SETTLED = 1e-9, 1e-8
#: Mismatch of QoE, relative to q + Q, above which the search for v has met a jump.
_JUMP = 1e-6


# One link ------------------------------------------------------------------------------------------------------------


@compiled
def _write_row(
    link: FloatArray,
    m: int,
    asp: Asp,
    rewards: FloatArray,
    reward: float,
    prices: FloatArray,
    scratch: FloatArray,
    entry: FloatArray,
) -> None:
    """Fill one row of a grid table."""
    entry[_REWARD] = reward
    entry[_QOE], entry[_RESPONSE] = offer(link, m, asp, rewards, reward, prices, scratch)
    entry[_REGIME] = 4.0 * np.count_nonzero(scratch[0]) + 2.0 * (prices[0] > 0.0) + 1.0 * (prices[1] > 0.0)


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
    """Fill ``table`` (_ROWS, 4) with rewards from the entry threshold to ``bound`` and what each one buys.

    Evenly in log at first; then the widest cells across which the regime changes are halved, so that the kinks, where
    the QoE bought may have a peak of its own, are told apart.
    """
    offer(link, m, asp, rewards, 0.0, prices, scratch)
    threshold = entry_threshold(link, m, asp, prices)
    if threshold >= bound:  # priced out at any reward worth posting
        table[:, _REWARD], table[:, 1:] = bound, 0.0
        return
    for j in range(_GRID + 1):
        reward = threshold * (bound / threshold) ** (j / _GRID)
        _write_row(link, m, asp, rewards, reward, prices, scratch, table[j])
    table[0, _QOE] = 0.0
    for last in range(_GRID, _ROWS - 1):
        widest, cell = 0.0, 0
        for j in range(last):
            width = math.log(table[j + 1, _REWARD] / table[j, _REWARD])
            if table[j + 1, _REGIME] != table[j, _REGIME] and width > _KINK_WIDTH:
                width += _FIRST
            if width > widest:
                widest, cell = width, j
        for j in range(last, cell, -1):
            table[j + 1] = table[j]
        reward = math.sqrt(table[cell, _REWARD] * table[cell + 1, _REWARD])
        _write_row(link, m, asp, rewards, reward, prices, scratch, table[cell + 1])


@compiled
def _gain(worth: float, rest: float, bought: float) -> float:
    """Worth of QoE bought at one ASP: ω log(1 + bought/rest) with ``rest`` = q + QoE of the others, ω = worth·rest.

    An infinite ``rest`` makes it linear, worth·bought.
    """
    return worth * bought if rest == math.inf else worth * rest * math.log1p(bought / rest)


@compiled
def _derivative(worth: float, rest: float, reward: float, bought: float, response: float) -> float:
    """Derivative of gain(Q(r)) - r Q(r) in r, where Q(r) = bought and Q'(r) = response."""
    return (worth / (1.0 + bought / rest) - reward) * response - bought


@compiled
def _best_reward(
    worth: float,
    rest: float,
    link: FloatArray,
    m: int,
    asp: Asp,
    rewards: FloatArray,
    prices: FloatArray,
    scratch: FloatArray,
    table: FloatArray,
) -> tuple[float, float]:
    """The reward r that maximises gain(Q(r)) - r Q(r) at one ASP, and the QoE it buys; ``rest`` as in :func:`_gain`.

    Three saturating terms, or MUs that are crowded out, can give it several peaks: in every cell of the grid where its
    derivative turns from positive to negative there is one.
    """
    best_reward, best_bought, best_surplus = table[0, _REWARD], 0.0, 0.0
    for j in range(_ROWS - 1):
        low, high = table[j, _REWARD], min(table[j + 1, _REWARD], worth)
        if high <= low:
            break
        rises = j == 0 or _derivative(worth, rest, low, table[j, _QOE], table[j, _RESPONSE]) > 0.0
        falls = high == worth or _derivative(worth, rest, high, table[j + 1, _QOE], table[j + 1, _RESPONSE]) <= 0.0
        most = _gain(worth, rest, table[j + 1, _QOE]) - low * table[j, _QOE]
        if not rises or not falls or most <= best_surplus:
            continue
        reward, bought = _climb(worth, rest, low, high, link, m, asp, rewards, prices, scratch)
        surplus = _gain(worth, rest, bought) - reward * bought
        if surplus > best_surplus:
            best_reward, best_bought, best_surplus = reward, bought, surplus
    return best_reward, best_bought


@compiled
def _climb(
    worth: float,
    rest: float,
    low: float,
    high: float,
    link: FloatArray,
    m: int,
    asp: Asp,
    rewards: FloatArray,
    prices: FloatArray,
    scratch: FloatArray,
) -> tuple[float, float]:
    """The peak of gain(Q(r)) - r Q(r) between two rewards around it, and the QoE it buys."""
    # The derivative (marginal gain - r) Q' - Q is positive at `low` and negative at `high`: false position, halving the
    # retained end's weight (Illinois), and bisection whenever that is slow, as it is on a kink.
    at_low, at_high = 0.0, 0.0
    reward = bought = 0.0
    for step in range(200):
        reward = 0.5 * (low + high)
        if at_low > 0.0 and at_high < 0.0 and step % 3:
            reward = low + (high - low) * (at_low / (at_low - at_high))
        bought, response = offer(link, m, asp, rewards, reward, prices, scratch)
        derivative = _derivative(worth, rest, reward, bought, response)
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
    row: FloatArray,
) -> tuple[float, float]:
    """Fill ``row`` (N,) with the best rewards when QoE is worth ``worth``; return total QoE and payment."""
    bought = paid = 0.0
    for n in range(row.shape[0]):
        row[n], gain = _best_reward(
            worth, math.inf, links[n], m, asp_of(market, k, n), rewards[n], prices[n], scratch[n], tables[n]
        )
        bought += gain
        paid += row[n] * gain
    return bought, paid


@compiled
def _ascend(
    links: FloatArray,
    m: int,
    market: MarketArrays,
    k: int,
    rewards: FloatArray,
    prices: FloatArray,
    scratch: FloatArray,
    tables: FloatArray,
    row: FloatArray,
) -> float:
    """Improve ``row`` (N,) of leader ``m``, one ASP at a time, until its utility stops growing; return the utility."""
    omega, q = market.satisfaction_scale[k, m], market.qoe_requirement[k, m]
    bought = np.empty(row.shape[0])
    for n in range(row.shape[0]):
        bought[n] = offer(links[n], m, asp_of(market, k, n), rewards[n], row[n], prices[n], scratch[n])[0]
    utility = omega * math.log1p(bought.sum() / q) - (row * bought).sum()
    for _ in range(200):
        before = utility
        for n in range(row.shape[0]):
            rest = q + bought.sum() - bought[n]
            row[n], bought[n] = _best_reward(
                omega / rest, rest, links[n], m, asp_of(market, k, n), rewards[n], prices[n], scratch[n], tables[n]
            )
        utility = omega * math.log1p(bought.sum() / q) - (row * bought).sum()
        if utility - before <= 1e-13 * utility:
            break
    return utility


@compiled
def _narrowed(
    low: float, at_low: float, high: float, at_high: float, worth: float, excess: float, beyond: float
) -> tuple[float, float, float, float]:
    """The bracket (low, excess there, high, excess there) after a step to ``worth``; 0 stands for an unknown excess."""
    if excess < 0.0:
        return (worth, excess, beyond, 0.0) if beyond < high else (worth, excess, high, 0.5 * at_high)
    return (beyond, 0.0, worth, excess) if beyond > low else (low, 0.5 * at_low, worth, excess)


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
    worth: float,
    row: FloatArray,
    trial_row: FloatArray,
) -> float:
    """Fill ``row`` (N,) with leader ``m``'s best response and return its utility; ``worth`` is a guess of v.

    Brackets the crossing of the QoE bought, increasing in its worth v, with the QoE ω/v - q that makes v its worth. The
    worth that the QoE bought at v would have, ω/(q + bought), lies beyond the crossing, seen from v, so that every step
    gives both ends of a bracket; a good guess closes it at once. Every row met on the way is a feasible deviation, so
    the best of them is kept. When one ASP has several peaks, the QoE bought may jump across the crossing; then the best
    row lies on neither side, and both sides climb to it.
    """
    omega, q = market.satisfaction_scale[k, m], market.qoe_requirement[k, m]
    num_asps = row.shape[0]
    for n in range(num_asps):
        _tabulate(links[n], m, asp_of(market, k, n), rewards[n], omega / q, prices[n], scratch[n], tables[n])
        row[n] = tables[n, 0, _REWARD]
    low, high = omega / (q + num_asps), omega / q
    at_low, at_high = 0.0, 0.0
    best = 0.0
    for step in range(100):
        if step > 0:
            worth = math.sqrt(low * high)
        if at_low < 0.0 and at_high > 0.0 and step % 3:
            worth = low + (high - low) * (at_low / (at_low - at_high))
        bought, paid = _respond_to_worth(worth, links, m, market, k, rewards, prices, scratch, tables, trial_row)
        utility = omega * math.log1p(bought / q) - paid
        if utility > best:
            best = utility
            row[:] = trial_row
        excess = bought - (omega / worth - q)
        low, at_low, high, at_high = _narrowed(low, at_low, high, at_high, worth, excess, omega / (q + bought))
        if high - low <= _SETTLED * high:
            break
    if abs(excess) > _JUMP * (q + bought):
        for worth in (low, high):
            _respond_to_worth(worth, links, m, market, k, rewards, prices, scratch, tables, trial_row)
            utility = _ascend(links, m, market, k, rewards, prices, scratch, tables, trial_row)
            if utility > best:
                best = utility
                row[:] = trial_row
    return best
