"""One random stream per lane of a batch, for use inside compiled loops: SplitMix64.

A NumPy generator cannot be called thousands of times a step from compiled code, one lane after another. So a generator
seeds every lane with 64 bits, and from there the lane's own stream goes on, the same whether the lane is alone or one
of thousands.

Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
"""

import math

import numpy as np
import numpy.typing as npt

from aigc_market_env._compile import compiled, over_markets
from aigc_market_env.market import FloatArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
_UNIT = 2.0**-52  # with the half added below, 53 bits: more would round up to 1


def seed_streams(generators: list[np.random.Generator]) -> npt.NDArray[np.uint64]:
    """The start of one stream per generator. (B,)."""
    return np.array([g.integers(0, 2**64, dtype=np.uint64) for g in generators], dtype=np.uint64)


@compiled
def next_uniform(streams: npt.NDArray[np.uint64], i: int) -> float:
    """Advance lane ``i`` by one number, uniform on the open interval (0, 1)."""
    streams[i] += _GAMMA
    z = streams[i]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    z = z ^ (z >> _S31)
    return (float(z >> _S12) + 0.5) * _UNIT


@compiled
def next_normals(streams: npt.NDArray[np.uint64], i: int) -> tuple[float, float]:
    """Two independent standard normal numbers from lane ``i`` (the polar method: Marsaglia and Bray 1964)."""
    while True:
        x, y = 2.0 * next_uniform(streams, i) - 1.0, 2.0 * next_uniform(streams, i) - 1.0
        square = x * x + y * y
        if 0.0 < square < 1.0:
            scale = math.sqrt(-2.0 * math.log(square) / square)
            return x * scale, y * scale


def uniforms(streams: npt.NDArray[np.uint64], count: int) -> FloatArray:
    """Advance every lane by ``count`` numbers in (0, 1). (B, count)."""
    numbers = np.empty((len(streams), count))
    over_markets(_fill, len(streams), streams, numbers)
    return numbers


@compiled
def _fill(start: int, stop: int, streams: npt.NDArray[np.uint64], numbers: FloatArray) -> None:
    for i in range(start, stop):
        for j in range(numbers.shape[1]):
            numbers[i, j] = next_uniform(streams, i)
