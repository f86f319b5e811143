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
from aigc_market_env.equilibrium.mixed import judge_mixtures
from aigc_market_env.game.followers import follower_response
from aigc_market_env.game.leaders import deviations
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.paths import Purses, paths_of, stacked
from aigc_market_env.wallets.play import paid_for, play_episode, played, while_money_lasts
from aigc_market_env.wallets.posted import Posted, Profiles, profiles_of
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
    regrets = [
        regret_along(one, Posted(rows, {}), purse) for one, rows, purse in zip(paths, posted, purses, strict=True)
    ]
    return stacked(batch, regrets)


def regret_along(
    path: Market, posted: Posted, purses: Purses, levels: FloatArray | None = None, enough: float = 0.0
) -> EpisodeRegret:
    """Of one path (T,) and what is posted along it.

    The search for prices begins at levels (T, M), by default 1. It ends where no bound is above ``enough``, all are
    within that or a hundredth of the tolerance of the deviations found, or some rounds brought them no nearer.
    """
    posted = while_money_lasts(path, posted, purses)
    profiles, outcome = profiles_of(path, posted), played(path, posted, purses).outcome
    utility, payment = outcome.mu_utility, outcome.service_cost
    levels = first_levels(purses) * np.ones_like(utility) if levels is None else levels
    entry, lines = _entries_alone(profiles), SpendingLines(path)
    earned = utility.sum(axis=0)
    bound, best = np.full(path.num_mus, np.inf), earned.copy()
    prices, slots, deviation = np.zeros_like(utility), np.zeros_like(utility), posted.rewards.copy()
    gap_before, waited = np.inf, 0
    for _ in range(_ROUNDS):
        rows, most = _best_rows(path.replace(satisfaction_scale=path.satisfaction_scale * levels), posted)
        price = 1.0 / levels - 1.0
        missed = most / levels - (utility - price * payment)
        ceiling = missed.sum(axis=0) + _money_ceiling(price, payment, purses)
        lower = ceiling < bound
        bound = np.where(lower, ceiling, bound)
        prices, slots = np.where(lower, price, prices), np.where(lower, missed, slots)
        spent, alone = _alone(profiles, rows, purses)
        higher = alone > best
        best = np.where(higher, alone, best)
        deviation = np.where(higher[:, None], rows, deviation)
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


def _best_rows(market: Market, posted: Posted) -> tuple[FloatArray, FloatArray]:
    """Every MU's best row (T, M, N) in every slot against what others post, and what no row earns more than (T, M)."""
    if not posted.mixtures:
        found = deviations(market, posted.rewards)
        return found.rewards, found.utility_bound
    rows, most = posted.rewards.copy(), np.empty(posted.rewards.shape[:2])
    mixed = np.array(sorted(posted.mixtures))
    pure = np.setdiff1d(np.arange(len(rows)), mixed)
    if len(pure):
        rows[pure], most[pure] = _best_rows(market[pure], Posted(posted.rewards[pure], {}))
    judged = judge_mixtures(market.flat, mixed, [posted.mixtures[t] for t in mixed])
    for t, one in zip(mixed, judged, strict=True):
        rows[t], most[t] = one.best, one.utility + one.bound
    return rows, most


def _entries_alone(profiles: Profiles) -> FloatArray:
    """Levels (T, M) at and below which nobody serves an MU: others' rewards fixed, its own row absent."""
    repeated = _for_each_mu(profiles.market)
    response = follower_response(repeated, _others(profiles.rewards))
    entry = entry_levels(repeated, response.compute_price[..., None, :], response.bandwidth_price[..., None, :])
    return profiles.mean(np.diagonal(entry, axis1=0, axis2=2))


def _for_each_mu(market: Market) -> Market:
    """A batch (J,) once for each MU, (M, J)."""
    return market[np.broadcast_to(np.arange(market.batch_shape[0]), (market.num_mus, market.batch_shape[0]))]


def _others(posted: FloatArray) -> FloatArray:
    """Rewards (J, M, N) without row m, for every m: (M, J, M, N)."""
    rows = np.repeat(posted[None], posted.shape[1], axis=0)
    for m in range(posted.shape[1]):
        rows[m, :, m] = 0.0
    return rows


def _alone(profiles: Profiles, rows: FloatArray, purses: Purses) -> tuple[FloatArray, FloatArray]:
    """What each MU would pay for whole slots by deviating alone to its rows (T, M, N), and earn under the rule.

    Returns:
        Payments, credits, (T, M), and utilities over the episode, credits, (M,).
    """
    rewards, own = _others(profiles.rewards), rows[profiles.slot]
    each = np.arange(profiles.market.num_mus)
    rewards[each, :, each] = own.swapaxes(0, 1)
    repeated = _for_each_mu(profiles.market)
    response = follower_response(repeated, rewards)
    qoe = repeated.outcome(rewards, response.compute, response.bandwidth).qoe[each, :, each].swapaxes(0, 1)
    served = paid_for(profiles, qoe, (own * qoe).sum(axis=-1), purses)
    return served.payments, (served.satisfied - served.shares * served.payments).sum(axis=0)
