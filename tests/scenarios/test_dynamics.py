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


# Worth and load ------------------------------------------------------------------------------------------------------


def worths(dynamics, slots, num_envs=250):
    """ω over that of the base market, (slots, num_envs, M)."""
    found = [
        market.satisfaction_scale / state["base.satisfaction_scale"]
        for market, state in markets_and_shadows(Scenario.preset("campus", dynamics=dynamics), slots, num_envs)
    ]
    return np.stack(found)


@pytest.mark.parametrize(("deviation", "correlation"), [(0.5, 0.8), (3.0, 0.0), (0.2, 1.0)])
def test_worth_has_the_deviation_and_correlation_stated(deviation, correlation):
    logs = np.log(worths(Dynamics(worth_deviation=deviation, worth_correlation=correlation), 8))
    count = logs[0].size
    for log in logs[[0, 1, 7]]:  # stationary from the first slot on
        assert abs(log.mean()) < 4 * deviation / np.sqrt(count)
        assert abs(log.std() / deviation - 1) < 4 / np.sqrt(2 * count)
    for lag in (1, 3):
        assert abs(np.corrcoef(logs[2].ravel(), logs[2 + lag].ravel())[0, 1] - correlation**lag) < 4 / np.sqrt(count)
    across = np.corrcoef(logs[0], rowvar=False)
    np.fill_diagonal(across, 0.0)
    assert np.abs(across).max() < 5 / np.sqrt(250)


@pytest.mark.parametrize(("probability", "slots"), [(0.1, 4.0), (0.5, 1.0), (1.0, 3.0)])
def test_requests_become_urgent_and_usual_again_as_often_as_stated(probability, slots):
    worth = worths(Dynamics(urgent_probability=probability, urgent_factor=4.0, urgent_slots=slots), 12)
    assert (np.isclose(worth, 1.0) | np.isclose(worth, 4.0)).all()
    urgent = worth > 2.0
    share = probability / (probability + 1 / slots)
    for now in urgent[[0, 1, 11]]:
        assert abs(now.mean() - share) < 4 * np.sqrt(share * (1 - share) / now.size)
    before, after = urgent[:-1], urgent[1:]
    for state, expected in ((False, probability), (True, 1 / slots)):
        changed = after[before == state] != state
        assert abs(changed.mean() - expected) <= 4 * np.sqrt(expected * (1 - expected) / changed.size)


def test_load_follows_the_profile_from_anywhere_in_it():
    profile = (0.5, 1.0, 4.0)
    loads = []
    for market, state in markets_and_shadows(
        Scenario.preset("campus", dynamics=Dynamics(load_profile=profile)), 7, 300
    ):
        load = state["base.compute_capacity"] / market.compute_capacity
        np.testing.assert_allclose(state["base.bandwidth_capacity"] / market.bandwidth_capacity, load, rtol=1e-12)
        assert (load == load[:, :1]).all()
        loads.append(load[:, 0])
    places = np.stack([[profile.index(load) for load in slot] for slot in loads])
    assert (np.diff(places, axis=0) % 3 == 1).all()
    assert np.abs(np.bincount(places[0]) / 300 - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 300)


def test_what_comes_first_is_as_without_what_is_off():
    """Markets and shadows draw from streams of their own, or before all else."""
    usual = next(markets_and_shadows(Scenario.preset("campus"), 1))[0]
    same = next(markets_and_shadows(Scenario.preset("campus", dynamics=Dynamics(urgent_factor=9.0)), 1))[0]
    assert usual == same


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_a_market_at_the_end_of_its_range_stays_within(scale):
    market = Scenario.preset("duo").sample(0).replace(satisfaction_scale=[scale, 1.0], compute_capacity=[scale])
    dynamics = Dynamics(worth_deviation=3.0, urgent_probability=0.5, urgent_factor=1e6, load_profile=(1e-6, 1e6))
    env = BatchedMarketEnv(Scenario.fixed(market, dynamics=dynamics), 8, asps="best_response", seed=0)
    env.reset()
    for _ in range(4):
        assert env.market.batch_shape == (8,)
        env.step({"mu": np.zeros((8, 2, 1))})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"worth_deviation": 3.1}, "worth_deviation = 3.1 must be from 0 to 3"),
        ({"worth_deviation": -0.1}, "worth_deviation = -0.1"),
        ({"worth_correlation": 1.5}, "worth_correlation = 1.5"),
        ({"urgent_probability": -0.5}, "urgent_probability = -0.5"),
        ({"urgent_factor": 0.0}, "urgent_factor = 0.0"),
        ({"urgent_slots": 0.5}, "urgent_slots = 0.5 must be at least 1"),
        ({"load_profile": [1.0]}, r"load_profile = \[1.0\] must be a tuple"),
        ({"load_profile": (1.0, 0.0)}, r"load_profile\[1\] = 0.0"),
        ({"load_profile": ("much",)}, r"load_profile\[0\] = 'much'"),
    ],
)
def test_demand_out_of_range_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Dynamics(**parameters)
