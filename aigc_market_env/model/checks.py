"""Checks of arrays that users pass in beside a market: shapes, finiteness, signs, capacity."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env.model.parameters import FloatArray, Parameters

#: By how much an allocation may exceed a capacity, relative to it: rounding, not overbooking.
CAPACITY_TOLERANCE = 1e-9
#: Far above the reward bound of any market, and far below what overflows when squared and multiplied.
_LARGEST = 1e90


def link_arrays(market: Parameters, **values: npt.ArrayLike) -> tuple[tuple[int, ...], dict[str, FloatArray]]:
    """Non-negative arrays over links, broadcast against one another and against the market's batch axes.

    Args:
        market: the market, with batch axes (...).
        values: arrays of shape (..., M, N) by name.

    Returns:
        The joint batch shape, and for every name a contiguous float64 array of shape (batch size, M, N), a copy.

    Raises:
        ValueError: a shape does not fit the market, or an entry is negative, not finite or above 1e90.
    """
    links = (market.num_mus, market.num_asps)
    arrays: dict[str, FloatArray] = {}
    for name, value in values.items():
        array = _array_of(value)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{name} must be an array of numbers of shape (..., {links[0]}, {links[1]})")
        array = array.astype(np.float64)
        if array.shape[-2:] != links:
            raise ValueError(f"{name} has shape {array.shape}, expected (..., {links[0]}, {links[1]}) for (MU, ASP)")
        valid = (array >= 0) & (array <= _LARGEST)
        if not valid.all():
            index = tuple(int(i) for i in np.argwhere(~valid)[0])
            limit = f" and at most {_LARGEST:g}" if array[index] > _LARGEST and np.isfinite(array[index]) else ""
            raise ValueError(f"{name}{list(index)} = {array[index]} must be finite and >= 0{limit}")
        arrays[name] = array
    batch = _joint_batch(market, arrays)
    # Copies, because results keep them, and writable, because Numba compiles anew for read-only arrays.
    flat = {
        name: np.array(np.broadcast_to(array, batch + links), order="C").reshape(-1, *links)
        for name, array in arrays.items()
    }
    return batch, flat


def over_links(market: Parameters, name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """What belongs to ASPs, one number or (..., N), as an array over links (..., M, N).

    Raises:
        ValueError: it is not made of numbers, or its shape does not fit the market.
    """
    array = _array_of(value)
    if array.dtype.kind not in "fiu" or (array.ndim and array.shape[-1] not in (1, market.num_asps)):
        raise ValueError(f"{name} must be a number or an array of numbers of shape (..., {market.num_asps})")
    array = array if array.ndim else array[None]
    return np.broadcast_to(array[..., None, :], (*array.shape[:-1], market.num_mus, market.num_asps))


def _array_of(value: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:  # ragged nested lists
        return np.asarray(None)


def market_index(market: Parameters, batch: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """For every element of the joint batch, the market of ``market.flat`` it belongs to."""
    own = np.arange(int(np.prod(market.batch_shape, dtype=np.int64))).reshape(market.batch_shape)
    return np.array(np.broadcast_to(own, batch), order="C").reshape(-1)


def check_capacity(market: Parameters, compute: FloatArray, bandwidth: FloatArray) -> None:
    """Raise a ValueError that names the ASP when an allocation (..., M, N) exceeds a capacity (..., N)."""
    for name, used, capacity in (
        ("compute", compute.sum(axis=-2), market.compute_capacity),
        ("bandwidth", bandwidth.sum(axis=-2), market.bandwidth_capacity),
    ):
        over = np.argwhere(used > capacity * (1 + CAPACITY_TOLERANCE))
        if len(over):
            index = tuple(int(i) for i in over[0])
            limit = np.broadcast_to(capacity, used.shape)[index]
            raise ValueError(
                f"{name} allocated by ASP {index[-1]} (batch index {list(index[:-1])}) is {used[index]:g}, "
                f"above its {name}_capacity {limit:g}"
            )


def _joint_batch(market: Parameters, arrays: Mapping[str, FloatArray]) -> tuple[int, ...]:
    shapes = {name: array.shape[:-2] for name, array in arrays.items()}
    try:
        return np.broadcast_shapes(market.batch_shape, *shapes.values())
    except ValueError:
        raise ValueError(f"batch axes {shapes} do not broadcast with the market's {market.batch_shape}") from None
