import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "name",
    sorted(path.stem for path in (Path(__file__).parents[1] / "benchmarks").glob("*.py")),
)
def test_benchmarks_find_what_they_import(name):
    """They run by hand, and would only then be found to call something that has another name by now."""
    if name == "mpec_peer":
        pytest.importorskip("casadi", reason="the MPEC peer needs the extra bench")
    importlib.import_module(f"benchmarks.{name}")
