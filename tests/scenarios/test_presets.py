from dataclasses import replace

import numpy as np
import pytest

from aigc_market_env import Scenario, follower_response
from aigc_market_env.scenarios import PRESETS, radio
from aigc_market_env.scenarios.traces.tables import tables
from aigc_market_env.scenarios.urban import CAMPUS_PROVIDERS, TOWN_PROVIDERS


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("duo", (2, 1)),
        ("campus", (8, 4)),
        ("town", (20, 5)),
        ("random", (8, 4)),
        ("office", (8, 4)),
        ("campus_v1", (8, 4)),
        ("town_v1", (20, 5)),
    ],
)
def test_presets_have_their_sizes(name, size):
    scenario = Scenario.preset(name)
    market = scenario.sample(0)
    assert (scenario.num_mus, scenario.num_asps) == (market.num_mus, market.num_asps) == size
    assert market.batch_shape == ()


def test_these_are_all_presets():
    assert list(PRESETS) == [
        "duo",
        "campus",
        "town",
        "random",
        "office",
        "prepaid",
        "campus_v1",
        "town_v1",
        "traces_v0",
        "traces_v0_replay",
        "traces_v0_held_out",
        "traces_v0_replay_held_out",
    ]


@pytest.mark.parametrize(("name", "providers"), [("campus", CAMPUS_PROVIDERS), ("town", TOWN_PROVIDERS)])
def test_a_market_of_any_size_has_the_same_capacity_per_mu(name, providers):
    """Resizing leaves demand against capacity as it is."""
    total = None
    for num_mus, num_asps in ((len(providers), len(providers)), (40, len(providers)), (7, 3 * len(providers))):
        market = Scenario.preset(name, num_mus=num_mus, num_asps=num_asps).sample(0)
        per_mu = np.array([market.compute_capacity.sum(), market.bandwidth_capacity.sum()]) / num_mus
        total = per_mu if total is None else total
        np.testing.assert_allclose(per_mu, total)


@pytest.mark.parametrize("name", ["campus", "town", "random"])
def test_links_reach_what_real_radio_reaches(name):
    efficiency = Scenario.preset(name).sample(0, (200,)).spectral_efficiency
    assert efficiency.min() >= radio.LOWEST_EFFICIENCY * (1 - 1e-12)
    assert efficiency.max() <= radio.HIGHEST_EFFICIENCY * (1 + 1e-12)
    assert efficiency.std() > 0.5


@pytest.mark.parametrize(("name", "lowest", "highest"), [("campus", 0.05, 0.95), ("town", 0.5, 1.0)])
def test_some_capacities_bind_in_campus_and_most_in_town(name, lowest, highest):
    market = Scenario.preset(name).sample(0, (100,))
    response = follower_response(market, 0.3 * market.reward_bound[..., None] * np.ones(market.num_asps))
    binding = np.mean([response.compute_price > 0, response.bandwidth_price > 0])
    assert lowest < binding < highest


@pytest.mark.parametrize("name", ["campus", "town"])
def test_a_new_version_changes_token_counts_and_fading_alone(name):
    old, new = Scenario.preset(name), Scenario.preset(f"{name}_v1")
    uniforms = np.random.default_rng(0).uniform(1e-9, 1.0, (50, new.num_draws))
    markets, others = new.build(uniforms), old.build(uniforms[:, : old.num_draws])
    assert markets.replace(desired_tokens=others.desired_tokens) == others
    assert replace(new.dynamics, shadowing_correlation=old.dynamics.shadowing_correlation) == old.dynamics
    assert new.dynamics.shadowing_correlation == radio.SLOT_CORRELATION


def test_token_counts_of_the_new_version_are_those_measured():
    measured = np.sort(tables()["conversation_tokens"])
    drawn = np.sort(np.rint(Scenario.preset("campus_v1").sample(0, (5000,)).desired_tokens.ravel()))
    counts = np.arange(1001)
    shares = [np.searchsorted(values, counts, side="right") / len(values) for values in (measured, drawn)]
    assert np.abs(shares[0] - shares[1]).max() < 0.03


def test_random_markets_differ_in_everything():
    markets = Scenario.preset("random").sample(0, (50,))
    for name in ("slot_duration", "patience", "bits_per_token", "compute_capacity", "bandwidth_cost", "base_latency"):
        values = getattr(markets, name)
        assert np.unique(values).size == values.size
        assert values.max() / values.min() > 5
