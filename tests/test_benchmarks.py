import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    ["throughput", "training_speed", "memory", "growth", "step_profile", "peers", "oracle", "information", "scaling"],
)
def test_benchmarks_find_what_they_import(name):
    """They run by hand, and would only then be found to call something that has another name by now."""
    importlib.import_module(f"benchmarks.{name}")
