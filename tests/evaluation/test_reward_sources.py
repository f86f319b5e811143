import numpy as np
import pytest

from aigc_market_env import Scenario, solve_equilibrium
from aigc_market_env.evaluation.reward_sources import (
    EVERYTHING,
    LOWEST_SHARE,
    NEAR,
    REWARD_SOURCES,
    Mixture,
    NearEquilibrium,
    Posted,
    Situation,
    equilibrium_shares,
    log_uniform,
    source_called,
    uniform,
)


def situation(lanes=400, level=0.2, seed=0):
    return Situation(np.zeros((lanes, 2, 5), np.float32), np.full((lanes, 2, 3), level), np.random.default_rng(seed))


@pytest.mark.parametrize("name", REWARD_SOURCES)
@pytest.mark.parametrize("level", [0.0, 0.2, 1.0])
def test_shares_are_shares_and_repeatable(name, level):
    source = source_called(name)
    shares = source(situation(level=level))
    assert shares.shape == (400, 2, 3)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert np.array_equal(shares, source(situation(level=level)))
    assert (name == "near" and level == 0) or not np.array_equal(shares, source(situation(level=level, seed=1)))


def test_noise_around_the_equilibrium_has_the_spread_asked_for():
    assert abs(np.log(NEAR(situation()) / 0.2).std() - 0.1) < 0.01
    spreads = np.log(NearEquilibrium(0.01, 0.5)(situation(level=1e-3)) / 1e-3).std(axis=(1, 2))
    assert spreads.min() < 0.02 < 0.3 < spreads.max()


def test_uniform_and_log_uniform_are_what_they_are_called():
    assert np.abs(np.quantile(uniform(situation()), [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.05
    logs = np.log(log_uniform(situation())) / np.log(LOWEST_SHARE)
    assert np.abs(np.quantile(logs, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.05


def test_a_policy_posts_what_it_says_times_noise():
    seen = []

    def policy(observations):
        seen.append(observations)
        return np.full((400, 2, 3), 0.5)

    here = situation()
    assert (Posted(policy)(here) == 0.5).all()
    assert seen[0] is here.observations
    noisy = Posted(policy, noise=0.2)(here)
    assert abs(np.log(noisy / 0.5).std() - 0.2) < 0.02
    assert Posted(policy, noise=3.0)(here).max() == 1.0


def test_a_mixture_draws_one_source_for_each_market():
    def constant(share):
        return lambda situation: np.full(situation.equilibrium.shape, share)

    shares = Mixture([constant(0.1), constant(0.3)], [3, 1])(situation(4000))
    assert (shares == shares[:, :1, :1]).all()
    assert abs((shares[:, 0, 0] == 0.1).mean() - 0.75) < 0.03


@pytest.mark.parametrize(
    ("sources", "weights"),
    [([], []), ([uniform], []), ([uniform], [0.0]), ([uniform], [float("nan")]), ([uniform], [1, 2])],
)
def test_a_mixture_without_sense_is_refused(sources, weights):
    with pytest.raises(ValueError, match="weights"):
        Mixture(sources, weights)


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (0.2, 0.1), (0.1, float("inf")), (float("nan"), 1.0)])
def test_noise_without_sense_is_refused(least, most):
    with pytest.raises(ValueError, match="least"):
        NearEquilibrium(least, most)


@pytest.mark.parametrize("name", ["oracle", "", None, 3])
def test_an_unknown_source_is_named(name):
    with pytest.raises(ValueError, match=r"must be one of.*everything"):
        source_called(name)


def test_equilibrium_shares_are_those_of_the_oracle():
    market = Scenario.preset("duo").sample(0)
    shares = equilibrium_shares(market)
    assert np.array_equal(shares * market.reward_bound[:, None], solve_equilibrium(market).rewards)


def test_training_meets_rewards_from_nothing_to_the_bound():
    shares = EVERYTHING(situation(4000))
    assert shares.min() < 0.002
    assert shares.max() > 0.99
    assert 0.4 < ((shares > 0.1) & (shares < 0.4)).mean() < 0.7
