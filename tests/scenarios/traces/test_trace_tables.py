import subprocess
import sys

import numpy as np
import pytest

from aigc_market_env.scenarios.traces import tables as module
from aigc_market_env.scenarios.traces.tables import (
    LANGUAGE_MODELS,
    QUANTILE_LEVELS,
    REQUEST_LOGS,
    SLOTS_PER_QUANTILES,
    SLOTS_PER_RATE,
    tables,
)


def test_tables_are_whole_and_fit_one_another():
    found = tables()
    for name in REQUEST_LOGS:
        assert found[f"{name}_counts"].sum() == len(found[f"{name}_tokens"])
    for name in LANGUAGE_MODELS:
        windows = len(found[f"{name}_rates"]) * SLOTS_PER_RATE / SLOTS_PER_QUANTILES
        assert found[f"{name}_quantiles"].shape == (windows, len(QUANTILE_LEVELS))
        assert (np.diff(found[f"{name}_quantiles"].astype(int), axis=1) >= 0).all()
    assert len(found["client_model"]) == 331
    assert len(found["drive_band"]) == found["drive"].max() + 1 == 102
    assert len(found["sinr"]) == len(found["round_trip"]) == len(found["stretch_start"]) == 10321


def test_tables_are_what_was_measured():
    """Figures of the originals, as they were measured on them."""
    found = tables()
    assert found["conversation_counts"].mean() == pytest.approx(55.3, abs=0.1)
    assert np.median(found["conversation_tokens"]) == 129
    assert np.median(found["code_tokens"]) == 13
    assert np.mean(found["sinr"] / 100) == pytest.approx(11.7, abs=0.2)
    assert np.median(found["round_trip"]) == 18
    assert found["m_large_rates"].mean() == pytest.approx(195.84, abs=0.01)


def test_tables_are_small_and_name_their_owners():
    assert module.PATH.stat().st_size < 400 * 1024
    notice = module.PATH.with_name("NOTICE").read_text(encoding="utf-8")
    for word in ("Microsoft", "b469a113", "ServeGen", "f891d118", "Apache License 2.0", "ea215aa9", "17475688"):
        assert word in notice
    assert "Version 2.0, January 2004" in module.PATH.with_name("LICENSE-APACHE").read_text(encoding="utf-8")


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / module.PATH.name
    damaged.write_bytes(module.PATH.read_bytes()[:-1])
    monkeypatch.setattr(module, "PATH", damaged)
    with pytest.raises(OSError, match="damaged; install aigc-market-env again"):
        tables.__wrapped__()


def test_importing_the_package_reads_none_of_it():
    command = (
        "import sys; sys.addaudithook(lambda event, args: event == 'open' and 'tables_v0' in str(args[0]) and exit(3));"
        "import aigc_market_env; aigc_market_env.Scenario.preset('campus').sample(0)"
    )
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
