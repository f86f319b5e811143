"""How B running markets lie in memory, and how their quantities are called from outside (private).

All that belongs to one market lies together, so that a step touches few cache lines. A quantity of links is one row
over all of a market's links, ASP by ASP: link ``n * M + m`` is that of MU m and ASP n.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.market import Market
from aigc_market_env.model.links import ENTRY
from aigc_market_env.model.parameters import FIELDS, FloatArray
from aigc_market_env.wallets import Wallet

Float32Array = npt.NDArray[np.float32]
Streams = npt.NDArray[np.uint64]

# Rows of ``Lanes.mus``. Those that a step touches wherever there is what they are of lie together; see ``fetch``.
(
    OMEGA,
    REQUIREMENT,
    SATIATION,
    BITS,
    BOUND,  # ω/q
    UTILITY,
    SCORE_ACCURACY,  # the terms of the QoE delivered, summed over ASPs
    SCORE_TOKENS,
    SCORE_TIMELINESS,
    FIRST_MONEY,  # of a wallet, as the five after it: at the beginning of the episode; credits, as the three after it
    MONEY,
    INCOME,
    CAP,
    ELAPSED,  # slots that it has paid for since the episode began
    TIME_SHARE,  # of the slot, for which the MU was served
    BASE_OMEGA,
    LOG_WORTH,  # of usual requests, by which ω changes
    URGENT,  # 1 while the request is urgent
    SERVED_BOUND,  # ω/q in the slot served last
    CLIENT,  # of a trace
    ASKING,  # 1 while the client asks, if anybody does
    TOKENS,
    PATIENCE,
    WEIGHT_ACCURACY,
    WEIGHT_TOKENS,
    WEIGHT_TIMELINESS,
    BASE_TOKENS,
    BASE_BITS,
    REQUEST,  # whose content of the base market each MU asks for
) = range(29)
MU_QUANTITIES = REQUEST + 1
# Rows of ``Lanes.asps``.
(
    COMPUTE_CAPACITY,
    BANDWIDTH_CAPACITY,
    COMPUTE_COST,
    BANDWIDTH_COST,
    KAPPA,
    REASONING,
    SLOT,  # its duration, the same for all ASPs
    BASE_COMPUTE_CAPACITY,
    BASE_BANDWIDTH_CAPACITY,
    SERVED_COMPUTE_CAPACITY,  # in the slot served last
    SERVED_BANDWIDTH_CAPACITY,
    PROFILE_SLOT,  # place in the load profile, the same for all ASPs
    WINDOW,  # of a trace's demand, likewise
    SLOTS_LEFT,  # of the window, with this one, likewise
    COMPUTE_PRICE,  # effective prices shown to MUs, the board
    BANDWIDTH_PRICE,
    PROFIT,
    NEWTON_STEPS,
    COMPUTE_SHADOW_PRICE,  # λ and μ, the warm start of best responses
    BANDWIDTH_SHADOW_PRICE,
) = range(20)
ASP_QUANTITIES = BANDWIDTH_SHADOW_PRICE + 1
#: Rows of ``Lanes.links`` that are those of link tables: QoE coefficients and the entry slope.
DESCRIBED = ENTRY + 1
# Rows after them.
(
    POSTED,
    REWARD,
    COMPUTE,
    BANDWIDTH,
    RATE,
    QOE,
    EFFICIENCY,
    SHADOW,  # of fading, as the two after it
    SIGNAL,
    BASE_EFFICIENCY,
    LATENCY,
    BASE_LATENCY,
    DRIVE_SLOT,  # of a trace
    BASE_ACCURACY,
    ACCURACY,
) = range(DESCRIBED, DESCRIBED + 15)
LINK_QUANTITIES = ACCURACY + 1

#: The fields of a market that the dynamics may write, slot by slot.
CHANGING = (
    "accuracy",
    "bits_per_token",
    "desired_tokens",
    "spectral_efficiency",
    "satisfaction_scale",
    "compute_capacity",
    "bandwidth_capacity",
    "base_latency",
)


class Lanes(NamedTuple):
    """Everything that B running markets consist of."""

    mus: FloatArray  # (B, MU_QUANTITIES, M)
    asps: FloatArray  # (B, ASP_QUANTITIES, N)
    links: FloatArray  # (B, LINK_QUANTITIES, N * M)
    streams: Streams  # (B,) random streams


class Observations(NamedTuple):
    """Observations by group; in compiled loops agent after agent, (B, M * size) and (B, N * size)."""

    mus: Float32Array  # (B, M, size of an MU's observation)
    asps: Float32Array  # (B, N, size of an ASP's observation)


#: Where the quantities lie that have a name outside: the array, and its row or rows.
_PLACES: dict[str, tuple[str, int | slice]] = {
    "base.satisfaction_scale": ("mus", BASE_OMEGA),
    "now.satisfaction_scale": ("mus", OMEGA),
    "qoe_requirement": ("mus", REQUIREMENT),
    "satiation": ("mus", SATIATION),
    "qoe_weights": ("mus", slice(WEIGHT_ACCURACY, WEIGHT_TIMELINESS + 1)),
    "patience": ("mus", PATIENCE),
    "base.desired_tokens": ("mus", BASE_TOKENS),
    "base.bits_per_token": ("mus", BASE_BITS),
    "now.desired_tokens": ("mus", TOKENS),
    "now.bits_per_token": ("mus", BITS),
    "request": ("mus", REQUEST),
    "log_worth": ("mus", LOG_WORTH),
    "urgent": ("mus", URGENT),
    "client": ("mus", CLIENT),
    "asking": ("mus", ASKING),
    "first_money": ("mus", FIRST_MONEY),
    "money": ("mus", MONEY),
    "income": ("mus", INCOME),
    "cap": ("mus", CAP),
    "elapsed": ("mus", ELAPSED),
    "served_bound": ("mus", SERVED_BOUND),
    "time_share": ("mus", TIME_SHARE),
    "utility": ("mus", UTILITY),
    "qoe_terms": ("mus", slice(SCORE_ACCURACY, SCORE_TIMELINESS + 1)),
    "base.compute_capacity": ("asps", BASE_COMPUTE_CAPACITY),
    "base.bandwidth_capacity": ("asps", BASE_BANDWIDTH_CAPACITY),
    "now.compute_capacity": ("asps", COMPUTE_CAPACITY),
    "now.bandwidth_capacity": ("asps", BANDWIDTH_CAPACITY),
    "served_capacities": ("asps", slice(SERVED_COMPUTE_CAPACITY, SERVED_BANDWIDTH_CAPACITY + 1)),
    "profile_slot": ("asps", PROFILE_SLOT),
    "window": ("asps", WINDOW),
    "slots_left": ("asps", SLOTS_LEFT),
    "compute_cost": ("asps", COMPUTE_COST),
    "bandwidth_cost": ("asps", BANDWIDTH_COST),
    "flops_per_token": ("asps", KAPPA),
    "reasoning_tokens": ("asps", REASONING),
    "board": ("asps", slice(COMPUTE_PRICE, BANDWIDTH_PRICE + 1)),
    "profit": ("asps", PROFIT),
    "newton_steps": ("asps", NEWTON_STEPS),
    "shadow_prices": ("asps", slice(COMPUTE_SHADOW_PRICE, BANDWIDTH_SHADOW_PRICE + 1)),
    "posted": ("links", POSTED),
    "rewards": ("links", REWARD),
    "compute": ("links", COMPUTE),
    "bandwidth": ("links", BANDWIDTH),
    "rates": ("links", RATE),
    "qoe": ("links", QOE),
    "shadow": ("links", SHADOW),
    "base.spectral_efficiency": ("links", BASE_EFFICIENCY),
    "now.spectral_efficiency": ("links", EFFICIENCY),
    "base.accuracy": ("links", BASE_ACCURACY),
    "now.accuracy": ("links", ACCURACY),
    "drive_slot": ("links", DRIVE_SLOT),
    "base.base_latency": ("links", BASE_LATENCY),
    "now.base_latency": ("links", LATENCY),
}
_PLAYED = (
    "shadow",
    "posted",
    "rewards",
    "compute",
    "bandwidth",
    "rates",
    "qoe",
    "qoe_terms",
    "board",
    "utility",
    "profit",
    "newton_steps",
)
# What else a state has, where the scenario has what changes it.
_OF_WORTH = ("now.satisfaction_scale", "log_worth", "urgent", "served_bound")
_OF_LOAD = ("now.compute_capacity", "now.bandwidth_capacity", "profile_slot", "served_capacities")
_OF_TRACE = ("client", "asking", "window", "slots_left", "drive_slot", "now.base_latency")
_OF_WALLETS = ("first_money", "money", "income", "cap", "time_share", "elapsed")


def new_lanes(num_lanes: int, num_mus: int, num_asps: int) -> Lanes:
    """Lanes of zeros."""
    b, m, n = num_lanes, num_mus, num_asps
    return Lanes(
        np.zeros((b, MU_QUANTITIES, m)),
        np.zeros((b, ASP_QUANTITIES, n)),
        np.zeros((b, LINK_QUANTITIES, n * m)),
        np.zeros(b, np.uint64),
    )


def quantity(lanes: Lanes, name: str) -> npt.NDArray[Any]:
    """A writable view of a quantity by its name: (B, M, N), (B, M), (B, N), or with a last axis of parts."""
    if name == "streams":
        return lanes.streams
    if name == "slot_duration":
        return lanes.asps[:, SLOT, 0]
    group, rows = _PLACES[name]
    if group == "links":
        return lanes.links[:, rows].reshape(-1, lanes.asps.shape[2], lanes.mus.shape[2]).swapaxes(1, 2)
    view = getattr(lanes, group)[:, rows]
    return view if isinstance(rows, int) else view.swapaxes(1, 2)


def base_of(field: str) -> str:
    """The name under which a market's field lies as it is at the beginning of an episode."""
    return f"base.{field}" if field in CHANGING else field


def some_of(lanes: Lanes, start: int, stop: int) -> Lanes:
    """A view of lanes ``start … stop - 1``."""
    mus, asps, links, streams = lanes
    return Lanes(mus[start:stop], asps[start:stop], links[start:stop], streams[start:stop])


def load_market(lanes: Lanes, market: Market) -> None:
    """Have the lanes begin with the markets of a batch (B,)."""
    for field in FIELDS:
        quantity(lanes, base_of(field))[...] = getattr(market, field)
    for field in CHANGING:
        quantity(lanes, f"now.{field}")[...] = getattr(market, field)
    lanes.asps[:, SLOT] = lanes.asps[:, SLOT, :1]
    lanes.mus[:, SERVED_BOUND] = market.reward_bound
    lanes.mus[:, TIME_SHARE] = 1.0
    lanes.asps[:, SERVED_COMPUTE_CAPACITY] = market.compute_capacity
    lanes.asps[:, SERVED_BANDWIDTH_CAPACITY] = market.bandwidth_capacity


def load_wallet(lanes: Lanes, wallet: Wallet) -> None:
    """Have the lanes begin with wallets in credits, of arrays that fit (B, M)."""
    money, income, cap = wallet.amounts
    lanes.mus[:, FIRST_MONEY] = lanes.mus[:, MONEY] = np.minimum(money, cap)
    lanes.mus[:, INCOME], lanes.mus[:, CAP] = income, cap


def check_played(state: Mapping[str, npt.NDArray[Any]]) -> None:
    """Make sure that what a state of lanes has of channels and of the slot played last can be.

    Raises:
        ValueError: it cannot.
    """
    for name in _PLAYED:
        if not np.isfinite(state[name]).all():
            raise ValueError(f"state {name!r} must be finite numbers")
    if not ((state["shadow_prices"] >= 0.0) & np.isfinite(state["shadow_prices"])).all():
        raise ValueError("state 'shadow_prices' must be finite numbers >= 0")


def check_wallets(state: Mapping[str, npt.NDArray[Any]]) -> None:
    """Make sure that what a state of lanes has of wallets can be.

    Raises:
        ValueError: it cannot.
    """
    for name in ("money", "first_money"):
        Wallet(state[name], state["income"], state["cap"])
        if not (state[name] <= state["cap"]).all():
            raise ValueError(f"state {name!r} must be at most the 'cap' of the wallet, everywhere")
    share, elapsed = state["time_share"], state["elapsed"]
    if not ((share >= 0.0) & (share <= 1.0)).all():
        raise ValueError("state 'time_share' must be numbers in [0, 1]")
    if not ((elapsed >= 0.0) & (elapsed == np.floor(elapsed)) & np.isfinite(elapsed)).all():
        raise ValueError("state 'elapsed' must be whole numbers >= 0")


def market_of(lanes: Lanes, lane: int | None = None, *, base: bool = False) -> Market:
    """The markets of the current slot, or that episodes began from; batch shape (B,), or of ``lane`` alone."""
    names = {field: base_of(field) if base or field not in CHANGING else f"now.{field}" for field in FIELDS}
    every = {field: quantity(lanes, name) for field, name in names.items()}
    return Market(**every if lane is None else {field: array[lane] for field, array in every.items()})


def state_names(*, worth: bool, load: bool, trace: bool, wallets: bool) -> list[str]:
    """The names of all quantities that the future of the lanes depends on or that can be asked for.

    Args:
        worth: whether the worth of requests varies.
        load: whether the load does.
        trace: whether a trace drives demand and radio.
        wallets: whether MUs have wallets.
    """
    always = [f"now.{field}" for field in CHANGING if f"now.{field}" not in (*_OF_WORTH, *_OF_LOAD, *_OF_TRACE)]
    names = [*_PLAYED, "shadow_prices", "request", "streams", *(f"base.{field}" for field in FIELDS), *always]
    parts = ((worth, _OF_WORTH), (load, _OF_LOAD), (trace, _OF_TRACE), (wallets, _OF_WALLETS))
    return names + [name for present, part in parts if present for name in part]


def place_of(name: str) -> str:
    """The name of a quantity in the lanes from that in a state, where all of a base market's fields are ``base.…``."""
    field = name.removeprefix("base.")
    return base_of(field) if field in FIELDS else name
