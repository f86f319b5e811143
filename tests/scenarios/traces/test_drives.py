import numpy as np
import pytest

from aigc_market_env.scenarios import radio
from aigc_market_env.scenarios.traces.drives import (
    EFFICIENCY,
    NEXT,
    ROUND_TRIP,
    drive_slots,
    efficiency_of,
    stretches,
)
from aigc_market_env.scenarios.traces.splits import SPLITS
from aigc_market_env.scenarios.traces.tables import SLOT, tables


@pytest.mark.parametrize("split", SPLITS)
def test_slots_are_means_over_their_seconds_in_order(split):
    slots, length = drive_slots(split), int(SLOT)
    long = [seconds for seconds in stretches(split) if len(seconds) >= length]
    first = 0
    for place, seconds in enumerate(long):
        for start in {0, len(seconds) - length}:
            own = seconds[start : start + length]
            row = slots[first + start]
            assert row[ROUND_TRIP] == pytest.approx(tables()["round_trip"][own].mean() / 1000)
            assert row[EFFICIENCY] == pytest.approx(efficiency_of(tables()["sinr"][own] / 100).mean())
        after = first + len(seconds) - length + 1
        if len(seconds) >= 2 * length:
            assert slots[first, NEXT] == first + length
        assert slots[after - 1, NEXT] == (after if place + 1 < len(long) else 0)
        first = after
    assert first == len(slots)
    assert slots[:, EFFICIENCY].min() >= radio.LOWEST_EFFICIENCY
    assert slots[:, EFFICIENCY].max() <= radio.HIGHEST_EFFICIENCY


def test_stretches_have_no_gap():
    starts = tables()["stretch_start"]
    for split in SPLITS:
        for seconds in stretches(split):
            assert starts[seconds[0]]
            assert not starts[seconds[1:]].any()
            assert len(np.unique(tables()["drive"][seconds])) == 1
