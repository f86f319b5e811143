import numpy as np
import pytest

from aigc_market_env import (
    Dynamics,
    Scenario,
    follower_regret,
    follower_response,
    leader_best_response,
    leader_regret,
    nash_conv,
)
from aigc_market_env.evaluation.both import evaluate_both
from aigc_market_env.evaluation.followers import evaluate_followers
from aigc_market_env.evaluation.leaders import evaluate_leaders
from aigc_market_env.evaluation.plays import HEADINGS, plays_of

DUO = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())
SLOTS = 6


def leaders(observations):
    return np.full((*observations.shape[:2], 1), 0.2)


def followers(observations):
    return np.full((*observations.shape[:2], 2, 2), 0.3)


@pytest.fixture(scope="module")
def evaluation():
    return evaluate_leaders(leaders, DUO, SLOTS, certify=True)


@pytest.fixture(scope="module")
def plays(evaluation):
    return plays_of(evaluation)


def test_all_plays_have_a_heading(plays):
    assert set(plays) == {"learned", "equilibrium", "best_response", "uniform"} < set(HEADINGS)


def test_regrets_of_every_play_are_those_of_the_package(evaluation, plays):
    for name, play in plays.items():
        rewards = play.outcome.rewards
        regret = leader_regret(evaluation.market, rewards)
        assert np.allclose(play.leader_regret, regret, rtol=1e-9, atol=1e-10), name
        total = nash_conv(evaluation.market, rewards, play.outcome.compute, play.outcome.bandwidth)
        own = play.leader_regret.sum(axis=-1) + play.follower_regret.sum(axis=-1)
        assert np.allclose(own, total, atol=1e-9)
        assert np.isclose(play.figures()["nash_conv"], total.mean(), atol=1e-9)


def test_best_response_is_to_what_the_others_learned_to_post(evaluation, plays):
    best, _ = leader_best_response(evaluation.market, evaluation.rewards)
    assert np.array_equal(plays["best_response"].outcome.rewards, best)
    response = follower_response(evaluation.market, best)
    assert np.array_equal(plays["best_response"].outcome.compute, response.compute)


def test_uniform_play_spans_the_action_space_and_is_the_same_every_time(evaluation, plays):
    shares = plays["uniform"].outcome.rewards / evaluation.market.reward_bound[..., None]
    assert 0.0 <= shares.min() < 0.3 < 0.7 < shares.max() <= 1.0
    again = plays_of(evaluation)["uniform"].outcome.rewards
    assert np.array_equal(again, plays["uniform"].outcome.rewards)


def test_the_equilibrium_has_no_regret_and_what_is_learned_has(plays):
    assert plays["equilibrium"].figures()["leader_regret_relative"] < 1e-6
    assert plays["equilibrium"].figures()["utility_ratio"] == 1.0
    assert (
        0.01
        < plays["learned"].figures()["leader_regret_relative"]
        < plays["uniform"].figures()["leader_regret_relative"]
    )


def test_figures_of_the_learned_play_are_those_of_the_evaluation(evaluation, plays):
    figures, summary = plays["learned"].figures(), evaluation.summary()
    for name in ("leader_regret_relative", "leader_regret_relative_interval_95", "nash_conv", "utility_ratio"):
        assert np.allclose(figures[name], summary[name], rtol=1e-12)
    assert {name: figures[name] for name in summary["learned"]} == summary["learned"]
    low, high = figures["utility_ratio_interval_95"]
    assert low <= figures["utility_ratio"] <= high


def test_one_slot_has_figures_but_no_intervals():
    figures = plays_of(evaluate_leaders(leaders, DUO, 1))["learned"].figures()
    assert figures["leader_regret_relative_interval_95"] is None
    assert figures["leader_regret_relative_iqm"] == figures["leader_regret_relative"]


def test_plays_of_providers_serve_the_same_rewards():
    result = evaluate_followers(followers, DUO, SLOTS)
    plays = plays_of(result)
    assert set(plays) == {"learned", "exact_asps", "even_split"}
    for play in plays.values():
        outcome = play.outcome
        assert np.array_equal(outcome.rewards, result.outcome.rewards)
        regret = follower_regret(result.market, outcome.rewards, outcome.compute, outcome.bandwidth)
        assert np.allclose(play.follower_regret, regret, atol=1e-9)
    even = plays["even_split"].outcome.compute / result.market.compute_capacity[..., None, :]
    assert np.allclose(even, 1 / 2)
    figures = {name: play.figures()["follower_regret_relative"] for name, play in plays.items()}
    assert figures["exact_asps"] < 1e-9 < figures["even_split"]


def test_plays_of_both_sides_are_of_the_same_slots():
    plays = plays_of(evaluate_both(leaders, followers, DUO, SLOTS))
    assert set(plays) == {"learned", "learned_exact_asps", "equilibrium", "best_response", "uniform"}
    first = plays["learned"].market
    assert all(play.market == first for play in plays.values())
    exact, learned = plays["learned_exact_asps"], plays["learned"]
    assert exact.figures()["follower_regret_relative"] < 1e-9 < learned.figures()["follower_regret_relative"]
