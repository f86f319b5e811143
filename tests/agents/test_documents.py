import json

import pytest

from agents.config import LeaderConfig
from agents.documents import as_document, config_of
from aigc_market_env.scenarios import PRESETS


@pytest.mark.parametrize("name", ["campus", "prepaid", "traces_v0", "traces_v0_replay_held_out"])
def test_dynamics_survive_a_file(name):
    config = LeaderConfig(scenario=name, dynamics=PRESETS[name].dynamics)
    assert config_of(json.loads(json.dumps(as_document(config)))) == config
