import types

import pettingzoo
import pytest

from aigc_market_env import registration
from aigc_market_env.registration import ENVIRONMENT_ID, register_environments

needs_registry = pytest.mark.skipif(not hasattr(pettingzoo, "register"), reason="PettingZoo < 1.27 has no registry")


@needs_registry
def test_import_registers_both_forms():
    assert ENVIRONMENT_ID == "aigc_market_env/market-v0"
    assert ENVIRONMENT_ID in pettingzoo.aec_registry
    assert ENVIRONMENT_ID in pettingzoo.parallel_registry


@needs_registry
@pytest.mark.filterwarnings("error")
def test_registering_again_changes_nothing():
    before = pettingzoo.aec_registry[ENVIRONMENT_ID]
    register_environments()
    assert pettingzoo.aec_registry[ENVIRONMENT_ID] is before


def test_without_a_registry_nothing_is_registered(monkeypatch):
    monkeypatch.setattr(registration, "pettingzoo", types.SimpleNamespace())
    register_environments()
