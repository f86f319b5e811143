import numpy as np
import pytest
from markets import preset_market

from aigc_market_env import Market, leader_regret
from aigc_market_env.equilibrium import DualPerturbation, solve_equilibrium
from aigc_market_env.equilibrium.dual_perturbation import probe_of


def test_it_needs_nothing_but_a_probe():
    market = preset_market(0, 4, 3, 1.0)
    calls = []

    def probe(rewards):
        calls.append(rewards.copy())
        return probe_of(market)(rewards)

    mechanism = DualPerturbation(rounds=7)
    omega, q = market.satisfaction_scale, market.qoe_requirement
    learned = mechanism.learn(probe, omega, q, 3, np.random.default_rng(1))
    assert len(calls) == learned.overhead.probes == 14
    assert np.array_equal(learned.rewards, mechanism.run(market, np.random.default_rng(1)).rewards)


def test_the_same_qoe_teaches_the_same_whatever_the_asps_are():
    def probe(rewards):
        return rewards / (1.0 + rewards)

    omega, q = np.array([5.0, 8.0]), np.array([0.5, 1.0])
    first, second = (
        DualPerturbation(rounds=300).learn(probe, omega, q, 1, np.random.default_rng(i)).rewards for i in range(2)
    )
    # e = 1/(1 + r), so r = V e/(1 + e) = V/(2 + r) with V = ω/(q + r/(1 + r)).
    worth = omega[:, None] / (q[:, None] + first / (1.0 + first))
    assert first == pytest.approx(worth / (2.0 + first), rel=1e-2)
    assert first == pytest.approx(second, rel=1e-2)


def test_overhead_is_counted():
    market = preset_market(0, 4, 3, 1.0)
    overhead = DualPerturbation(rounds=5).run(market, np.random.default_rng(0)).overhead
    assert (overhead.rounds, overhead.probes, overhead.follower_solves) == (5, 10, 30)
    assert overhead.messages == 2 * 12 * 10
    assert overhead.bytes_down == overhead.bytes_up == 4 * 12 * 10


@pytest.mark.parametrize("load", [0.3, 1.0, 3.0])
def test_regret_after_two_hundred_probes(load):
    markets = Market.stack([preset_market(i, 8, 4, load) for i in range(12)])
    utility = solve_equilibrium(markets, certify=False).outcome.mu_utility.mean(axis=-1)
    rewards = DualPerturbation(rounds=100).run(markets, np.random.default_rng(0)).rewards
    relative = leader_regret(markets, rewards).mean(axis=-1) / utility
    assert np.median(relative) <= 1e-3


def test_the_same_seed_gives_the_same_bytes():
    market = preset_market(0, 4, 3, 1.0)
    first, second = (DualPerturbation(rounds=5).run(market, np.random.default_rng(3)).rewards for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "wrong",
    [{"rounds": -1}, {"rounds": 1.5}, {"start": 0.0}, {"start": 2.0}, {"perturbation": 0.0}, {"lowest": np.nan}]
    + [{name: value} for name in ("perturbation_decay", "averaging_decay", "step_decay") for value in (-0.1, np.nan)],
)
def test_what_is_out_of_range_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} = "):
        DualPerturbation(**wrong)
