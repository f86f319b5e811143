"""Eight numbers are copied, and no others."""

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env._numerics.eight import copy_eight


@compiled
def copied(source, start, target, place):
    copy_eight(source, start, target, place)


def test_eight_numbers_are_copied_from_anywhere_to_anywhere():
    source = np.arange(30.0).reshape(2, 15)
    for copy in (copied, copy_eight):
        for start in range(8):
            for place in range(4):
                target = np.full(12, -1.0)
                copy(source[1], start, target, place)
                expected = np.full(12, -1.0)
                expected[place : place + 8] = np.arange(15.0 + start, 23.0 + start)
                np.testing.assert_array_equal(target, expected)
