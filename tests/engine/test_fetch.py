"""Large batches, whose lanes are asked for ahead, step as small ones do."""

import numpy as np
import pytest

from aigc_market_env import Dynamics, Scenario, Wallet
from aigc_market_env._engine.engine import Engine
from aigc_market_env._engine.fetch import _FEWEST_LANES

SCENARIOS = {
    "campus": Scenario.preset("campus"),
    "wallets": Scenario.preset("campus", wallet=Wallet(1.0, 0.2, 2.0)),
    "worth": Scenario.preset("campus", dynamics=Dynamics(worth_deviation=0.5, urgent_probability=0.2)),
    "traces": Scenario.preset("traces_v0", num_mus=3, num_asps=2),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_lane_is_the_same_in_a_batch_of_any_size(name):
    scenario, rng = SCENARIOS[name], np.random.default_rng(0)
    m, n = scenario.num_mus, scenario.num_asps
    large, small = Engine(scenario, _FEWEST_LANES), Engine(scenario, 3)
    large.reset(range(_FEWEST_LANES))
    small.reset(range(_FEWEST_LANES - 3, _FEWEST_LANES))
    for _ in range(5):
        rewards, shares = rng.random((_FEWEST_LANES, m, n)), 0.4 * rng.random((_FEWEST_LANES, n, 2, m))
        for engine, own in ((large, slice(None)), (small, slice(-3, None))):
            engine.post(rewards[own])
            engine.serve(shares[own])
            engine.trade(rewards[own])
    states = large.state(), small.state()
    for key, array in states[1].items():
        np.testing.assert_array_equal(states[0][key][-3:], array, err_msg=key)
