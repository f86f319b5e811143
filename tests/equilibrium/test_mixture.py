"""Mixtures: rows that are added, dropped and taken together, and expectations over all joint profiles."""

import numpy as np
import pytest
from markets import preset_market, random_rewards

from aigc_market_env import follower_response
from aigc_market_env.equilibrium.mixture import Mixture, expected_outcome


def of_two():
    return Mixture([np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0]])], [np.array([0.25, 0.75]), np.ones(1)])


def test_a_row_more_takes_its_share_from_the_others():
    more = of_two().with_row(0, np.array([7.0, 8.0]))
    assert more.sizes.tolist() == [3, 1]
    assert more.probabilities[0] == pytest.approx([0.25 * 2 / 3, 0.75 * 2 / 3, 1 / 3])
    assert of_two().sizes.tolist() == [2, 1]
    assert more.profiles == 3


def test_twins_become_one_and_rare_rows_none():
    mixture = of_two().with_row(0, np.array([1.0, 2.0 * (1.0 + 1e-9)])).with_row(1, np.array([9.0, 9.0]))
    mixture.probabilities[1] = np.array([1.0 - 1e-7, 1e-7])
    assert mixture.twins == [(0, 2, 0)]
    reduced = mixture.reduced(1e-6)
    assert reduced.sizes.tolist() == [2, 1]
    assert reduced.probabilities[0] == pytest.approx([0.25 * 2 / 3 + 1 / 3, 0.5])
    assert reduced.probabilities[1].tolist() == [1.0]


def test_somebody_always_posts_something():
    assert of_two().reduced(1.0).sizes.tolist() == [1, 1]


def test_padding_repeats_the_first_row_and_never_posts_it():
    rows, probabilities = of_two().padded()
    assert rows.shape == (2, 2, 2)
    assert rows[1].tolist() == [[5.0, 6.0], [5.0, 6.0]]
    assert probabilities.tolist() == [[0.25, 0.75], [1.0, 0.0]]


def test_an_expectation_is_the_mean_of_profiles():
    market, rng = preset_market(2, 3, 2, 1.0), np.random.default_rng(0)
    one, another = random_rewards(rng, market), random_rewards(rng, market)
    mixture = Mixture(
        [np.stack([one[0], another[0]]), one[1:2], one[2:]], [np.array([0.3, 0.7]), np.ones(1), np.ones(1)]
    )
    second = one.copy()
    second[0] = another[0]
    both = np.stack([one, second])
    response = follower_response(market, both)
    outcome = market.outcome(both, response.compute, response.bandwidth)
    expected, gap = expected_outcome(market, mixture)
    for name, value in vars(expected).items():
        assert value == pytest.approx(0.3 * getattr(outcome, name)[0] + 0.7 * getattr(outcome, name)[1], rel=1e-12), (
            name
        )
    assert gap == pytest.approx(0.3 * response.duality_gap[0] + 0.7 * response.duality_gap[1])
