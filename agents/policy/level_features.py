"""What MUs with wallets plan by, as a network sees it: dimensionless features of every MU.

Amounts of money are told as logarithms of their ratios to one another and to what usual slots cost, so that the unit
of money does not matter. What slots cost is found by *probes*: payments that the same share of the bound ω/q, posted by
all MUs, would bring about, the ASPs responding exactly. No feature names the number of MUs or ASPs, and none tells
anything of slots to come but how many they are.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.policy.agent_features import Features
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.spaces import MU_PLAN, OBSERVATION_BOUND

#: Shares of ω/q that are probed; rewards at equilibrium are about the last without wallets, and the middle one with.
_PROBES = (0.02, 0.06, 0.2)
#: Payments, over ω of the base market, below which a slot counts as one that costs nothing.
_LEAST_COST = 1e-6
_LOWEST_LOG = -10.0
#: Features of an MU's slot, with the index of the share that weights averages over MUs first, and of its money.
SHARE_OF_MARKET, SLOT_FEATURES, MONEY_FEATURES = 0, 15, 9


class Plan(NamedTuple):
    """What MUs with wallets know beside the market of the slot.

    Attributes:
        money: credits, as the slot begins. (..., M)
        income: credits, after every slot. (..., M)
        cap: credits, the most that the wallet holds; may be infinite. (..., M)
        slots_left: of the episode, this one included. (..., M)
        log_worth: logarithm of ω over ω of the base market. (..., M)
        load_cosine: of the place in the load profile. (..., M)
        load_sine: likewise. (..., M)
    """

    money: FloatArray
    income: FloatArray
    cap: FloatArray
    slots_left: FloatArray
    log_worth: FloatArray
    load_cosine: FloatArray
    load_sine: FloatArray


def plan_of(market: Market, observations: npt.ArrayLike, horizon: int) -> Plan:
    """What MUs' observations (..., M, D) tell of their wallets, in credits.

    Args:
        market: of the slot.
        observations: of the MUs; those of scenarios with wallets end with ``spaces.MU_PLAN``.
        horizon: slots in a whole episode, of which observations tell the share that is left.

    Raises:
        ValueError: they are not of the market's MUs, or too short for MUs with wallets.
    """
    seen = np.asarray(observations, dtype=np.float64)
    mus = (*market.batch_shape, market.num_mus)
    if seen.ndim == 0 or seen.shape[:-1] != mus or seen.shape[-1] < len(MU_PLAN):
        raise ValueError(
            f"observations have shape {seen.shape}, expected (*{mus}, D) of MUs with wallets, whose last "
            f"{len(MU_PLAN)} entries are {', '.join(MU_PLAN._fields)}"
        )
    entries = seen[..., -len(MU_PLAN) :]
    log_worth, left = entries[..., MU_PLAN.log_worth], entries[..., MU_PLAN.slots_left]
    usual = market.satisfaction_scale * np.exp(-log_worth)
    return Plan(
        money=_amount(entries[..., MU_PLAN.log_money], usual),
        income=_amount(entries[..., MU_PLAN.log_income], usual),
        cap=_amount(entries[..., MU_PLAN.log_cap], usual),
        slots_left=np.maximum(np.round(left * horizon), 1.0),
        log_worth=log_worth,
        load_cosine=entries[..., MU_PLAN.load_cosine],
        load_sine=entries[..., MU_PLAN.load_sine],
    )


def _amount(log: FloatArray, usual: FloatArray) -> FloatArray:
    amount = np.where(log <= -OBSERVATION_BOUND, 0.0, np.exp(log) * usual)
    return np.where(log >= OBSERVATION_BOUND, np.inf, amount)


class SlotSeen(NamedTuple):
    """What MUs know of a slot whatever money they have.

    Attributes:
        features: (..., M, SLOT_FEATURES) float32.
        usual_cost: what a usual slot costs at the highest probe, credits, > 0. (..., M)
    """

    features: Features
    usual_cost: FloatArray


def slot_seen(market: Market, plan: Plan) -> SlotSeen:
    """What probes tell of a slot, and of one like it with usual requests; of the plan, what is not of money."""
    usual_worth = market.satisfaction_scale * np.exp(-plan.log_worth)
    usual = market.replace(satisfaction_scale=usual_worth)
    now, then = _payments(market), _payments(usual)
    columns = [
        now[-1] / np.maximum(now[-1].sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny),
        *(_log_ratio(paid, market.satisfaction_scale) for paid in now),
        *(_log_ratio(paid, usual_worth) for paid in then),
        *(_log_ratio(_total(paid), _total(market.satisfaction_scale)) for paid in (now[-1], then[-1])),
        plan.log_worth,
        _log_ratio(market.satisfaction_scale, market.satisfaction_scale.mean(axis=-1, keepdims=True)),
        np.log(market.qoe_requirement),
        np.log1p(market.satiation),
        plan.load_cosine,
        plan.load_sine,
    ]
    features = np.stack([np.broadcast_to(column, now[0].shape) for column in columns], axis=-1, dtype=np.float32)
    return SlotSeen(features, np.maximum(then[-1], _LEAST_COST * usual_worth))


def log_even_spending(seen: SlotSeen, plan: Plan) -> FloatArray:
    """Logarithm of what even spending would pay over what a usual slot costs. (..., M)."""
    return _log_ratio((plan.money + (plan.slots_left - 1.0) * plan.income) / plan.slots_left, seen.usual_cost)


def money_seen(seen: SlotSeen, plan: Plan, horizon: int) -> Features:
    """What there is and will be to spend, over what slots cost. (..., M, MONEY_FEATURES) float32."""
    cost, left = seen.usual_cost, plan.slots_left
    ever = plan.money + (left - 1.0) * plan.income
    cap = np.minimum(plan.cap, ever)  # beyond what there can be, a cap is none
    spill = np.where(left > 1.0, plan.money + plan.income - plan.cap, 0.0)
    columns = [
        log_even_spending(seen, plan),
        _log_ratio(plan.money, cost),
        _log_ratio(plan.income, cost),
        _log_ratio(cap, cost),
        np.divide(plan.money, cap, out=np.ones_like(cap), where=cap > 0.0),
        np.clip(np.divide(spill, plan.income, out=np.zeros_like(cap), where=plan.income > 0.0), _LOWEST_LOG, 1.0),
        np.log(left / horizon),
        1.0 / left,
        left / horizon,
    ]
    return np.stack(columns, axis=-1, dtype=np.float32)


def payments(market: Market, rewards: FloatArray) -> FloatArray:
    """What MUs pay for a whole slot at rewards (..., M, N), the ASPs responding exactly; credits. (..., M)."""
    response = follower_response(market, rewards)
    paid: FloatArray = market.outcome(rewards, response.compute, response.bandwidth).service_cost
    return paid


def _payments(market: Market) -> list[FloatArray]:
    """At every probe. (..., M) each."""
    bound = np.broadcast_to(market.reward_bound[..., None], market.accuracy.shape)
    return [payments(market, share * bound) for share in _PROBES]


def _total(amount: FloatArray) -> FloatArray:
    total: FloatArray = amount.sum(axis=-1, keepdims=True)
    return total


def _log_ratio(amount: FloatArray, reference: FloatArray) -> FloatArray:
    """Logarithms within ±10, which tell nothing from next to nothing no more."""
    with np.errstate(divide="ignore", over="ignore"):
        ratio: FloatArray = np.log(amount / reference)
    return np.clip(ratio, _LOWEST_LOG, -_LOWEST_LOG)
