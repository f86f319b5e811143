"""How the time of a best-response slot grows with the market."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from aigc_market_env import Scenario
from benchmarks.loops import BatchedLoop
from benchmarks.turns import Play, Turns, rate_of

#: MUs and ASPs; the first are those of the preset.
SIZES = ((8, 4), (16, 5), (24, 8), (40, 10), (64, 14), (100, 20))
#: Markets side by side, as many for every size.
LANES = 256


def name_of(size: tuple[int, int]) -> str:
    """The contender's name."""
    return f"{size[0]} x {size[1]}"


def makers() -> dict[str, Callable[[], Play]]:
    """Contenders that play batches of campus markets of each size; their rates are slots per second."""

    def make(size: tuple[int, int]) -> Play:
        loop = BatchedLoop(LANES, "best_response", Scenario.preset("campus", num_mus=size[0], num_asps=size[1]))
        return lambda seconds: rate_of(loop.step, seconds) * LANES

    return {name_of(size): partial(make, size) for size in SIZES}


def exponents(turns: Turns) -> list[float]:
    """Slope of log time against log M·N, one least-squares fit a turn."""
    links = np.log([m * n for m, n in SIZES])
    rates = np.array([turns.rates[name_of(size)] for size in SIZES])
    return [float(slope) for slope in np.polyfit(links, -np.log(rates), 1)[0]]


def since_first(medians: Sequence[float]) -> list[float]:
    """Slope between the first size and each other, from slots per second."""
    first = SIZES[0][0] * SIZES[0][1]
    return [
        float(np.log(medians[0] / median) / np.log(m * n / first))
        for (m, n), median in zip(SIZES[1:], medians[1:], strict=True)
    ]
