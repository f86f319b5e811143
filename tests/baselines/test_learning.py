import itertools

import numpy as np
import pytest
from markets import preset_market

from aigc_market_env import DualPerturbation, Market, leader_regret
from aigc_market_env.equilibrium import Overhead
from aigc_market_env.equilibrium.dual_perturbation import probe_of
from baselines import GOAL, MECHANISMS
from baselines.coordinate_perturbation import OneAtATime
from baselines.learning import play_until_goal
from baselines.mechanism import has_arrived


def test_it_stops_where_the_regret_is_small_and_counts_until_there():
    market = preset_market(0, 4, 3, 1.0)
    result = MECHANISMS["dual_perturbation"].run(market, np.random.default_rng(5))
    assert result.reached
    regret = leader_regret(market, result.outcome.rewards).mean() / result.outcome.mu_utility.mean()
    assert regret <= GOAL
    rounds = result.overhead.rounds
    assert result.overhead == Overhead.of(rounds, 2 * rounds, 4, 3)
    replayed = DualPerturbation(rounds=rounds).run(market, np.random.default_rng(5))
    assert np.array_equal(replayed.rewards, result.outcome.rewards)


def test_who_regrets_a_hundredth_of_what_there_is_has_arrived():
    assert has_arrived(np.array([0.0, 0.04]), np.array([1.0, 3.0]))
    assert not has_arrived(np.array([0.0, 0.041]), np.array([1.0, 3.0]))
    assert not has_arrived(np.array([0.02, 0.0]), np.array([-5.0, 1.0]))  # a loss is nothing to measure by
    assert has_arrived(np.zeros(2), np.zeros(2))
    assert not has_arrived(np.array([1e-3]), np.zeros(1))


def test_a_cap_ends_it_and_is_told():
    market = preset_market(0, 4, 3, 1.0)
    hopeless = itertools.repeat(np.repeat(1e-3 * market.reward_bound[:, None], 3, axis=1))
    result = play_until_goal(market, hopeless, 2, 30)
    assert not result.reached
    assert result.overhead == Overhead.of(30, 60, 4, 3)


def test_probes_one_at_a_time_measure_each_pair_alone():
    market = preset_market(1, 3, 2, 1.0)
    rewards = np.repeat(0.4 * market.reward_bound[:, None], 2, axis=1)
    calls = []

    def probe(posted):
        calls.append(posted)
        return probe_of(market)(posted)

    _, slope = OneAtATime().sample(probe, rewards, 1e-4, np.random.default_rng(0))
    assert sum(len(posted) for posted in calls) == OneAtATime().probes_per_round(3, 2) == 12
    for m, n in itertools.product(range(3), range(2)):
        factor = np.ones((3, 2))
        factor[m, n] = np.exp(1e-4)
        high, low = probe_of(market)(rewards * factor)[m, n], probe_of(market)(rewards / factor)[m, n]
        expected = np.log(high / low) / 2e-4 if low > 0.0 else 0.0
        assert slope[m, n] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_one_at_a_time_learns_a_batch_as_it_learns_alone():
    markets = Market.stack([preset_market(i, 3, 2, 1.0) for i in range(3)])
    together = OneAtATime(rounds=4).run(markets, np.random.default_rng(0))
    for i in range(3):
        alone = OneAtATime(rounds=4).run(markets[i], np.random.default_rng(0))
        assert np.array_equal(alone.rewards, together.rewards[i])


@pytest.mark.parametrize(
    ("name", "solves_a_probe", "messages_a_probe"), [("dual_perturbation", 3, 24), ("coordinate_perturbation", 1, 2)]
)
def test_a_lean_protocol_sends_and_solves_what_a_probe_perturbs(name, solves_a_probe, messages_a_probe):
    overhead = MECHANISMS[name].run(preset_market(0, 4, 3, 1.0), np.random.default_rng(5)).overhead
    assert (overhead.follower_solves, overhead.messages) == (3 * overhead.probes, 24 * overhead.probes)
    assert overhead.lean_follower_solves == solves_a_probe * overhead.probes
    assert overhead.lean_messages == messages_a_probe * overhead.probes
