"""Two time scales: rows climb to peaks of their own, probabilities to where these are equally good."""

import numpy as np
import pytest

from aigc_market_env import Scenario, solve_equilibrium
from aigc_market_env.equilibrium.mixed_search import MixedSearch
from aigc_market_env.equilibrium.mixture import pure
from aigc_market_env.equilibrium.two_scales import balanced, follow_gains, levelled, settled


@pytest.fixture
def search():
    market = Scenario.preset("duo", load=7.5).sample(0)
    return MixedSearch(market.flat, 0, pure(solve_equilibrium(market).rewards), 1e-6)


def test_one_round_is_enough_for_duo(search):
    assert search.best.exploitability > 1e-3
    follow_gains(search)
    assert search.best.exploitability <= 1e-7
    assert search.best.mixture.sizes.tolist() == [2, 1]
    assert search.ended()


def test_rows_on_one_slope_become_one(search):
    row = search.best.best[0]
    mixture = search.start.with_row(0, row).with_row(0, 1.001 * row)
    assert settled(search, mixture).sizes[0] <= 2


def test_fixed_rows_stay_as_they_are(search):
    mixture = search.start.with_row(0, search.best.best[0])
    found = balanced(search, mixture, 0.0, 1e-9)
    assert np.array_equal(found.rows[0], mixture.rows[0])
    assert not np.array_equal(found.rows[1], mixture.rows[1])


def test_levelled_rows_are_equally_good(search):
    follow_gains(search)
    mixture = search.best.mixture
    mixture.probabilities[0] = mixture.probabilities[0] * [0.9, 1.0]
    mixture.probabilities[0] /= mixture.probabilities[0].sum()
    assert search.judge(mixture).exploitability > 1e-6
    assert search.judge(levelled(search, mixture)).exploitability <= 1e-8


def test_who_does_not_mix_climbs_to_a_best_response(search):
    found = search.judge(balanced(search, search.start, 1e-3, 1e-9))
    assert found.mixture.profiles == 1
    assert found.regret[1] <= 1e-9 * found.utility.mean()
