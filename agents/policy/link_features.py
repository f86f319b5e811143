"""A market as a network sees it: dimensionless features of every link.

All features stay the same when money, compute, bandwidth or throughput are measured in other units, so that a network
need not learn what a unit is. None names the size of the market: sums over MUs and ASPs enter through what they do, and
a network goes on to markets larger than those that it was trained on.
"""

import numpy as np
import numpy.typing as npt

from aigc_market_env.equilibrium.first_order import first_order
from aigc_market_env.game.followers import demand_at_prices, follower_response
from aigc_market_env.market import Market
from aigc_market_env.model import satisfaction
from aigc_market_env.model.links import CROSS, SIGMA, link_tables
from aigc_market_env.model.parameters import FloatArray

#: Over what range of a capacity's state the elasticities that leaders see change; see ``first_order``.
_KINK_WIDTH = 0.1
_LONGEST_STEP = 2.0
_DEAREST = 20.0  # logarithm of cost over pay that is told of a link without a reward
_LOWEST_USE = 1e-3  # share of a capacity below which its use counts as none

_LINK = (
    "accuracy_credit",
    "token_credit",
    "timeliness_credit",
    "log_accuracy_cost",
    "log_token_cost",
    "log_timeliness_cost",
    "log_entry_threshold",
    "log_cost_ratio",
)
_USE = ("compute_share", "bandwidth_share", "compute_state", "bandwidth_state")
#: What leaders may know of a link without knowing how ASPs would respond: its parameters, and what happened in a slot.
OUTCOME_FEATURES = (
    "log_reward",
    *_LINK,
    *_USE,
    "log_qoe_requirement",
    "relative_satisfaction_scale",
    "log_compute_scarcity",
    "log_bandwidth_scarcity",
    "qoe",
    "qoe_share",
    "log_worth",
)
#: The same, and the step that the leaders' first-order conditions ask for.
LEADER_FEATURES = (*OUTCOME_FEATURES, "step")
#: What followers' networks see of a link.
FOLLOWER_FEATURES = (*_LINK, *_USE)


def outcome_features(market: Market, rewards: FloatArray) -> npt.NDArray[np.float32]:
    """Features of every link after a slot at rewards (..., M, N), as in ``OUTCOME_FEATURES``. (..., M, N, K) float32.

    Beside the link's own parameters they hold what the slot brought about, the ASPs responding exactly: the QoE
    delivered, what more of it would be worth, how the ASP is used and at which prices.
    """
    tables, bound = link_tables(market), market.reward_bound[..., None]
    response = follower_response(market, rewards)
    qoe = market.outcome(rewards, response.compute, response.bandwidth).qoe
    scale = market.satisfaction_scale
    worth = satisfaction.marginals(qoe.sum(axis=-1), scale, market.qoe_requirement, market.satiation)
    columns = [
        np.log(rewards / bound),
        *_link_features(market, tables, bound),
        *_use_features(market, response.compute, response.bandwidth, response.compute_price, response.bandwidth_price),
        np.log(market.qoe_requirement[..., None]),
        np.log(scale / scale.mean(axis=-1, keepdims=True))[..., None],
        *_scarcities(market, tables),
        qoe,
        _shares(qoe, axis=-1),
        np.log(worth[..., None] / bound),
    ]
    return _stacked(columns, qoe.shape)


def leader_features(market: Market, rewards: FloatArray) -> npt.NDArray[np.float32]:
    """Those of :func:`outcome_features` and the first-order conditions' step. (..., M, N, K) float32."""
    step = first_order(market, rewards, kink_width=_KINK_WIDTH).step
    clipped = np.clip(step, -_LONGEST_STEP, _LONGEST_STEP).astype(np.float32)
    return np.concatenate([outcome_features(market, rewards), clipped[..., None]], axis=-1)


def with_satiation(market: Market, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features of links (..., M, N, K), and after them log(1 + k), k the satiation. (..., M, N, K + 1) float32."""
    satiation = np.log1p(market.satiation).astype(np.float32)[..., None, None]
    column = np.broadcast_to(satiation, (*features.shape[:-1], 1))
    return np.concatenate([features, column], axis=-1)


def follower_features(market: Market, rewards: FloatArray) -> npt.NDArray[np.float32]:
    """Features of every link at posted rewards (..., M, N), named in ``FOLLOWER_FEATURES``. (..., M, N, K) float32.

    ASP n sees its own column only. How it would be used is told at prices of bare costs, without capacities.
    """
    wanted = demand_at_prices(market, rewards, 0.0, 0.0)
    links, nothing = wanted.compute.shape, np.zeros(())
    columns = [
        *_link_features(market, link_tables(market), rewards),
        *_use_features(market, wanted.compute, wanted.bandwidth, nothing, nothing),
    ]
    return _stacked(columns, links)


def capacity_states(market: Market, used: FloatArray, price: npt.ArrayLike, resource: str) -> FloatArray:
    """One number per capacity: log(use/capacity) where its shadow price is 0, log(effective price/cost) where not.

    Args:
        market: one market or a batch.
        used: by all MUs. (..., N)
        price: shadow price. (..., N)
        resource: "compute" or "bandwidth".

    Returns:
        States, rising with the rewards posted, not below log 0.001. (..., N)
    """
    share = used / getattr(market, f"{resource}_capacity")
    slack = np.log(np.maximum(share, _LOWEST_USE))
    state: FloatArray = np.where(
        np.asarray(price) > 0.0, np.log1p(np.asarray(price) / getattr(market, f"{resource}_cost")), slack
    )
    return state


def _link_features(market: Market, tables: FloatArray, rewards: FloatArray) -> list[FloatArray]:
    """What a link delivers and costs at bare costs, against what a reward (..., M, N) or (..., M, 1) pays."""
    credit, half = tables[..., :3], tables[..., 3:6]
    compute, bandwidth = _unit_costs(market, tables)
    cost = compute + bandwidth
    log_paid = np.log(np.maximum(rewards, np.finfo(np.float64).tiny))
    relative = np.minimum(np.log(half * cost[..., None]) - log_paid[..., None], _DEAREST)
    return [
        *(credit[..., j] for j in range(3)),
        *(relative[..., j] for j in range(3)),
        np.minimum(np.log(cost / (credit / half).sum(axis=-1)) - log_paid, _DEAREST),
        np.log(compute / bandwidth),
    ]


def _unit_costs(market: Market, tables: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cost of a token/s in compute and in bandwidth, mixed most cheaply at bare costs; both (..., M, N)."""
    compute_cost, bandwidth_cost = market.compute_cost[..., None, :], market.bandwidth_cost[..., None, :]
    shared = tables[..., CROSS] * np.sqrt(compute_cost * bandwidth_cost)
    return compute_cost * market.flops_per_token[..., None, :] + shared, bandwidth_cost * tables[..., SIGMA] + shared


def _scarcities(market: Market, tables: FloatArray) -> list[FloatArray]:
    """Each MU's even share of an ASP's capacities over what a throughput of QoE's own scale, Q(∞)/Q'(0), takes."""
    credit, half = tables[..., :3], tables[..., 3:6]
    rate = credit.sum(axis=-1) / (credit / half).sum(axis=-1)
    compute, bandwidth = _unit_costs(market, tables)
    return [
        np.log((market.compute_capacity * market.compute_cost)[..., None, :] / (market.num_mus * compute * rate)),
        np.log((market.bandwidth_capacity * market.bandwidth_cost)[..., None, :] / (market.num_mus * bandwidth * rate)),
    ]


def _use_features(
    market: Market, compute: FloatArray, bandwidth: FloatArray, compute_price: FloatArray, bandwidth_price: FloatArray
) -> list[FloatArray]:
    """The link's shares of what its ASP's resources are used for, and the states of both capacities."""
    return [
        _shares(compute, axis=-2),
        _shares(bandwidth, axis=-2),
        capacity_states(market, compute.sum(axis=-2), compute_price, "compute")[..., None, :],
        capacity_states(market, bandwidth.sum(axis=-2), bandwidth_price, "bandwidth")[..., None, :],
    ]


def _shares(amounts: FloatArray, axis: int) -> FloatArray:
    """Amounts over their sum along an axis; 0 where that is 0."""
    total = np.broadcast_to(amounts.sum(axis=axis, keepdims=True), amounts.shape)
    return np.divide(amounts, total, out=np.zeros_like(amounts), where=total > 0.0)


def _stacked(columns: list[FloatArray], links: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return np.stack([np.broadcast_to(column, links) for column in columns], axis=-1, dtype=np.float32)
