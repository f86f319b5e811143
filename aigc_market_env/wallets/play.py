"""An episode played under the rule of money, ASPs responding exactly, as arrays (docs/wallets.md#the-rule)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model import satisfaction
from aigc_market_env.model.checks import link_arrays
from aigc_market_env.model.outcome import Outcome
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.balances import balances
from aigc_market_env.wallets.paths import Purses, paths_of, stacked
from aigc_market_env.wallets.wallet import Wallet


@dataclass(frozen=True, eq=False)
class Episode:
    """What happened in T slots.

    Attributes:
        rewards: r as posted, credits per QoE; 0 in slots that an MU begins without money. (..., T, M, N)
        money: of each MU at the beginning of every slot, and after the last, credits. (..., T + 1, M)
        time_share: share of the slot that the MU's money paid for. (..., T, M)
        outcome: what every slot produced, with batch axes (..., T). What an MU is served, pays and takes of the ASPs is
            its share of what it would be for the whole slot.
    """

    rewards: FloatArray
    money: FloatArray
    time_share: FloatArray
    outcome: Outcome


class SlotView(NamedTuple):
    """What MUs know as they post rewards: nothing of later slots.

    Attributes:
        slot: its number, from 0.
        num_slots: T, of the episode.
        market: the market in this slot.
        money: of each MU, credits. (M,)
        paid: in the slot before, credits; zeros in the first. (M,)
        purses: money at the beginning, income and cap of each MU, credits.
    """

    slot: int
    num_slots: int
    market: Market
    money: FloatArray
    paid: FloatArray
    purses: Purses


def play_episode(path: Market, rewards: npt.ArrayLike | Callable[[SlotView], npt.ArrayLike], wallet: Wallet) -> Episode:
    """Play rewards along a path, ASPs responding at their best to what is posted.

    Args:
        path: markets of T slots, batch axes (..., T).
        rewards: r, credits per QoE, (..., T, M, N); or a function that is asked in every slot of every path for those
            to post, (M, N).
        wallet: amounts in credits, that broadcast to (..., M).

    Returns:
        The :class:`Episode`. An MU without money posts nothing, and one whose money covers a share of its payment is
        served for that share of the slot.

    Raises:
        ValueError: the path has no slots, the wallet is not in credits or does not fit it, or rewards have a wrong
            shape, or an entry that is negative or not finite.

    Source: docs/wallets.md#the-rule.
    """
    batch, paths, purses = paths_of(path, wallet)
    if callable(rewards):
        played = [play_path(one, rewards, purse) for one, purse in zip(paths, purses, strict=True)]
    else:
        joint, flat = link_arrays(path, rewards=rewards)
        if joint != path.batch_shape:
            raise ValueError(
                f"rewards have batch axes {joint}, the path has {path.batch_shape}: they must not have more"
            )
        rows = flat["rewards"].reshape(len(paths), -1, path.num_mus, path.num_asps)
        played = [play_path(*one) for one in zip(paths, rows, purses, strict=True)]
    return stacked(batch, played)


def play_path(path: Market, rewards: FloatArray | Callable[[SlotView], npt.ArrayLike], purses: Purses) -> Episode:
    """One path (T,); all slots at once as long as nobody is without money."""
    if callable(rewards):
        posted = _posted_slot_by_slot(path, rewards, purses)
    else:
        posted = _posted_while_money_lasts(path, rewards, purses)
    return _settled(path, posted, purses)


def _settled(path: Market, posted: FloatArray, purses: Purses) -> Episode:
    """One path (T,), given what is posted by those who have money (T, M, N)."""
    response = follower_response(path, posted)
    whole = path.outcome(posted, response.compute, response.bandwidth)
    shares, money = balances(whole.service_cost, purses)
    return Episode(posted, money, shares, _shared(path, whole, shares))


def _posted_while_money_lasts(path: Market, rewards: FloatArray, purses: Purses) -> FloatArray:
    """What is posted of rewards (T, M, N): nothing by those without money, first slots first."""
    posted = rewards.copy()
    payments = _payments(path, posted)
    while True:
        _, money = balances(payments, purses)
        without = (money[:-1] <= 0.0) & posted.any(axis=-1)
        if not without.any():
            return posted
        first = int(without.any(axis=-1).argmax())
        posted[first][without[first]] = 0.0
        payments[first] = _payments(path[first], posted[first])


def _payments(market: Market, rewards: FloatArray) -> FloatArray:
    """What whole slots cost each MU (..., M), credits."""
    response = follower_response(market, rewards)
    return market.outcome(rewards, response.compute, response.bandwidth).service_cost


def _posted_slot_by_slot(path: Market, post: Callable[[SlotView], npt.ArrayLike], purses: Purses) -> FloatArray:
    num_slots = path.batch_shape[0]
    posted = np.empty(path.accuracy.shape)
    money, paid = purses.money, np.zeros_like(purses.money)
    for t in range(num_slots):
        market = path[t]
        known = Purses(*(amount.copy() for amount in purses))  # the user's to write into, as money is
        given = post(SlotView(t, num_slots, market, money.copy(), paid, known))
        joint, row = link_arrays(market, rewards=given)
        if joint:
            raise ValueError(f"rewards of slot {t} have batch axes {joint}: a function posts those of one slot, (M, N)")
        posted[t] = row["rewards"][0] * (money > 0.0)[:, None]
        slot = _settled(path[t : t + 1], posted[t : t + 1], purses._replace(money=money))
        money, paid = slot.money[1], slot.outcome.service_cost[0]
    return posted


def _shared(market: Market, whole: Outcome, shares: FloatArray) -> Outcome:
    """The outcome when MUs are served for shares (..., M) of a slot of which ``whole`` is the outcome."""
    if (shares == 1.0).all():
        return whole
    by_link = {
        name: getattr(whole, name) * shares[..., None]
        for name in ("compute", "bandwidth", "throughput", "qoe", "payment")
    }
    wants = market.satisfaction_scale, market.qoe_requirement, market.satiation
    satisfied = satisfaction.values(by_link["qoe"].sum(axis=-1), *wants)
    used, lit, paid = (by_link[name].sum(axis=-2) for name in ("compute", "bandwidth", "payment"))
    cost = market.compute_cost * used + market.bandwidth_cost * lit
    return replace(
        whole,
        **by_link,
        qoe_terms=whole.qoe_terms * shares[..., None, None],
        mu_utility=satisfied - by_link["payment"].sum(axis=-1),
        asp_profit=paid - cost,
        asp_cost=cost,
        utilisation=np.stack([used / market.compute_capacity, lit / market.bandwidth_capacity], axis=-1),
        welfare=satisfied.sum(axis=-1) - cost.sum(axis=-1),
    )
