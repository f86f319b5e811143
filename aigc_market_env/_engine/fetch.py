"""Memory of the next lane, asked for while this one is worked on (private).

In a large batch a lane has left the caches by the time that its turn comes again. Processors foresee that memory is
read on and on, but not which few rows of a lane are. Where lanes are few or large, asking costs more than it saves.
"""

import numpy as np

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._engine.process import PROFILE, SHADOWING_DB, TRACED, WALLETS, worth_varies
from aigc_market_env._numerics.cache_lines import LINE, fetch
from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.traces.walk import after_drive_slot

#: Numbers in a cache line.
_WIDTH = LINE // 8
#: Lanes from which on a batch leaves the caches, and links up to which a lane's rows are too short to be foreseen.
_FEWEST_LANES, _MOST_LINKS = 512, 128


@compiled_inner
def fetch_posting(i: int, stop: int, lanes: Lanes, process: FloatArray) -> None:
    """Ask for what MUs' posting touches of lane ``i``, if there is one."""
    if i < stop and _worth_asking(lanes):
        _fetch_rows(i, lanes.mus, at.BOUND, at.BOUND + 1)
        _fetch_rows(i, lanes.links, at.POSTED, at.POSTED + 1)
        if process[WALLETS] > 0.0:
            _fetch_rows(i, lanes.mus, at.MONEY, at.MONEY + 1)


@compiled_inner
def fetch_serving(i: int, stop: int, lanes: Lanes, process: FloatArray) -> None:
    """Ask for what a slot touches of lane ``i``, if there is one, from when rewards are posted to the next slot."""
    if i < stop and _worth_asking(lanes):
        _fetch_rows(i, lanes.asps, 0, at.ASP_QUANTITIES)
        _fetch_rows(i, lanes.mus, at.OMEGA, at.SCORE_TIMELINESS + 1)
        if process[WALLETS] > 0.0:
            _fetch_rows(i, lanes.mus, at.MONEY, at.BASE_OMEGA + 1)
        if worth_varies(process) or process[TRACED] > 0.0:
            _fetch_rows(i, lanes.mus, at.BASE_OMEGA, at.WEIGHT_TIMELINESS + 1)
        _fetch_rows(i, lanes.links, 0, at.EFFICIENCY + 1)
        if process[SHADOWING_DB] > 0.0:
            _fetch_rows(i, lanes.links, at.SHADOW, at.BASE_EFFICIENCY + 1)
        if process[TRACED] > 0.0:
            _fetch_rows(i, lanes.links, at.LATENCY, at.DRIVE_SLOT + 1)


@compiled_inner
def fetch_drives(i: int, stop: int, lanes: Lanes, process: FloatArray) -> None:
    """Ask for what of a trace comes after the slots of drives that the links of lane ``i`` are in, if there is one."""
    if i < stop and _worth_asking(lanes):
        for k in range(lanes.links.shape[2]):
            place = PROFILE + after_drive_slot(lanes.links[i, at.DRIVE_SLOT, k])
            fetch(process, np.uint64(place))


@compiled_inner
def _worth_asking(lanes: Lanes) -> bool:
    return lanes.links.shape[0] >= _FEWEST_LANES and lanes.links.shape[2] <= _MOST_LINKS


@compiled_inner
def _fetch_rows(i: int, array: FloatArray, first: int, stop: int) -> None:
    """Ask for rows ``first … stop - 1`` of lane ``i``; a row need not begin where a cache line does."""
    start = (i * array.shape[1] + first) * array.shape[2]
    for place in range(start, start + (stop - first) * array.shape[2] + _WIDTH - 1, _WIDTH):
        fetch(array, np.uint64(place))
