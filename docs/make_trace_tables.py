"""Makes the tables of measured demand and radio that come with the package, from the published data sets.

python docs/make_trace_tables.py FOLDER

FOLDER holds three folders of CSV files; NOTICE, beside the tables, says whose they are, their commits and licences:

- ``azure_llm_2023``: ``AzureLLMInferenceTrace_conv.csv`` and ``…_code.csv`` from ``data/`` of Azure/AzurePublicDataset.
- ``servegen``: of alibaba/ServeGen, the requests per second of all clients of a model together in windows of 600 s
  (``rate_….csv``), quantiles of token counts per model in windows of 6 h (``token_quantiles.csv``), and every
  client's mean rate and coefficient of variation of the time between its requests (``clients.csv``).
- ``cicv5g``: of zxr805/CICV5G, all drives at 1 Hz (``cicv5g_1hz.csv``): SINR and round-trip time.

The same files give the same bytes; the digest printed is that which ``tables.py`` checks.
"""

import csv
import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env.files import write_whole
from aigc_market_env.scenarios.traces.tables import LANGUAGE_MODELS, PATH, QUANTILE_LEVELS, REQUEST_LOGS, SLOT

_LOGS = {"conversation": "AzureLLMInferenceTrace_conv.csv", "code": "AzureLLMInferenceTrace_code.csv"}
_MODELS = {
    "m_large": "language/m-large",
    "m_mid": "language/m-mid",
    "m_small": "language/m-small",
    "deepseek_r1": "reason/deepseek-r1",
}
_WINDOWS_PER_QUANTILES = 36  # 600 s in 6 h


def main(folder: Path) -> None:
    """Write the tables, and print their size and digest."""
    arrays = azure(folder / "azure_llm_2023") | servegen(folder / "servegen") | cicv5g(folder / "cicv5g")
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    content = packed.getvalue()
    write_whole(PATH, content)
    sys.stdout.write(f"{PATH.name}: {len(content):,} bytes, {hashlib.sha256(content).hexdigest()}\n")


def azure(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Generated tokens of all requests in order of arrival, and requests per slot; the last, partial slot is cut."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in REQUEST_LOGS:
        rows = _rows(folder / _LOGS[name])
        times = np.array([row["TIMESTAMP"].replace(" ", "T") for row in rows], "datetime64[ns]")
        slots = (times - times[0]) // np.timedelta64(round(1e9 * SLOT), "ns")
        counts = np.bincount(slots.astype(np.int64))[:-1]
        arrays[f"{name}_counts"] = counts.astype(np.uint16)
        arrays[f"{name}_tokens"] = np.array([int(row["GeneratedTokens"]) for row in rows], np.uint16)[: counts.sum()]
    return arrays


def servegen(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Rates per 600 s, quantiles of output tokens per 6 h, and clients; of models with both.

    Windows without any request of a fleet's are gaps of the recording, and -1.
    """
    quantiles = [row for row in _rows(folder / "token_quantiles.csv") if row["field"] == "output_tokens"]
    clients = _rows(folder / "clients.csv")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in LANGUAGE_MODELS:
        rows = _rows(folder / f"rate_{_MODELS[name].replace('/', '_')}.csv")
        rates = np.array([float(row["requests_per_second"]) for row in rows], np.float32)
        arrays[f"{name}_rates"] = np.where(rates > 0.0, rates, np.float32(-1.0))
        own = [row for row in quantiles if row["model"] == _MODELS[name]]
        assert len(rows) == _WINDOWS_PER_QUANTILES * len(own), f"{name}: quantiles do not cover the rates"
        table = [[float(row[f"q{100 * level:g}"]) for level in QUANTILE_LEVELS] for row in own]
        arrays[f"{name}_quantiles"] = np.rint(table).astype(np.uint16)
    arrays["client_model"] = np.array([list(_MODELS.values()).index(row["model"]) for row in clients], np.uint8)
    arrays["client_rate"] = np.array([float(row["mean_rate_per_s"]) for row in clients], np.float32)
    arrays["client_variation"] = np.array([float(row["interarrival_cv"]) for row in clients], np.float32)
    return arrays


def cicv5g(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """SINR in hundredths of a dB and round-trip time in ms of all drives, second by second.

    ``stretch_start`` is true where a drive begins, or goes on after seconds that are missing.
    """
    rows = _rows(folder / "cicv5g_1hz.csv")
    runs = [row["run"] for row in rows]
    names = list(dict.fromkeys(runs))
    numbers = {name: number for number, name in enumerate(names)}
    drive = np.array([numbers[run] for run in runs])
    second = np.array([float(row["s"]) for row in rows])
    kind = {row["run"]: (row["environment"], row["band"]) for row in rows}
    return {
        "sinr": np.rint(100 * np.array([float(row["sinr"]) for row in rows])).astype(np.int16),
        "round_trip": np.rint([float(row["rtt_ms"]) for row in rows]).astype(np.uint16),
        "drive": drive.astype(np.uint8),
        "stretch_start": np.concatenate([[True], (np.diff(second) != 1.0) | (np.diff(drive) != 0)]),
        "drive_environment": np.array([kind[name][0] for name in names]),
        "drive_band": np.array([kind[name][1] for name in names]),
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
