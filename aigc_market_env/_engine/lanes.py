"""How B running markets lie in memory, and how their quantities are called from outside (private).

All that belongs to one market lies together, so that a step touches few cache lines. A quantity of links is one row
over all of a market's links, ASP by ASP: link ``n * M + m`` is that of MU m and ASP n.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.market import Market
from aigc_market_env.model.links import ENTRY
from aigc_market_env.model.parameters import FIELDS, FloatArray

Float32Array = npt.NDArray[np.float32]
Streams = npt.NDArray[np.uint64]

# Rows of ``Lanes.mus``.
(
    OMEGA,
    REQUIREMENT,
    SATIATION,
    WEIGHT_ACCURACY,
    WEIGHT_TOKENS,
    WEIGHT_TIMELINESS,
    PATIENCE,
    BASE_TOKENS,
    BASE_BITS,
    TOKENS,
    BITS,
    BOUND,  # ω/q
    REQUEST,  # whose content of the base market each MU asks for
    UTILITY,
    SCORE_ACCURACY,  # the terms of the QoE delivered, summed over ASPs
    SCORE_TOKENS,
    SCORE_TIMELINESS,
) = range(17)
MU_QUANTITIES = SCORE_TIMELINESS + 1
# Rows of ``Lanes.asps``.
(
    COMPUTE_CAPACITY,
    BANDWIDTH_CAPACITY,
    COMPUTE_COST,
    BANDWIDTH_COST,
    KAPPA,
    REASONING,
    SLOT,  # its duration, the same for all ASPs
    COMPUTE_PRICE,  # effective prices shown to MUs, the board
    BANDWIDTH_PRICE,
    PROFIT,
    NEWTON_STEPS,
    COMPUTE_SHADOW_PRICE,  # λ and μ, the warm start of best responses
    BANDWIDTH_SHADOW_PRICE,
) = range(13)
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
    SHADOW,
    SIGNAL,
    BASE_EFFICIENCY,
    EFFICIENCY,
    BASE_ACCURACY,
    ACCURACY,
    LATENCY,
) = range(DESCRIBED, DESCRIBED + 13)
LINK_QUANTITIES = LATENCY + 1

#: The fields of a market that the dynamics write, slot by slot.
CHANGING = ("accuracy", "bits_per_token", "desired_tokens", "spectral_efficiency")


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
    "satisfaction_scale": ("mus", OMEGA),
    "qoe_requirement": ("mus", REQUIREMENT),
    "satiation": ("mus", SATIATION),
    "qoe_weights": ("mus", slice(WEIGHT_ACCURACY, WEIGHT_TIMELINESS + 1)),
    "patience": ("mus", PATIENCE),
    "base.desired_tokens": ("mus", BASE_TOKENS),
    "base.bits_per_token": ("mus", BASE_BITS),
    "now.desired_tokens": ("mus", TOKENS),
    "now.bits_per_token": ("mus", BITS),
    "request": ("mus", REQUEST),
    "utility": ("mus", UTILITY),
    "qoe_terms": ("mus", slice(SCORE_ACCURACY, SCORE_TIMELINESS + 1)),
    "compute_capacity": ("asps", COMPUTE_CAPACITY),
    "bandwidth_capacity": ("asps", BANDWIDTH_CAPACITY),
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
    "base_latency": ("links", LATENCY),
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
    lanes.asps[:, SLOT] = lanes.asps[:, SLOT, :1]


def market_of(lanes: Lanes, lane: int | None = None) -> Market:
    """The markets of the current slot, with batch shape (B,), or the one of ``lane``."""
    names = {field: f"now.{field}" if field in CHANGING else field for field in FIELDS}
    every = {field: quantity(lanes, name) for field, name in names.items()}
    return Market(**every if lane is None else {field: array[lane] for field, array in every.items()})


def state_names() -> list[str]:
    """The names of all quantities that the future of the lanes depends on or that can be asked for."""
    changing = [f"now.{field}" for field in CHANGING]
    return [*_PLAYED, "shadow_prices", "request", "streams", *(f"base.{field}" for field in FIELDS), *changing]


def place_of(name: str) -> str:
    """The name of a quantity in the lanes from that in a state, where all of a base market's fields are ``base.…``."""
    field = name.removeprefix("base.")
    return base_of(field) if field in FIELDS else name
