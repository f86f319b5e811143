"""Measured radio: what a link carries and how long it takes, slot by slot of a drive (docs/traces.md#radio)."""

from functools import cache

import numpy as np
import numpy.typing as npt

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import radio
from aigc_market_env.scenarios.traces.splits import Split, drives_of
from aigc_market_env.scenarios.traces.tables import SLOT, tables

# Columns of the slots of a part.
EFFICIENCY, ROUND_TRIP, NEXT = range(3)
COLUMNS = NEXT + 1


@cache
def drive_slots(split: Split) -> FloatArray:
    """All slots of the drives of a part, from every second on that begins a whole one.

    A slot's spectral efficiency, bit/s/Hz, and its round-trip time, s, are means over its seconds. ``NEXT`` is the slot
    after it; after the last whole one of a stretch comes the first of the next stretch, circular. (slots, COLUMNS).
    """
    efficiency = efficiency_of(tables()["sinr"] / 100.0)
    round_trip = tables()["round_trip"] / 1000.0
    length = int(SLOT)
    own = [seconds for seconds in stretches(split) if len(seconds) >= length]
    firsts = np.cumsum([0, *(len(seconds) - length + 1 for seconds in own)])
    parts = []
    for place, seconds in enumerate(own):
        slots = np.arange(firsts[place], firsts[place + 1])
        after = slots + length
        after[after >= firsts[place + 1]] = firsts[place + 1] % firsts[-1]
        means = (np.convolve(row[seconds], np.ones(length) / length, "valid") for row in (efficiency, round_trip))
        parts.append(np.column_stack([*means, after]))
    return np.concatenate(parts)


def stretches(split: Split) -> list[npt.NDArray[np.int64]]:
    """The seconds of every uninterrupted stretch of a drive of the part."""
    drives = drives_of(split, tables()["drive_environment"], tables()["drive_band"])
    every = np.split(np.arange(len(tables()["drive"])), np.flatnonzero(tables()["stretch_start"])[1:])
    return [seconds for seconds in every if tables()["drive"][seconds[0]] in drives]


def efficiency_of(sinr: FloatArray) -> FloatArray:
    """Spectral efficiency, bit/s/Hz, at a signal-to-interference-and-noise ratio in dB; the radio model's."""
    shannon = radio.IMPLEMENTATION * np.log2(1.0 + 10.0 ** (sinr / 10.0))
    efficiency: FloatArray = np.clip(shannon, radio.LOWEST_EFFICIENCY, radio.HIGHEST_EFFICIENCY)
    return efficiency
