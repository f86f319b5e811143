"""What of the measured tables is for training, and what is held out: time, clients and drives.

Held out are the last quarter of every trace's time, in whole windows of token counts where tokens come by window; of
the clients of a model, ordered by rate, every fourth; and of the drives of an environment and a band every fourth. So
both parts have clients of all rates and drives of all kinds, and no hour, client or drive is in both.
"""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Split = Literal["training", "held_out"]
SPLITS: tuple[Split, ...] = get_args(Split)
_EVERY = 4


def check_split(split: str) -> None:
    """Make sure that there is such a part.

    Raises:
        ValueError: there is none.
    """
    if split not in SPLITS:
        raise ValueError(f"split = {split!r} must be {' or '.join(map(repr, SPLITS))}")


def times_of(split: Split, count: int, window: int = 1) -> slice:
    """Which of ``count`` consecutive times, in windows of some, are of a part."""
    training = (_EVERY - 1) * (count // window) // _EVERY * window
    return slice(0, training) if split == "training" else slice(training, count)


def clients_of(split: Split, model: npt.NDArray[np.integer], rate: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """The clients of a part, model by model and by rate."""
    order = np.lexsort((rate, model))
    return order[_held_out(model[order]) == (split == "held_out")]


def drives_of(split: Split, environment: npt.NDArray[np.str_], band: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """The drives of a part, in order."""
    _, kind = np.unique(np.char.add(environment, band), return_inverse=True)
    return np.flatnonzero(_held_out(kind) == (split == "held_out"))


def _held_out(kind: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Every fourth of each kind, in order."""
    before = np.array([np.count_nonzero(kind[:place] == own) for place, own in enumerate(kind)])
    chosen: npt.NDArray[np.bool_] = before % _EVERY == _EVERY // 2
    return chosen
