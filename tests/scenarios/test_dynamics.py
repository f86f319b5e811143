import numpy as np
import pytest

from aigc_market_env import BatchedMarketEnv, Dynamics, Scenario
from aigc_market_env.scenarios import STATIC, radio
from aigc_market_env.scenarios.dynamics import faded, faded_efficiency, signal_of


def markets_and_shadows(scenario, slots, num_envs=64, seed=0):
    env = BatchedMarketEnv(scenario, num_envs, asps="best_response", max_cycles=None, seed=seed)
    env.reset()
    for _ in range(slots):
        yield env.market, env.state()
        env.step({"mu": np.zeros((num_envs, env.num_mus, env.num_asps))})


@pytest.mark.parametrize(("deviation", "correlation"), [(4.0, 0.9), (2.0, 0.5), (6.0, 0.0), (3.0, 1.0)])
def test_shadows_have_the_deviation_and_correlation_stated(deviation, correlation):
    scenario = Scenario.preset("campus", num_asps=5, dynamics=Dynamics(deviation, correlation))  # odd: normals in pairs
    shadows = np.stack([state["shadow"] for _, state in markets_and_shadows(scenario, 12, 250)])
    links = shadows[0].size
    for shadow in shadows[[0, 1, 11]]:  # stationary from the first slot on
        assert abs(shadow.mean()) < 4 * deviation / np.sqrt(links)
        assert abs(shadow.std() / deviation - 1) < 4 / np.sqrt(2 * links)
    for lag in (1, 3):
        measured = np.corrcoef(shadows[5].ravel(), shadows[5 + lag].ravel())[0, 1]
        assert abs(measured - correlation**lag) < 4 / np.sqrt(links)
    # Links are independent of one another, and so are lanes.
    across = np.corrcoef(shadows[0].reshape(250, -1), rowvar=False)
    np.fill_diagonal(across, 0.0)
    assert np.abs(across).max() < 5 / np.sqrt(250)


def test_efficiency_is_the_base_markets_with_the_signal_shifted():
    scenario = Scenario.preset("campus", dynamics=Dynamics(8.0))
    for market, state in markets_and_shadows(scenario, 4):
        base = state["base.spectral_efficiency"]
        snr = (2 ** (base / radio.IMPLEMENTATION) - 1) * 10 ** (state["shadow"] / 10)
        expected = np.clip(radio.IMPLEMENTATION * np.log2(1 + snr), radio.LOWEST_EFFICIENCY, radio.HIGHEST_EFFICIENCY)
        np.testing.assert_allclose(market.spectral_efficiency, expected, rtol=1e-12)
        assert market.spectral_efficiency.min() >= radio.LOWEST_EFFICIENCY
        assert market.spectral_efficiency.max() <= radio.HIGHEST_EFFICIENCY


@pytest.mark.parametrize("efficiency", [1e-6, 0.1, 0.2344, 1.0, 5.0, 7.4063, 12.0, 100.0])
def test_no_shadow_changes_nothing_and_no_shadow_leaves_the_range(efficiency):
    assert faded(efficiency, signal_of(efficiency), 0.0) == pytest.approx(efficiency, rel=1e-9)
    lowest, highest = min(efficiency, radio.LOWEST_EFFICIENCY), max(efficiency, radio.HIGHEST_EFFICIENCY)
    shadows = np.linspace(-60, 60, 41)
    reached = [faded(efficiency, signal_of(efficiency), shadow) for shadow in shadows]
    assert (np.diff(reached) >= 0).all()
    assert lowest <= min(reached) <= max(reached) <= highest
    assert reached[0] < highest
    assert (min(reached), max(reached)) == (lowest, highest) or efficiency in (1e-6, 100.0)


def test_without_shadowing_the_market_stays():
    first = None
    for market, state in markets_and_shadows(Scenario.preset("random", dynamics=STATIC), 4, 8):
        first = first or market
        assert market == first
        assert not state["shadow"].any()


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_a_request_is_that_of_some_mu_of_the_base_market(probability):
    scenario = Scenario.preset("random", dynamics=Dynamics(request_probability=probability))
    previous, changed, drawn = None, [], []
    for market, state in markets_and_shadows(scenario, 12, 100):
        request = state["request"].astype(int)
        lanes = np.arange(100)[:, None]
        for field in ("accuracy", "desired_tokens", "bits_per_token"):
            assert np.array_equal(getattr(market, field), state[f"base.{field}"][lanes, request])
        for field in ("qoe_weights", "satisfaction_scale", "base_latency", "patience", "compute_capacity"):
            assert np.array_equal(getattr(market, field), state[f"base.{field}"])
        if previous is None:
            assert (request == np.arange(8)).all()
        else:
            changed.append(request != previous)
            drawn.append(request)
        previous = request
    # One redraw in eight hits the request that there was.
    trials = np.size(changed)
    expected = probability * 7 / 8
    assert abs(np.mean(changed) - expected) <= 4 * np.sqrt(expected * (1 - expected) / trials)
    if probability == 1.0:
        share = np.bincount(np.ravel(drawn), minlength=8) / trials
        assert np.abs(share - 1 / 8).max() < 4 * np.sqrt(1 / 8 * 7 / 8 / trials)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"shadowing_db": -1.0}, "shadowing_db = -1.0"),
        ({"shadowing_db": np.nan}, "shadowing_db = nan"),
        ({"shadowing_db": np.inf}, "shadowing_db = inf"),
        ({"shadowing_correlation": 1.1}, "shadowing_correlation = 1.1"),
        ({"shadowing_correlation": -0.1}, "shadowing_correlation = -0.1"),
        ({"request_probability": np.nan}, "request_probability = nan"),
        ({"request_probability": 2}, "request_probability = 2"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Dynamics(**parameters)


def test_fading_of_an_array_is_that_of_its_entries():
    rng = np.random.default_rng(0)
    efficiency, shadow = rng.uniform(0.2, 5, (2, 3, 4)), rng.normal(0, 6, (2, 3, 4))
    pairs = zip(efficiency.ravel(), shadow.ravel(), strict=True)
    expected = [faded(base, signal_of(base), shift) for base, shift in pairs]
    np.testing.assert_array_equal(faded_efficiency(efficiency, shadow).ravel(), expected)
