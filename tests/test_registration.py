import types

import gymnasium
import pettingzoo
import pytest

from aigc_market_env import registration, tasks
from aigc_market_env.registration import ENVIRONMENT_ID, LEADER_ID, register_environments

needs_registry = pytest.mark.skipif(not hasattr(pettingzoo, "register"), reason="PettingZoo < 1.27 has no registry")


@needs_registry
def test_import_registers_both_forms():
    assert ENVIRONMENT_ID == "aigc_market_env/market-v0"
    assert ENVIRONMENT_ID in pettingzoo.aec_registry
    assert ENVIRONMENT_ID in pettingzoo.parallel_registry


def test_import_registers_the_leader_with_gymnasium():
    assert LEADER_ID == "aigc_market_env/Leader-v0"
    assert gymnasium.spec(LEADER_ID).max_episode_steps == 64


@needs_registry
@pytest.mark.filterwarnings("error")
def test_registering_again_changes_nothing():
    before = pettingzoo.aec_registry[ENVIRONMENT_ID], gymnasium.registry[LEADER_ID]
    register_environments()
    assert pettingzoo.aec_registry[ENVIRONMENT_ID] is before[0]
    assert gymnasium.registry[LEADER_ID] is before[1]


def test_without_a_registry_gymnasium_is_told_all_the_same(monkeypatch):
    monkeypatch.setattr(registration, "pettingzoo", types.SimpleNamespace())
    monkeypatch.delitem(gymnasium.registry, LEADER_ID)
    register_environments()
    assert LEADER_ID in gymnasium.registry


@needs_registry
@pytest.mark.parametrize("name", registration.TASK_NAMES)
def test_tasks_have_ids_of_their_own(name):
    assert tuple(tasks.names()) == registration.TASK_NAMES
    env = pettingzoo.make("parallel", f"aigc_market_env/{name}", seed=1)
    assert env.unwrapped.scenario == tasks.make(name).scenario
    env = pettingzoo.make("aec", f"aigc_market_env/{name}")
    env.reset(seed=0)
    assert env.observe(env.agent_selection) is not None
