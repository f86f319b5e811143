import numpy as np
import pytest
from markets import preset_market
from scipy.optimize import brentq, minimize

from aigc_market_env import Market, Scenario, follower_response
from aigc_market_env.equilibrium import solve_equilibrium

LOADS = (0.05, 0.3, 1.0, 3.0, 8.0)


def simple_market(num_mus: int = 1, num_asps: int = 1, **changes) -> Market:
    """Identical MUs and ASPs, token count as the only QoE term, capacities far away."""
    m, n = num_mus, num_asps
    fields = {
        "slot_duration": 10.0,
        "satisfaction_scale": np.full(m, 10.0),
        "qoe_requirement": np.full(m, 0.5),
        "qoe_weights": np.tile([0.0, 1.0, 0.0], (m, 1)),
        "desired_tokens": np.full(m, 200.0),
        "patience": np.full(m, 5.0),
        "bits_per_token": np.full(m, 1e5),
        "compute_capacity": np.full(n, 1e6),
        "bandwidth_capacity": np.full(n, 1e6),
        "compute_cost": np.full(n, 0.2),
        "bandwidth_cost": np.full(n, 0.3),
        "flops_per_token": np.full(n, 0.02),
        "reasoning_tokens": np.full(n, 100.0),
        "accuracy": np.full((m, n), 0.8),
        "spectral_efficiency": np.full((m, n), 2.0),
        "base_latency": np.full((m, n), 0.1),
    }
    return Market(**(fields | changes))


def test_one_pair_by_hand():
    # Q = x/(x + k), k = 20 tokens/s. Follower: r k/(x + k)² = C, so x = √(rk/C) - k, Q = 1 - √(Ck/r), and with
    # g = √(Ck), dQ/dr = g/(2 r^1.5). Leader: (ω/(q + Q) - r) dQ/dr = Q.
    k, sigma = 20.0, 1e5 / 2e6
    cost = (np.sqrt(0.2 * 0.02) + np.sqrt(0.3 * sigma)) ** 2
    g = np.sqrt(cost * k)

    def condition(r: float) -> float:
        q = 1.0 - g / np.sqrt(r)
        return (10.0 / (0.5 + q) - r) * g / (2.0 * r**1.5) - q

    by_hand = brentq(condition, g * g, 20.0, xtol=1e-14)
    found = solve_equilibrium(simple_market())
    assert found.certificate.converged
    assert found.rewards[0, 0] == pytest.approx(by_hand, rel=1e-9)
    assert found.outcome.qoe[0, 0] == pytest.approx(1.0 - g / np.sqrt(by_hand), rel=1e-9)


@pytest.mark.parametrize("capacity", [1e6, 0.3])
def test_identical_mus_are_treated_alike(capacity):
    found = solve_equilibrium(simple_market(2, 1, compute_capacity=[capacity]))
    assert found.certificate.converged
    assert found.rewards[0] == pytest.approx(found.rewards[1], rel=1e-9)
    assert found.outcome.throughput[0] == pytest.approx(found.outcome.throughput[1], rel=1e-9)


def test_leaders_decouple_without_a_binding_capacity():
    several = simple_market(3, 1, satisfaction_scale=[5.0, 10.0, 20.0], patience=[1.0, 5.0, 9.0])
    together = solve_equilibrium(several).rewards
    for m in range(3):
        alone = simple_market(1, 1, satisfaction_scale=several.satisfaction_scale[m : m + 1])
        assert solve_equilibrium(alone).rewards[0] == pytest.approx(together[m], rel=1e-9)


def test_prohibitive_costs_leave_nothing():
    market = preset_market(0, 5, 3, 1.0)
    found = solve_equilibrium(market.replace(compute_cost=np.full(3, 1e9)))
    assert not found.outcome.throughput.any()
    assert not found.outcome.mu_utility.any()
    assert not found.certificate.leader_regret.any()
    assert found.certificate.converged


def test_a_scarce_market_fills_its_capacity():
    market = preset_market(2, 8, 4, 8.0)
    found = solve_equilibrium(market)
    assert found.certificate.converged
    assert found.outcome.utilisation.max() == pytest.approx(1.0, abs=1e-9)


def test_leaders_stop_where_a_capacity_would_start_to_bind():
    # Slightly less compute than the unlimited equilibrium uses: no leader can gain by paying for scarcity.
    free = solve_equilibrium(simple_market(2, 1)).outcome.compute.sum()
    market = simple_market(2, 1, compute_capacity=[0.99 * free])
    found = solve_equilibrium(market)
    assert found.certificate.converged
    assert found.outcome.utilisation[0, 0] == pytest.approx(1.0, abs=1e-9)
    assert follower_response(market, found.rewards).compute_price == pytest.approx(0.0, abs=1e-7)


def test_most_random_markets_are_certified_and_none_breaks():
    # Some random markets have other MUs' doors or a second capacity where a leader's payoff is not concave; there the
    # certificate refuses. See docs/equilibrium.md.
    rng = np.random.default_rng(5)
    converged, relative = [], []
    for seed in range(40):
        size = rng.integers(1, 21), rng.integers(1, 9)
        found = solve_equilibrium(preset_market(seed, *size, float(np.exp(rng.uniform(np.log(0.05), np.log(8.0))))))
        assert np.isfinite(found.rewards).all()
        converged.append(found.certificate.converged)
        relative.append(found.certificate.leader_regret.max() / found.outcome.mu_utility.mean())
    assert np.mean(converged) >= 0.9
    assert max(relative) < 0.02


@pytest.mark.parametrize("satiation", [0.5, 2.0, 6.0, 50.0])
def test_most_markets_with_satiation_are_solved_and_certified(satiation):
    rng = np.random.default_rng(6)
    markets = []
    for seed in range(20):
        size = rng.integers(1, 9), rng.integers(1, 5)
        market = preset_market(seed, *size, float(np.exp(rng.uniform(np.log(0.05), np.log(8.0)))))
        markets.append(market.replace(satiation=satiation * rng.choice([0.5, 1.0], market.num_mus)))
    found = [solve_equilibrium(market) for market in markets]
    assert np.mean([bool(each.certificate.converged) for each in found]) >= 0.9
    assert np.mean([each.residual <= 1e-9 for each in found]) >= 0.8  # by Newton steps, without best responses


def test_a_little_satiation_is_next_to_none():
    market = preset_market(3, 6, 3, 1.0)
    none, little = solve_equilibrium(market), solve_equilibrium(market.replace(satiation=1e-12))
    assert little.rewards == pytest.approx(none.rewards, rel=1e-9)
    assert little.outcome.mu_utility == pytest.approx(none.outcome.mu_utility, rel=1e-9)


def test_some_satiated_mus_among_others():
    market = preset_market(3, 6, 3, 1.0).replace(satiation=[0.0, 6.0, 0.0, 2.0, 50.0, 0.0])
    found = solve_equilibrium(market)
    assert found.certificate.converged
    fed = found.outcome.qoe.sum(axis=1) / market.qoe_requirement
    assert fed[4] < fed[1] < fed[[0, 2, 5]].min()


@pytest.mark.parametrize("load", LOADS)
def test_five_starts_agree(load):
    market = preset_market(11, 6, 3, load)
    shares = np.random.default_rng(0).uniform(0.0, 1.0, (5, 6, 3))
    x = solve_equilibrium(market, start=shares * market.reward_bound[:, None], certify=False).outcome.throughput
    assert np.ptp(x, axis=0).max() <= 1e-5 * x.max()


def test_starting_from_the_mechanism_gives_the_same():
    market = preset_market(3, 6, 3, 1.0)
    x = solve_equilibrium(market, certify=False).outcome.throughput
    again = solve_equilibrium(market, start="dual_perturbation", certify=False).outcome.throughput
    assert np.abs(again - x).max() <= 1e-5 * x.max()


def test_order_of_players_does_not_matter():
    market = preset_market(4, 6, 3, 1.0)
    mus, asps = np.array([3, 1, 5, 0, 2, 4]), np.array([2, 0, 1])
    shuffled = {}
    for name in (
        "satisfaction_scale",
        "qoe_requirement",
        "qoe_weights",
        "desired_tokens",
        "patience",
        "bits_per_token",
    ):
        shuffled[name] = getattr(market, name)[mus]
    for name in ("compute_capacity", "bandwidth_capacity", "compute_cost", "bandwidth_cost", "flops_per_token"):
        shuffled[name] = getattr(market, name)[asps]
    for name in ("accuracy", "spectral_efficiency", "base_latency"):
        shuffled[name] = getattr(market, name)[np.ix_(mus, asps)]
    shuffled["reasoning_tokens"] = market.reasoning_tokens[asps]
    found, other = (
        solve_equilibrium(market, certify=False),
        solve_equilibrium(market.replace(**shuffled), certify=False),
    )
    assert other.rewards == pytest.approx(found.rewards[np.ix_(mus, asps)], rel=1e-6)


def test_money_has_no_unit():
    market = preset_market(6, 6, 3, 1.0)
    money = {name: 7.0 * getattr(market, name) for name in ("satisfaction_scale", "compute_cost", "bandwidth_cost")}
    found, scaled = solve_equilibrium(market), solve_equilibrium(market.replace(**money))
    assert scaled.rewards == pytest.approx(7.0 * found.rewards, rel=1e-7)
    assert scaled.certificate.converged == found.certificate.converged


def test_a_batch_gives_the_bits_of_its_markets():
    markets = [preset_market(i, 5, 3, LOADS[i % 5]) for i in range(12)]
    batch = solve_equilibrium(Market.stack(markets))
    assert batch.rewards.shape == (12, 5, 3)
    assert batch.certificate.converged.shape == batch.iterations.shape == (12,)
    for i, market in enumerate(markets):
        single = solve_equilibrium(market)
        assert np.array_equal(single.rewards, batch.rewards[i])
        assert np.array_equal(single.certificate.leader_regret, batch.certificate.leader_regret[i])


def test_rewards_in_a_file_survive_somebody_elses_search(tmp_path):
    market = preset_market(8, 4, 3, 1.0)
    found = solve_equilibrium(market)
    market.to_json(tmp_path / "market.json")
    again = Market.from_json(tmp_path / "market.json")
    for m in range(4):

        def loss(row, m=m):
            rewards = found.rewards.copy()
            rewards[m] = np.clip(row, 0.0, None)
            response = follower_response(again, rewards)
            return -again.outcome(rewards, response.compute, response.bandwidth).mu_utility[m]

        starts = (found.rewards[m], 0.3 * np.full(3, again.reward_bound[m]))
        best = max(-minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-7}).fun for start in starts)
        assert best - found.outcome.mu_utility[m] <= 1e-6 * found.outcome.mu_utility.mean()


@pytest.mark.parametrize(
    ("preset", "factor", "most"), [("campus", 1.0, 1), ("campus", 1.01, 4), ("town", 1.01, 4), ("random", 1.0, 5)]
)
def test_a_start_next_to_the_equilibrium_takes_few_steps_to_the_same(preset, factor, most):
    market = Scenario.preset(preset).sample(3)
    found = solve_equilibrium(market, certify=False)
    assert found.residual <= 1e-9
    assert found.iterations > most
    again = solve_equilibrium(market, start=factor * found.rewards, certify=False)
    assert again.iterations <= most
    assert again.outcome.throughput == pytest.approx(found.outcome.throughput, rel=1e-8, abs=1e-12)


def test_starting_from_a_function_is_starting_from_what_it_gives():
    market, asked = preset_market(0, 8, 4, 1.0), []

    def low(given):
        asked.append(given)
        return 0.1 * given.reward_bound[:, None] * np.ones((8, 4))

    found = solve_equilibrium(market, start=low, certify=False)
    assert len(asked) == 1
    assert asked[0] is market
    same = solve_equilibrium(market, start=low(market), certify=False)
    np.testing.assert_array_equal(found.rewards, same.rewards)
    np.testing.assert_array_equal(found.iterations, same.iterations)
    with pytest.raises(ValueError, match="start"):
        solve_equilibrium(market, start=lambda given: -low(given))


def test_bad_starts_are_refused():
    market = simple_market()
    with pytest.raises(ValueError, match="dual_perturbation"):
        solve_equilibrium(market, start="cold")
    with pytest.raises(ValueError, match="start"):
        solve_equilibrium(market, start=[[-1.0]])
