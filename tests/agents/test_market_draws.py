"""Markets that policies for every market learn from, as slots show them."""

import numpy as np
import pytest

from agents.market_draws import MarketDistribution
from aigc_market_env.scenarios.traces.drives import EFFICIENCY, drive_slots
from aigc_market_env.scenarios.traces.walk import NOT_ASKING

TRACE = MarketDistribution("traces_v0", num_mus=(6, 6), num_asps=(2, 2))


def sampled(distribution, seed=0):
    return distribution.sample(np.random.default_rng(seed), links=12 * 400)


def efficiencies(split):
    return drive_slots(split)[:, EFFICIENCY]


def test_markets_of_a_trace_are_slots_of_it():
    market = sampled(TRACE)
    asking = market.satisfaction_scale > 1e3 * NOT_ASKING
    assert market.batch_shape == (400,)
    assert 0.5 < asking.mean() < 0.95
    assert (~asking.any(axis=1)).any()  # slots of a log without requests
    assert np.isin(market.spectral_efficiency, efficiencies("training")).all()
    same = sampled(TRACE)
    assert market == same != sampled(TRACE, seed=1)


def test_what_is_held_out_of_a_trace_is_not_drawn_in_training():
    assert TRACE.held_out.scenario == "traces_v0_held_out"
    market = sampled(TRACE.held_out)
    assert np.isin(market.spectral_efficiency, efficiencies("held_out")).all()
    assert np.isin(market.spectral_efficiency, efficiencies("training")).mean() < 0.6  # some slots are alike
    assert MarketDistribution().held_out == MarketDistribution()


def test_a_trace_says_what_the_load_is_unless_it_is_asked_for():
    assert MarketDistribution().load_range == (0.3, 3.0)
    assert TRACE.load_range == (1.0, 1.0)
    assert TRACE.describe() == "traces_v0 markets of 6x2 to 6x2, loads as measured"
    once, twice = (
        sampled(MarketDistribution("traces_v0", (6, 6), (2, 2), loads=loads)) for loads in (None, (2.0, 2.0))
    )
    for capacity in ("compute_capacity", "bandwidth_capacity"):
        np.testing.assert_allclose(getattr(once, capacity), 2.0 * getattr(twice, capacity))
    assert np.ptp(np.log(once.compute_capacity[:, 0])) > 1.0


def test_loads_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"loads = \(3.0, 0.3\)"):
        MarketDistribution(loads=(3.0, 0.3))
