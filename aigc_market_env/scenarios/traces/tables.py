"""The measured tables that come with the package, as they were made (docs/make_trace_tables.py); NOTICE says from what.

Nothing is read before somebody asks for them.
"""

import hashlib
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PATH = Path(__file__).with_name("tables_v0.npz")
_DIGEST = "3b868ea2120151f9855da6cc626686c1ece39c5770084ef51cd533a0a8afbe31"

SLOT = 10.0  # s
#: Logs of single requests, Azure LLM inference traces 2023: counts per slot, and every request's tokens.
REQUEST_LOGS = ("conversation", "code")
#: Models of ServeGen: requests per second in windows of 600 s, quantiles of token counts in windows of 6 h.
LANGUAGE_MODELS = ("m_large", "m_mid", "m_small", "deepseek_r1")
SERVICES = (*REQUEST_LOGS, *LANGUAGE_MODELS)
SLOTS_PER_RATE, SLOTS_PER_QUANTILES = 60, 2160
#: Of the quantiles.
QUANTILE_LEVELS = (
    0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0,
)  # fmt: skip


@cache
def tables() -> Mapping[str, npt.NDArray[Any]]:
    """All tables, by name.

    - ``…_counts``, ``…_tokens``: of a request log, requests per slot, and the tokens generated for each in order.
    - ``…_rates`` (W,), ``…_quantiles`` (V, 26): of a model, requests/s per 600 s, -1 where the recording has a gap, and
      tokens generated at :data:`QUANTILE_LEVELS` per 6 h.
    - ``client_model``, ``client_rate``, ``client_variation``: of every client, its model as an index of
      :data:`LANGUAGE_MODELS`, mean requests/s, coefficient of variation of the time between requests.
    - ``sinr``, ``round_trip``, ``drive``, ``stretch_start``: of every second of all drives, hundredths of a dB, ms, the
      drive's index, and whether the second before is of another drive or missing.
    - ``drive_environment``, ``drive_band``: of every drive.

    Raises:
        OSError: the file is not what was made; the package has to be installed again.
    """
    content = PATH.read_bytes()
    if hashlib.sha256(content).hexdigest() != _DIGEST:
        raise OSError(f"{PATH} is damaged; install aigc-market-env again")
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays
