"""The double oracle: two MUs that match one another, and others that adapt."""

import numpy as np

from aigc_market_env import Scenario, solve_equilibrium
from aigc_market_env.equilibrium.double_oracle import _pair, double_oracle
from aigc_market_env.equilibrium.mixed_search import MixedSearch
from aigc_market_env.equilibrium.mixture import Mixture, pure


def search_of(market):
    return MixedSearch(market.flat, 0, pure(solve_equilibrium(market).rewards), 1e-6)


def test_two_mus_that_match_one_another():
    """Each one's best response jumps as the other's rewards change, so that both mix."""
    scenario = Scenario.preset("random", load=4.95069379945717, num_mus=2, num_asps=2)
    search = search_of(scenario.sample(571573963))
    double_oracle(search)
    assert (search.best.mixture.sizes > 1).all()
    assert search.best.exploitability <= 1e-6


def test_duo_is_exploited_by_next_to_nothing():
    search = search_of(Scenario.preset("duo", load=7.25).sample(0))
    double_oracle(search)
    assert search.best.exploitability <= 1e-6


def test_one_mu_has_nobody_to_match():
    search = search_of(Scenario.preset("random", num_mus=1, num_asps=2).sample(0))
    before = search.best
    double_oracle(search)
    assert search.best is before


def test_the_pair_is_who_has_rows_or_gains_most():
    market = Scenario.preset("random", num_mus=4, num_asps=2).sample(0)
    search = search_of(market)
    judged = search.judge(search.start)
    judged.regret = np.array([0.1, 0.4, 0.0, 0.2])
    pair, pool = _pair(search.start, judged)
    assert pair == (1, 3)
    # One with rows stays beside who gains most; another one's rows are dropped but the likeliest.
    pool = search.start.with_row(0, search.start.rows[0][0]).with_row(2, 2.0 * search.start.rows[2][0])
    pool.probabilities[2] = np.array([0.2, 0.8])
    pair, fewer = _pair(pool, judged)
    assert pair == (0, 1)
    assert fewer.sizes.tolist() == [2, 1, 1, 1]
    assert np.array_equal(fewer.rows[2], pool.rows[2][1:])
    assert isinstance(fewer, Mixture)
