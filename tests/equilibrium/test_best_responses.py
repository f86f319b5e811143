from pathlib import Path

import numpy as np
import pytest

from aigc_market_env import Market, Scenario, follower_response, leader_regret
from aigc_market_env.equilibrium import solve_equilibrium

CASES = Path(__file__).parent / "cases"
#: Without a pure equilibrium: the exhaustive search is in test_existence.py.
LOAD = 7.25


def meeting_market():
    """Seven MUs, two ASPs: best responses in a fixed order go round in circles, in random order they meet."""
    return Market.from_json(CASES / "best_responses_meet.json")


def best_of_many(market, rewards, m, rng):
    """MU ``m``'s best utility by rows drawn far and near, with no help from the package's own search."""
    near = rewards[m] * np.exp(rng.normal(size=(1000, 1)) * 10.0 ** rng.uniform(-6, 0, (1000, market.num_asps)))
    far = rng.uniform(0.0, market.reward_bound[m], (1000, market.num_asps))
    rows = np.concatenate([near, far, rewards[m][None]])
    posted = np.repeat(rewards[None], len(rows), axis=0)
    posted[:, m] = np.minimum(rows, market.reward_bound[m])
    response = follower_response(market, posted)
    return market.outcome(posted, response.compute, response.bandwidth).mu_utility[:, m].max()


def test_a_pure_equilibrium_is_found_where_first_order_conditions_lead_elsewhere():
    market = meeting_market()
    at_first = solve_equilibrium(market, certify=False)
    assert leader_regret(market, at_first.rewards).max() > 2e-6 * at_first.outcome.mu_utility.mean()
    found = solve_equilibrium(market)
    assert found.certificate.converged
    assert found.residual == np.inf
    rng = np.random.default_rng(0)
    for m in range(market.num_mus):
        gained = best_of_many(market, found.rewards, m, rng) - found.outcome.mu_utility[m]
        assert gained <= 1e-6 * found.outcome.mu_utility.mean()


def test_a_refused_market_gets_the_least_regret_met():
    market = Scenario.preset("duo", load=LOAD).sample(0)
    at_first = solve_equilibrium(market, certify=False)
    found = solve_equilibrium(market)
    assert not found.certificate.converged
    assert found.certificate.leader_regret.max() < 0.5 * leader_regret(market, at_first.rewards).max()


def test_answers_do_not_depend_on_who_else_is_searched_for():
    markets = [Scenario.preset("duo", load=load).sample(0) for load in (LOAD, 1.0, 4.75, 6.0)]
    together = solve_equilibrium(Market.stack(markets))
    for i, market in enumerate(markets):
        for _ in range(2):
            alone = solve_equilibrium(market)
            np.testing.assert_array_equal(together.rewards[i], alone.rewards)
            np.testing.assert_array_equal(
                together.certificate.leader_regret_bound[i], alone.certificate.leader_regret_bound
            )


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
def test_the_search_ends_where_the_tolerance_is_met(tolerance):
    market = Scenario.preset("duo", load=LOAD).sample(0)
    found = solve_equilibrium(market, tolerance=tolerance)
    assert found.certificate.converged == (tolerance == 1e-2)


def test_nobody_served_is_no_trouble():
    market = Scenario.preset("duo", load=LOAD).sample(0)
    free = market.replace(compute_cost=np.full(1, 1e9))
    found = solve_equilibrium(free, tolerance=1e-12)
    assert np.isfinite(found.rewards).all()
    assert not found.certificate.leader_regret.any()
