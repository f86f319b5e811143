"""Arrays that a copy or a restored pickle may write to (private).

Pickles of protocol 5 may keep arrays outside of themselves. What Ray and joblib restore then lies in their memory: it
cannot be written to, or is written to by all that share it. So whoever writes into its arrays takes copies.
"""

from typing import Any

import numpy as np


def owned(value: Any) -> Any:
    """The same structure of dictionaries, lists and tuples, with every array copied into memory of its own."""
    if isinstance(value, np.ndarray):
        return np.array(value)
    if type(value) is dict:
        return {key: owned(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(owned, value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(owned, value))
    return value


class OwnsArrays:
    """What is restored from a pickle, or copied, has arrays of its own among its attributes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(owned(state))
