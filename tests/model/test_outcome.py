import numpy as np
import pytest
from hypothesis import given
from markets import games, random_market, random_rewards

from aigc_market_env import follower_response

RESULTS = (
    *("rewards", "compute", "bandwidth", "throughput", "qoe_terms", "qoe", "payment", "mu_utility", "asp_profit"),
    *("asp_cost", "utilisation", "welfare", "service_cost"),
)


def played(market, rewards):
    response = follower_response(market, rewards)
    return market.outcome(rewards, response.compute, response.bandwidth)


def test_a_slot_worked_out_by_hand():
    market = random_market(np.random.default_rng(0), 1, 1, 1.0).replace(
        slot_duration=2.0,
        satisfaction_scale=[10.0],
        qoe_requirement=[0.5],
        qoe_weights=[[0.5, 0.25, 0.25]],
        desired_tokens=[80.0],
        patience=[3.0],
        bits_per_token=[2e6],
        compute_capacity=[100.0],
        bandwidth_capacity=[100.0],
        compute_cost=[0.01],
        bandwidth_cost=[0.02],
        flops_per_token=[0.1],
        reasoning_tokens=[20.0],
        accuracy=[[0.8]],
        spectral_efficiency=[[4.0]],
        base_latency=[[1.0]],
    )
    # κ/f + σ/b = 0.1/4 + 0.5/20 = 0.05 s, so 20 tokens/s, 40 tokens a slot, answered in 1 + 80/20 = 5 s.
    outcome = market.outcome([[6.0]], [[4.0]], [[20.0]])
    terms = [0.5 * 0.8 * 40 / 60, 0.25 * 40 / 120, 0.25 * 3 / 8]
    total = sum(terms)
    assert outcome.throughput[0, 0] == pytest.approx(20)
    assert outcome.qoe_terms[0, 0] == pytest.approx(terms)
    assert outcome.qoe[0, 0] == pytest.approx(total)
    assert outcome.payment[0, 0] == outcome.service_cost[0] == pytest.approx(6 * total)
    assert outcome.mu_utility[0] == pytest.approx(10 * np.log(1 + total / 0.5) - 6 * total)
    assert outcome.asp_cost[0] == pytest.approx(0.44)
    assert outcome.asp_profit[0] == pytest.approx(6 * total - 0.44)
    assert outcome.utilisation[0] == pytest.approx([0.04, 0.2])
    assert outcome.welfare == pytest.approx(10 * np.log(1 + total / 0.5) - 0.44)


@given(games(batch=(5,)))
def test_welfare_is_what_mus_and_asps_gain_together(game):
    market, rewards = game
    outcome = played(market, rewards)
    paid = outcome.payment.sum((-1, -2))
    gains = outcome.mu_utility.sum(-1) + outcome.asp_profit.sum(-1)
    assert (abs(outcome.welfare - gains) <= 1e-13 * (paid + abs(outcome.welfare))).all()


@given(games(batch=(5,)))
def test_quality_is_a_share_made_of_three_terms(game):
    outcome = played(*game)
    assert (outcome.qoe >= 0).all()
    assert (outcome.qoe < 1).all()
    np.testing.assert_allclose(outcome.qoe_terms.sum(-1), outcome.qoe, rtol=1e-15)
    assert (outcome.utilisation <= 1).all()


@given(games(batch=(5,)))
def test_the_outcome_confirms_the_throughput_of_the_response(game):
    market, rewards = game
    response = follower_response(market, rewards)
    outcome = market.outcome(rewards, response.compute, response.bandwidth)
    np.testing.assert_array_equal(outcome.throughput, response.throughput)


@pytest.mark.parametrize("missing", ["compute", "bandwidth"])
def test_without_compute_or_bandwidth_nothing_is_delivered(missing):
    rng = np.random.default_rng(1)
    market = random_market(rng, 3, 2, 1.0)
    use = {
        "compute": market.compute_capacity / 3 * np.ones((3, 2)),
        "bandwidth": market.bandwidth_capacity / 3 * np.ones((3, 2)),
    }
    assert market.outcome(np.ones((3, 2)), **use).qoe.all()
    use[missing] = np.zeros((3, 2))
    outcome = market.outcome(np.ones((3, 2)), **use)
    assert not outcome.qoe.any()
    assert (outcome.asp_profit == -outcome.asp_cost).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (17, 3), (3, 17)])
def test_batches_account_like_single_markets_bit_for_bit(size):
    rng = np.random.default_rng(2)
    market = random_market(rng, *size, 1.0, (4, 50))
    rewards = random_rewards(rng, market)
    response = follower_response(market, rewards)
    together = market.outcome(rewards, response.compute, response.bandwidth)
    for index in np.ndindex(4, 50):
        alone = market[index].outcome(rewards[index], response.compute[index], response.bandwidth[index])
        for name in RESULTS:
            np.testing.assert_array_equal(getattr(together, name)[index], getattr(alone, name), err_msg=name)


def test_rewards_allocations_and_markets_broadcast():
    rng = np.random.default_rng(3)
    market = random_market(rng, 3, 2, 1.0, (4,))
    rewards = random_rewards(rng, market[0], (5, 1))
    compute = 0.1 * market.compute_capacity[:, None, :] * np.ones((4, 3, 2))
    bandwidth = 0.1 * market.bandwidth_capacity.min(0) * np.ones((3, 2))
    together = market.outcome(rewards, compute, bandwidth)
    alone = market[1].outcome(rewards[2, 0], compute[1], bandwidth)
    for name in RESULTS:
        assert getattr(together, name).shape[:2] == (5, 4), name
        np.testing.assert_array_equal(getattr(together, name)[2, 1], getattr(alone, name), err_msg=name)


def test_an_outcome_does_not_change_with_the_arrays_it_was_made_from():
    rng = np.random.default_rng(4)
    market = random_market(rng, 3, 2, 1.0)
    arrays = [random_rewards(rng, market), np.zeros((3, 2)), np.zeros((3, 2))]
    outcome = market.outcome(*arrays)
    before = outcome.rewards.copy()
    for array in arrays:
        array[...] = 99.0
    np.testing.assert_array_equal(outcome.rewards, before)
    assert not outcome.compute.any()
    assert not outcome.bandwidth.any()


@pytest.mark.parametrize("name", ["compute", "bandwidth"])
def test_overbooking_is_refused_by_asp_and_capacity(name):
    market = random_market(np.random.default_rng(5), 3, 2, 1.0, (4,))
    use = {"compute": np.zeros((4, 3, 2)), "bandwidth": np.zeros((4, 3, 2))}
    capacity = getattr(market, f"{name}_capacity")[2, 1]
    use[name][2, :, 1] = capacity / 3
    market.outcome(np.ones((3, 2)), **use)
    use[name][2, 0, 1] += 2e-9 * capacity
    with pytest.raises(
        ValueError, match=rf"{name} allocated by ASP 1 \(batch index \[2\]\) .* above its {name}_capacity"
    ):
        market.outcome(np.ones((3, 2)), **use)


@pytest.mark.parametrize("name", ["rewards", "compute", "bandwidth"])
@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf])
def test_bad_entries_are_refused_by_name_and_index(name, value):
    market = random_market(np.random.default_rng(6), 3, 2, 1.0)
    arrays = {key: np.zeros((3, 2)) for key in ("rewards", "compute", "bandwidth")}
    arrays[name][2, 0] = value
    with pytest.raises(ValueError, match=rf"{name}\[2, 0\] = {value} must be finite and >= 0"):
        market.outcome(**arrays)


@pytest.mark.parametrize("name", ["rewards", "compute", "bandwidth"])
def test_wrong_shapes_are_refused_by_name(name):
    market = random_market(np.random.default_rng(6), 3, 2, 1.0)
    arrays = {key: np.zeros((3, 2)) for key in ("rewards", "compute", "bandwidth")}
    arrays[name] = np.zeros((2, 3))
    with pytest.raises(ValueError, match=rf"{name} has shape \(2, 3\), expected \(\.\.\., 3, 2\)"):
        market.outcome(**arrays)
