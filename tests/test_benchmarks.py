import importlib
from pathlib import Path

import pytest

from benchmarks.checkouts import Checkout


@pytest.mark.parametrize(
    "name",
    sorted(path.stem for path in (Path(__file__).parents[1] / "benchmarks").glob("*.py")),
)
def test_benchmarks_find_what_they_import(name):
    """They run by hand, and would only then be found to call something that has another name by now."""
    if name == "mpec_peer":
        pytest.importorskip("casadi", reason="the MPEC peer needs the extra bench")
    importlib.import_module(f"benchmarks.{name}")


def test_checkouts_are_compared_job_by_job(tmp_path):
    """What the other checkout cannot do is told, and takes nothing else with it."""
    with pytest.raises(ValueError, match="checkout of this repository"):
        Checkout(tmp_path)
    with Checkout(Path(__file__).parents[1]) as here:
        with pytest.raises(RuntimeError, match="KeyError: 'nowhere'"):
            here.play("solve/nowhere", 0.0)
        assert here.play("solve/campus", 0.0) > 0.0
