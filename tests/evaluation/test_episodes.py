"""Evaluations over whole episodes: what is measured is what environments do, and the regret is told by its causes."""

import numpy as np
import pytest

from aigc_market_env import BatchedMarketEnv, Dynamics, Scenario, Wallet
from aigc_market_env.evaluation.episodes import HeldOutEpisodes, evaluate_episodes, judge_episodes, play_by
from aigc_market_env.evaluation.regret_causes import CAUSES
from baselines.episodes import AdaptivePacing, EvenSpending, Myopic, UntilGone

SLOTS = 6
MECHANISMS = AdaptivePacing(), EvenSpending(), Myopic(), UntilGone()
DEMAND = Dynamics(shadowing_db=2.0, worth_deviation=0.6, worth_correlation=0.5, load_profile=(0.7, 1.4, 1.0))


def scenario_of(wallet):
    return Scenario.preset("duo", dynamics=DEMAND, wallet=wallet)


def spender(share):
    return lambda seen: np.full((*seen.shape[:2], 1), share)


@pytest.fixture(scope="module")
def held_out():
    return HeldOutEpisodes.of(scenario_of(Wallet(2.0, 0.5, 2.0, unit="spending")), 3, SLOTS, certify=True)


def test_what_a_policy_posts_is_worth_what_the_environment_says(held_out):
    result = evaluate_episodes(spender(0.3), held_out)
    env = BatchedMarketEnv(held_out.scenario, 3, asps="best_response", max_cycles=SLOTS)
    env.reset(seed=held_out.seeds)
    earned = sum(env.step({"mu": np.full((3, 2, 1), 0.3)})[1]["mu"] for _ in range(SLOTS))
    np.testing.assert_allclose(result.learned.utility, earned, rtol=1e-5)


def test_the_oracles_rewards_leave_nothing_to_gain_and_the_others_something(held_out):
    result = evaluate_episodes(spender(0.6), held_out, MECHANISMS, thorough=True)
    assert list(result.plays) == ["learned", "oracle", "adaptive_pacing", "even_spending", "myopic", "until_gone"]
    assert result.plays["oracle"].relative.mean < 1e-6
    assert result.plays["oracle"].figures()["utility_ratio"] == pytest.approx(1.0)
    assert result.certified == 1.0
    for name in ("learned", *(mechanism.name for mechanism in MECHANISMS)):
        play = result.plays[name]
        assert play.relative.mean > 1e-3
        assert (play.found.regret <= play.found.regret_bound).all()
    summary = result.summary()
    assert summary["episodes"] == 3
    assert summary["slots"] == SLOTS
    assert sum(summary["regret_by_cause"].values()) == pytest.approx(result.learned.relative.mean, rel=1e-3)


def test_causes_are_the_whole_bound(held_out):
    result = evaluate_episodes(spender(0.25), held_out, MECHANISMS, thorough=True)
    for play in result.plays.values():
        assert list(play.causes) == list(CAUSES)
        total = sum(cause.sum(axis=1) for cause in play.causes.values())
        assert all((cause >= 0.0).all() for cause in play.causes.values())
        np.testing.assert_allclose(total, play.found.regret_bound, atol=1e-4 * play.scale.mean())


def test_a_quick_bound_is_a_bound(held_out):
    quick = evaluate_episodes(spender(0.4), held_out)
    thorough = evaluate_episodes(spender(0.4), held_out, thorough=True)
    assert (quick.regret >= thorough.learned.found.regret / SLOTS - 1e-9).all()
    assert quick.learned.causes == {}
    assert quick.point()["utility_ratio"] == thorough.point()["utility_ratio"]


def test_money_that_is_not_spent_is_left_or_lost_to_the_cap(held_out):
    saved = evaluate_episodes(spender(1e-6), held_out, thorough=True).learned
    money, income, cap = held_out.wallet.amounts
    np.testing.assert_allclose(saved.left, np.minimum(cap, money + (SLOTS - 1) * income))
    np.testing.assert_allclose(saved.wasted, np.minimum(money, cap) + (SLOTS - 1) * income - saved.left, atol=1e-12)
    causes = saved.cause_figures()
    assert causes["overspent"] == pytest.approx(0.0, abs=1e-9)
    assert causes["underspent"] + causes["lost_to_cap"] == pytest.approx(saved.relative.mean, rel=0.01)
    gone = judge_episodes(held_out, {"gone": play_by(UntilGone(), held_out)})["gone"].cause_figures()
    assert gone["overspent"] > 0.005
    assert gone["lost_to_cap"] == 0.0


def test_episodes_are_the_same_one_by_one(held_out):
    alone = HeldOutEpisodes.of(held_out.scenario, 1, SLOTS, first=2)
    together = evaluate_episodes(spender(0.3), held_out).learned
    np.testing.assert_array_equal(alone.path.accuracy[0], held_out.path.accuracy[2])
    np.testing.assert_array_equal(evaluate_episodes(spender(0.3), alone).learned.utility[0], together.utility[2])


def test_budgets_without_a_cap_are_measured():
    found = HeldOutEpisodes.of(scenario_of(Wallet(3.0, unit="spending")), 1, SLOTS)
    result = evaluate_episodes(spender(0.3), found, thorough=True)
    assert result.plays["oracle"].relative.mean < 1e-6
    assert result.learned.figures()["money_wasted"] == 0.0
