import numpy as np
import pytest

from aigc_market_env import Scenario, follower_response
from aigc_market_env.scenarios import PRESETS, radio
from aigc_market_env.scenarios.presets import CAMPUS_PROVIDERS, TOWN_PROVIDERS


@pytest.mark.parametrize(
    ("name", "size"), [("duo", (2, 1)), ("campus", (8, 4)), ("town", (20, 5)), ("random", (8, 4)), ("office", (8, 4))]
)
def test_presets_have_their_sizes(name, size):
    scenario = Scenario.preset(name)
    market = scenario.sample(0)
    assert (scenario.num_mus, scenario.num_asps) == (market.num_mus, market.num_asps) == size
    assert market.batch_shape == ()


def test_these_are_all_presets():
    assert list(PRESETS) == ["duo", "campus", "town", "random", "office", "prepaid"]


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


def test_random_markets_differ_in_everything():
    markets = Scenario.preset("random").sample(0, (50,))
    for name in ("slot_duration", "patience", "bits_per_token", "compute_capacity", "bandwidth_cost", "base_latency"):
        values = getattr(markets, name)
        assert np.unique(values).size == values.size
        assert values.max() / values.min() > 5
