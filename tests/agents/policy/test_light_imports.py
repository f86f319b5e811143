"""Policies load, act and are evaluated where the library that trains them is not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: Every import of the library fails as if it were not there.
WITHOUT = "import sys; sys.modules['stable_baselines3'] = None\n"
ONE_MARKET = """
from agents import load_policy
from aigc_market_env import market_v0
env = market_v0.parallel_env("campus", max_cycles=1)
observations, _ = env.reset(seed=0)
actions = load_policy("pretrained/campus").act(observations)
assert actions.keys() == observations.keys()
"""
EVERY_MARKET = """
from agents import load_policy
from aigc_market_env import Scenario
market = Scenario.preset("duo").sample(0)
assert load_policy("pretrained/campus-set").act_market(market).shape == market.accuracy.shape
"""
MEASURED = """
from pathlib import Path
from agents.held_out import evaluate_run
assert evaluate_run(Path("pretrained/campus"), count=2).results["8x4"].leaders.leader_regret_relative < 0.1
import evaluate
"""


@pytest.mark.parametrize(
    "program", [ONE_MARKET, EVERY_MARKET, MEASURED], ids=["one market", "every market", "measured"]
)
def test_it_takes_no_training_library(program):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", WITHOUT + program]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
