"""One random stream per lane of a batch, for use inside compiled loops: SplitMix64.

A NumPy generator cannot be called thousands of times a step from compiled code, one lane after another. So a generator
seeds every lane with 64 bits, and from there the lane's own stream goes on, the same whether the lane is alone or one
of thousands.

Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
"""

import math

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, compiled_inner, over_markets
from aigc_market_env._numerics.elementary import cos_sin, log
from aigc_market_env.model.parameters import FloatArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
# 52 bits after the leading 1 of a number in [1, 2), less this, lie in the middle of 2^52 intervals between 0 and 1.
_ONE, _BELOW_ONE = np.uint64(0x3FF0000000000000), 1.0 - 2.0**-53


def seed_streams(generators: list[np.random.Generator]) -> npt.NDArray[np.uint64]:
    """The start of one stream per generator. (B,)."""
    return np.array([g.integers(0, 2**64, dtype=np.uint64) for g in generators], dtype=np.uint64)


@compiled_inner
def _number(state: np.uint64) -> float:
    """The number, uniform on the open interval (0, 1), that a stream in this state gives."""
    z = (state ^ (state >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    z = z ^ (z >> _S31)
    return np.uint64((z >> _S12) | _ONE).view(np.float64) - _BELOW_ONE


@compiled_inner
def next_uniform(streams: npt.NDArray[np.uint64], i: int) -> float:
    """Advance lane ``i`` by one number, uniform on the open interval (0, 1)."""
    streams[i] += _GAMMA
    return _number(streams[i])


@compiled_inner
def fill_uniforms(streams: npt.NDArray[np.uint64], i: int, numbers: FloatArray) -> None:
    """Advance lane ``i`` by as many numbers as fill an array, which are those of :func:`next_uniform`."""
    state = streams[i]
    for k in range(numbers.shape[0]):
        numbers[k] = _number(state + np.uint64(k + 1) * _GAMMA)
    streams[i] = state + np.uint64(numbers.shape[0]) * _GAMMA


@compiled_inner
def take_back(streams: npt.NDArray[np.uint64], i: int, count: int) -> None:
    """Have the last ``count`` numbers of lane ``i`` come again."""
    streams[i] -= np.uint64(count) * _GAMMA


@compiled_inner
def fill_normals(streams: npt.NDArray[np.uint64], i: int, numbers: FloatArray) -> None:
    """Advance lane ``i`` by independent standard normal numbers, as many as fill an array of even length.

    The method of Box and Muller (1958): unlike others it has no branches, so that this loop is vector code.
    """
    half, state = numbers.shape[0] // 2, streams[i]
    for k in range(half):
        before = state + np.uint64(2 * k) * _GAMMA
        radius = math.sqrt(-2.0 * log(_number(before + _GAMMA)))
        cosine, sine = cos_sin(_number(before + _GAMMA + _GAMMA))
        numbers[k], numbers[half + k] = radius * cosine, radius * sine
    streams[i] = state + np.uint64(2 * half) * _GAMMA


def uniforms(streams: npt.NDArray[np.uint64], count: int) -> FloatArray:
    """Advance every lane by ``count`` numbers in (0, 1). (B, count)."""
    numbers = np.empty((len(streams), count))
    over_markets(_fill, len(streams), streams, numbers)
    return numbers


def skip(streams: npt.NDArray[np.uint64], count: int) -> None:
    """Advance every lane as :func:`uniforms` does, without the numbers."""
    streams += np.uint64(count * int(_GAMMA) % 2**64)


@compiled
def _fill(start: int, stop: int, streams: npt.NDArray[np.uint64], numbers: FloatArray) -> None:
    for i in range(start, stop):
        for j in range(numbers.shape[1]):
            numbers[i, j] = next_uniform(streams, i)
