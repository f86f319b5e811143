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
from aigc_market_env.wallets.posted import Posted, Profiles, profiles_of
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
        posted = Posted(_posted_slot_by_slot(path, rewards, purses), {})
    else:
        posted = while_money_lasts(path, Posted(rewards, {}), purses)
    return played(path, posted, purses)


def played(path: Market, posted: Posted, purses: Purses) -> Episode:
    """What comes along a path (T,) of what is posted by those who have money."""
    profiles = profiles_of(path, posted)
    whole = _whole_slots(profiles)
    served = paid_for(profiles, whole.qoe, whole.service_cost, purses)
    outcome = _shared(path, profiles.mean_outcome(whole), served)
    return Episode(posted.rewards, served.money, served.shares, outcome)


class Served(NamedTuple):
    """What MUs have of T slots, their money paying for a share of each."""

    payments: FloatArray  # for whole slots, credits; (T, M)
    shares: FloatArray  # (T, M)
    money: FloatArray  # (T + 1, M)
    satisfied: FloatArray  # (T, M)


def paid_for(profiles: Profiles, qoe: FloatArray, payments: FloatArray, purses: Purses) -> Served:
    """What money pays for of whole slots, in whose profiles MUs would get QoE (J, M, N) for payments (J, M).

    In a slot in which somebody mixes, an MU whose money is gone posts nothing for the rest of it: it is satisfied for
    a share of the slot, not by a share of the QoE.
    """
    market, mixed = profiles.market, profiles.mixed[:, None]
    due = profiles.mean(payments)
    shares, money = balances(due, purses)
    parts = np.where(mixed, 1.0, shares)[profiles.slot]
    wants = market.satisfaction_scale, market.qoe_requirement, market.satiation
    satisfied = profiles.mean(satisfaction.values((parts[..., None] * qoe).sum(axis=-1), *wants))
    return Served(due, shares, money, np.where(mixed, shares, 1.0) * satisfied)


def while_money_lasts(path: Market, posted: Posted, purses: Purses) -> Posted:
    """What is posted along a path (T,) of what should be: nothing by those without money, first slots first."""
    payments = _payments(path, posted)
    while True:
        _, money = balances(payments, purses)
        without = (money[:-1] <= 0.0) & posted.rewards.any(axis=-1)
        if not without.any():
            return posted
        first = int(without.any(axis=-1).argmax())
        posted = posted.without(first, without[first])
        payments[first] = _payments(path[first : first + 1], posted.only(first))[0]


def _payments(path: Market, posted: Posted) -> FloatArray:
    """What whole slots cost each MU (T, M), credits."""
    profiles = profiles_of(path, posted)
    return profiles.mean(_whole_slots(profiles).service_cost)


def _whole_slots(profiles: Profiles) -> Outcome:
    """What comes of every profile (J,), were everything paid for."""
    response = follower_response(profiles.market, profiles.rewards)
    return profiles.market.outcome(profiles.rewards, response.compute, response.bandwidth)


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
        slot = played(path[t : t + 1], Posted(posted[t : t + 1], {}), purses._replace(money=money))
        money, paid = slot.money[1], slot.outcome.service_cost[0]
    return posted


def _shared(path: Market, whole: Outcome, served: Served) -> Outcome:
    """The outcome along a path (T,) when MUs are served for shares of slots of which ``whole`` is the outcome."""
    shares = served.shares
    if (shares == 1.0).all():
        return whole
    by_link = {
        name: getattr(whole, name) * shares[..., None]
        for name in ("compute", "bandwidth", "throughput", "qoe", "payment")
    }
    used, lit, paid = (by_link[name].sum(axis=-2) for name in ("compute", "bandwidth", "payment"))
    cost = path.compute_cost * used + path.bandwidth_cost * lit
    return replace(
        whole,
        **by_link,
        qoe_terms=whole.qoe_terms * shares[..., None, None],
        mu_utility=served.satisfied - by_link["payment"].sum(axis=-1),
        asp_profit=paid - cost,
        asp_cost=cost,
        utilisation=np.stack([used / path.compute_capacity, lit / path.bandwidth_capacity], axis=-1),
        welfare=served.satisfied.sum(axis=-1) - cost.sum(axis=-1),
    )
