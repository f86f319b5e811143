import itertools

import numpy as np
import pytest
from markets import preset_market

from aigc_market_env.equilibrium.dual_perturbation import probe_of
from baselines import MECHANISMS
from baselines.random_search import RandomSearch, own_utility


def test_a_lone_mu_never_gives_up_what_it_holds():
    market = preset_market(0, 1, 3, 0.5)
    updates = RandomSearch().updates(market, probe_of(market), np.random.default_rng(0))
    held = [own_utility(market, r, probe_of(market)(r))[0] for r in itertools.islice(updates, 300)]
    assert (np.diff(held) >= 0.0).all()
    best = MECHANISMS["oracle"].run(market, np.random.default_rng(0)).outcome.mu_utility[0]
    assert held[-1] == pytest.approx(best, rel=1e-2)
    assert held[0] < 0.99 * best


def test_a_round_takes_two_probes_of_the_market():
    market = preset_market(1, 3, 2, 1.0)
    calls = []

    def probe(rewards):
        calls.append(rewards)
        return probe_of(market)(rewards)

    updates = RandomSearch().updates(market, probe, np.random.default_rng(0))
    list(itertools.islice(updates, 6))
    assert len(calls) == 2 * 5
    result = RandomSearch(rounds=3).run(market, np.random.default_rng(0))
    assert result.overhead.probes == 2 * result.overhead.rounds


def test_own_utility_is_what_the_slot_gives():
    market = preset_market(2, 3, 2, 1.0)
    outcome = MECHANISMS["fixed_reward"].run(market, np.random.default_rng(0)).outcome
    assert own_utility(market, outcome.rewards, outcome.qoe) == pytest.approx(outcome.mu_utility)
