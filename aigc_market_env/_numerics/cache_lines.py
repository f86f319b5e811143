"""Ask a processor for memory before it is needed (private)."""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

#: Bytes that come from memory together, on all processors that matter; on others more is asked for than is needed.
LINE = 64

_NUMBER, _ADDRESS = ir.IntType(32), ir.IntType(8).as_pointer()
_PREFETCH = ir.FunctionType(ir.VoidType(), [_ADDRESS, _NUMBER, _NUMBER, _NUMBER])


def fetch(array: npt.NDArray[Any], place: np.uint64) -> None:
    """Ask for the cache line of an entry of a contiguous array, counted as if the array were flat.

    Compiled code goes on without waiting for it; it need not be an entry of the array. Python does nothing.
    """


@overload(fetch, jit_options={"forceinline": True})
def _fetch(array: Any, place: Any) -> Any:
    def implementation(array: Any, place: Any) -> None:
        _prefetch(array, place)  # type: ignore[call-arg]

    return implementation


# Numba gives the first argument, the typing context, by itself.
@intrinsic
def _prefetch(typing_context: Any, array: Any, place: Any) -> Any:
    return types.void(array, types.uint64), _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    address = builder.bitcast(builder.gep(data, [arguments[1]]), _ADDRESS)
    name = f"llvm.prefetch.{_ADDRESS.intrinsic_name}"
    function = builder.module.globals.get(name) or ir.Function(builder.module, _PREFETCH, name)
    read, every_level, data_cache = map(_NUMBER, (0, 3, 1))
    builder.call(function, [address, read, every_level, data_cache])
    return context.get_dummy_value()
