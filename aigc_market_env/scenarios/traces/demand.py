"""Measured demand, window by window: how many ask, and for how many tokens (docs/traces.md#measured-demand)."""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.traces.clients import range_of
from aigc_market_env.scenarios.traces.splits import Split, times_of
from aigc_market_env.scenarios.traces.tables import (
    QUANTILE_LEVELS,
    REQUEST_LOGS,
    SERVICES,
    SLOTS_PER_QUANTILES,
    SLOTS_PER_RATE,
    tables,
)

#: Least load: capacities are divided by it, and stay finite where hardly anybody asks.
LEAST_LOAD = 0.05
#: Equally likely token counts that stand for a table of quantiles.
_VALUES = 200

# Columns of ``Demand.windows``.
(
    LOAD,  # requests per slot, relative to the mean of training
    FIRST_TOKENS,  # where the token counts of its requests begin, and how many there are; none: nobody asks
    COUNT_TOKENS,
    SLOTS,  # how many slots it lasts
    NEXT,  # the window after it, circular
    FIRST_WINDOW,  # those of its service
    COUNT_WINDOWS,
    FIRST_CLIENT,  # in cumulative weights of clients
    LAST_CLIENT,
) = range(9)
COLUMNS = LAST_CLIENT + 1


class Demand(NamedTuple):
    """The demand of one part, of all services one after the other."""

    windows: FloatArray  # (W, COLUMNS)
    tokens: FloatArray  # token counts of requests, window by window
    services: npt.NDArray[np.int64]  # (services,) the first window of each


@cache
def demand_of(split: Split) -> Demand:
    """The demand of a part."""
    windows, tokens, services = list[FloatArray](), list[FloatArray](), list[int]()
    for name in SERVICES:
        first, ahead = sum(map(len, windows)), sum(map(len, tokens))
        own, values = _of_log(name, split) if name in REQUEST_LOGS else _of_model(name, split)
        own[:, FIRST_TOKENS] += ahead
        own[:, NEXT] = first + np.roll(np.arange(len(own)), -1)
        own[:, FIRST_WINDOW], own[:, COUNT_WINDOWS] = first, len(own)
        own[:, FIRST_CLIENT : LAST_CLIENT + 1] = range_of(split, name)
        own[:, LOAD] = np.maximum(own[:, LOAD], LEAST_LOAD)
        windows.append(own)
        tokens.append(values)
        services.append(first)
    return Demand(np.concatenate(windows), np.concatenate(tokens), np.array(services))


def asked_window(split: Split, uniform: FloatArray) -> npt.NDArray[np.int64]:
    """Windows in which somebody asks, of all services equally, from uniform numbers of any shape."""
    found: npt.NDArray[np.int64] = np.searchsorted(_chances(split), uniform, side="right")
    return np.minimum(found, len(demand_of(split).windows) - 1)


@cache
def _chances(split: Split) -> FloatArray:
    """The probability that one of the windows up to each is drawn. (W,)."""
    windows = demand_of(split).windows
    _, service = np.unique(windows[:, FIRST_WINDOW], return_inverse=True)
    asked = windows[:, COUNT_TOKENS] > 0
    chances = asked / np.bincount(service, asked)[service]
    return np.cumsum(chances) / chances.sum()


def _of_log(name: str, split: Split) -> tuple[FloatArray, FloatArray]:
    """Slots of a request log and the tokens of all their requests, in order."""
    counts = tables()[f"{name}_counts"].astype(np.float64)
    ends = np.cumsum(counts).astype(int)
    part = times_of(split, len(counts))
    own = np.zeros((len(counts[part]), COLUMNS))
    own[:, LOAD] = counts[part] / counts[times_of("training", len(counts))].mean()
    own[:, COUNT_TOKENS], own[:, SLOTS] = counts[part], 1
    start = ends[part.start - 1] if part.start else 0
    own[:, FIRST_TOKENS] = ends[part] - counts[part] - start
    return own, np.maximum(tables()[f"{name}_tokens"][start : ends[part.stop - 1]], 1).astype(np.float64)


def _of_model(name: str, split: Split) -> tuple[FloatArray, FloatArray]:
    """Windows of constant rate of a model, and the token counts that stand for its tables of quantiles.

    Gaps of the recording are left out. Between quantiles, logarithms are interpolated.
    """
    rates = tables()[f"{name}_rates"].astype(np.float64)
    per_table = SLOTS_PER_QUANTILES // SLOTS_PER_RATE
    part = times_of(split, len(rates), per_table)
    training = rates[times_of("training", len(rates), per_table)]
    kept = np.flatnonzero(rates[part] >= 0.0)
    table = kept // per_table
    own = np.zeros((len(kept), COLUMNS))
    own[:, LOAD] = rates[part][kept] / training[training >= 0.0].mean()
    own[:, FIRST_TOKENS], own[:, COUNT_TOKENS], own[:, SLOTS] = table * _VALUES, _VALUES, SLOTS_PER_RATE
    quantiles = tables()[f"{name}_quantiles"][part.start // per_table : part.stop // per_table]
    middles = (np.arange(_VALUES) + 0.5) / _VALUES
    logs = np.array([np.interp(middles, QUANTILE_LEVELS, np.log1p(row)) for row in quantiles.astype(np.float64)])
    return own, np.maximum(np.rint(np.expm1(logs)), 1.0).reshape(-1)
