"""Asking for memory changes nothing."""

import numpy as np

from aigc_market_env._numerics.cache_lines import LINE, fetch
from aigc_market_env._numerics.compile import compiled


@compiled
def fetched_sum(array, first):
    for place in range(first, first + 64):
        fetch(array, np.uint64(place))
    return array.sum()


def test_what_is_asked_for_stays_as_it_is():
    for array in (np.arange(24.0).reshape(2, 3, 4), np.arange(5, dtype=np.float32)):
        kept = array.copy()
        assert fetched_sum(array, 0) == kept.sum()
        assert fetched_sum(array, array.size) == kept.sum()  # beyond its end
        np.testing.assert_array_equal(array, kept)


def test_python_goes_on_without():
    fetch(np.zeros(3), np.uint64(0))
    assert LINE % 8 == 0
