"""Regret over a whole episode, from above and from below (docs/wallets.md#certificate).

At prices A_t >= 0 of money in slot t, with A_T = 0, no plan of an MU that keeps to its wallet earns more than

    Σ_t max_r [S_t - (1 + A_t) p_t] + A_0 m_0 + Σ_t max_z [A_(t+1) min(cap, z + income) - A_t z],

others' posted rewards fixed: weak duality. The first sum has a slot's best response in every term, of an MU whose
satisfaction is worth the share s_t = 1/(1 + A_t), and z, what is left after the slot, is within what there can be.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env.equilibrium.certificate import TOLERANCE
from aigc_market_env.game.followers import follower_response
from aigc_market_env.game.leaders import deviations
from aigc_market_env.market import Market
from aigc_market_env.model import satisfaction
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.balances import balances
from aigc_market_env.wallets.paths import Purses, paths_of, stacked
from aigc_market_env.wallets.play import play_episode, play_path
from aigc_market_env.wallets.spending import SpendingLines, entry_levels, first_levels
from aigc_market_env.wallets.wallet import Wallet

#: Rounds of prices at most, and how near the bound and the best deviation are then near enough, over mean utility.
_ROUNDS, _NEAR = 40, 0.01 * TOLERANCE
#: It ends after so many rounds in which the gap between them did not fall below this share of what it was.
_NEARER, _PATIENCE = 0.9, 6
#: Share of the way to new levels, on a log scale, that is gone in a round.
_DAMPING = 0.8


@dataclass(frozen=True, eq=False)
class EpisodeRegret:
    """What each MU alone could gain over an episode by other rewards, others' posted rewards fixed.

    Attributes:
        regret: by the best deviation found, that keeps to the wallet; credits over the episode, >= 0. (..., M)
        regret_bound: by none more than this, proven; credits over the episode. (..., M)
        prices: of money in every slot, at which the bound is what it is. (..., T, M)
        slot_regret_bound: what each slot adds to the bound, at these prices; the rest is money that is wasted, or left,
            at a price. (..., T, M)
        deviation: the best deviation found: row m of a slot is what MU m alone would post, credits per QoE; what is
            posted, where none is better. (..., T, M, N)
    """

    regret: FloatArray
    regret_bound: FloatArray
    prices: FloatArray
    slot_regret_bound: FloatArray
    deviation: FloatArray


def episode_regret(path: Market, rewards: npt.ArrayLike, wallet: Wallet) -> EpisodeRegret:
    """How much each MU could gain over an episode by other rewards, the ASPs re-responding exactly.

    The bound is minimised over prices of money by moving levels to where the money would last, at what best responses
    cost, for at most 40 rounds. That is a search; the bound holds wherever it ends. So it is with the deviations found
    on the way, each played under the rule of money.

    Args:
        path: markets of T slots, batch axes (..., T).
        rewards: r of any play, credits per QoE. (..., T, M, N)
        wallet: amounts in credits, that broadcast to (..., M).

    Returns:
        The :class:`EpisodeRegret` of what is played under the rule of money.

    Raises:
        ValueError: as of :func:`play_episode`.

    Source: docs/wallets.md#certificate.
    """
    batch, paths, purses = paths_of(path, wallet)
    played = play_episode(path, rewards, wallet)
    posted = played.rewards.reshape(-1, *played.rewards.shape[-3:])
    return stacked(batch, [regret_along(*one) for one in zip(paths, posted, purses, strict=True)])


def regret_along(
    path: Market, rewards: FloatArray, purses: Purses, levels: FloatArray | None = None, enough: float = 0.0
) -> EpisodeRegret:
    """Of one path (T,) and rewards (T, M, N).

    The search for prices begins at levels (T, M), by default 1. It ends where no bound is above ``enough``, all are
    within that or a hundredth of the tolerance of the deviations found, or some rounds brought them no nearer.
    """
    played = play_path(path, rewards, purses)
    posted, utility, payment = played.rewards, played.outcome.mu_utility, played.outcome.service_cost
    levels = first_levels(purses) * np.ones_like(utility) if levels is None else levels
    entry, lines = _entries_alone(path, posted), SpendingLines(path)
    earned = utility.sum(axis=0)
    bound, best = np.full(path.num_mus, np.inf), earned.copy()
    prices, slots, deviation = np.zeros_like(utility), np.zeros_like(utility), posted.copy()
    gap_before, waited = np.inf, 0
    for _ in range(_ROUNDS):
        found = deviations(path.replace(satisfaction_scale=path.satisfaction_scale * levels), posted)
        price = 1.0 / levels - 1.0
        missed = found.utility_bound / levels - (utility - price * payment)
        ceiling = missed.sum(axis=0) + _money_ceiling(price, payment, purses)
        lower = ceiling < bound
        bound = np.where(lower, ceiling, bound)
        prices, slots = np.where(lower, price, prices), np.where(lower, missed, slots)
        spent, alone = _alone(path, posted, found.rewards, purses)
        higher = alone > best
        best = np.where(higher, alone, best)
        deviation = np.where(higher[:, None], found.rewards, deviation)
        gap = float((bound - (best - earned)).max())
        gap_before, waited = (gap, 0) if gap < _NEARER * gap_before else (gap_before, waited + 1)
        if gap <= max(_NEAR * float(best.mean()), enough) or bound.max() <= enough or waited == _PATIENCE:
            break
        lines.pass_through(levels, spent, entry)
        levels = levels * (lines.levels(purses) / levels) ** _DAMPING
    regret = best - earned
    return EpisodeRegret(regret, np.maximum(bound, regret), prices, slots, deviation)


def _money_ceiling(price: FloatArray, payment: FloatArray, purses: Purses) -> FloatArray:
    """The most that money can be worth at these prices (T, M), less what was paid at them (M,), credits.

    What is left after a slot, z, is between nothing and all that there can be; the value is concave and piecewise
    linear in z, with its one kink where the income just fills the wallet.
    """
    total = price[0] * purses.money - (price * payment).sum(axis=0)
    most = purses.money
    for now, later in itertools.pairwise(price):
        kink = np.clip(purses.cap - purses.income, 0.0, most)
        values = [
            later * np.minimum(purses.cap, z + purses.income) - now * z for z in (np.zeros_like(most), kink, most)
        ]
        total = total + np.max(values, axis=0)
        most = np.minimum(purses.cap, most + purses.income)
    return total


def _entries_alone(path: Market, posted: FloatArray) -> FloatArray:
    """Levels (T, M) at and below which nobody serves an MU: others' rewards (T, M, N) fixed, its own row absent."""
    response = follower_response(_for_each_mu(path), _others(posted))
    entry = entry_levels(
        _for_each_mu(path), response.compute_price[..., None, :], response.bandwidth_price[..., None, :]
    )
    own: FloatArray = np.diagonal(entry, axis1=0, axis2=2)
    return own


def _for_each_mu(path: Market) -> Market:
    """The path (T,) once for each MU, (M, T)."""
    return path[np.broadcast_to(np.arange(path.batch_shape[0]), (path.num_mus, path.batch_shape[0]))]


def _others(posted: FloatArray) -> FloatArray:
    """Rewards (T, M, N) without row m, for every m: (M, T, M, N)."""
    rows = np.repeat(posted[None], posted.shape[1], axis=0)
    for m in range(posted.shape[1]):
        rows[m, :, m] = 0.0
    return rows


def _alone(path: Market, posted: FloatArray, rows: FloatArray, purses: Purses) -> tuple[FloatArray, FloatArray]:
    """What each MU would pay for whole slots by deviating alone to its rows (T, M, N), and earn under the rule.

    Returns:
        Payments, credits, (T, M), and utilities over the episode, credits, (M,).
    """
    rewards = _others(posted)
    each = np.arange(path.num_mus)
    rewards[each, :, each] = rows.swapaxes(0, 1)
    repeated = _for_each_mu(path)
    response = follower_response(repeated, rewards)
    qoe = repeated.outcome(rewards, response.compute, response.bandwidth).qoe[each, :, each].swapaxes(0, 1)
    payments = (rows * qoe).sum(axis=-1)
    shares, _ = balances(payments, purses)
    wants = path.satisfaction_scale, path.qoe_requirement, path.satiation
    utility = satisfaction.values(shares * qoe.sum(axis=-1), *wants) - shares * payments
    return payments, utility.sum(axis=0)
