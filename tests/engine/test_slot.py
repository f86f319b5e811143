import pytest

from aigc_market_env._engine.slot import SLICE, num_slices
from aigc_market_env._numerics.compile import over_markets


@pytest.mark.parametrize("slices_per_thread", [1, 4])
@pytest.mark.parametrize("size", [1, 31, 32, 47, 48, 63, 64, 65, 129, 1000])
def test_every_slice_has_scratch_of_its_own(four_threads, size, slices_per_thread):
    rows = []
    over_markets(
        lambda start, stop: rows.append(start // SLICE), size, min_slice=SLICE, slices_per_thread=slices_per_thread
    )
    assert len(set(rows)) == len(rows) > (size >= 2 * SLICE)
    assert 0 <= min(rows) <= max(rows) < num_slices(size)
