"""Copy eight numbers by one instruction (private).

Of a loop whose length it knows to be eight, the compiler makes eight loads and eight stores.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

_Numbers = npt.NDArray[np.float64]
_EIGHT = ir.VectorType(ir.DoubleType(), 8).as_pointer()
_ALIGNMENT = 8  # bytes; of a number, not of the vector


def copy_eight(source: _Numbers, start: int, target: _Numbers, place: int) -> None:
    """Copy ``source[start : start + 8]`` to ``target[place : place + 8]``; contiguous arrays, unchecked."""
    target[place : place + 8] = source[start : start + 8]


@overload(copy_eight, jit_options={"forceinline": True})
def _copy_eight(source: Any, start: Any, target: Any, place: Any) -> Any:
    def implementation(source: Any, start: Any, target: Any, place: Any) -> None:
        _move(source, start, target, place)  # type: ignore[call-arg]

    return implementation


# Numba gives the first argument, the typing context, by itself.
@intrinsic
def _move(typing_context: Any, source: Any, start: Any, target: Any, place: Any) -> Any:
    return types.void(source, types.int64, target, types.int64), _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    def address(array: int) -> Any:
        data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
        return builder.bitcast(builder.gep(data, [arguments[array + 1]]), _EIGHT)

    builder.store(builder.load(address(0), align=_ALIGNMENT), address(2), align=_ALIGNMENT)
    return context.get_dummy_value()
