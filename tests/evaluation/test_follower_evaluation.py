import json

import numpy as np
import pytest

from agents.policy.rule_of_thumb import Seen
from aigc_market_env import Dynamics, Scenario, follower_response, solve_equilibrium
from aigc_market_env.evaluation.followers import evaluate_followers
from aigc_market_env.evaluation.leaders import WARM_UP_SLOTS
from aigc_market_env.evaluation.reward_sources import NEAR, uniform

CAMPUS = Scenario.preset("campus").fix(0)
DUO = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())


def rule(observations):
    lanes, asps, size = observations.shape
    shares = Seen.of(observations.reshape(-1, size), 10.0).rule_of_thumb
    return shares.reshape(lanes, asps, *shares.shape[1:])


def idle(observations):
    return np.zeros((*observations.shape[:2], 2, (observations.shape[2] - 7) // 12))


def test_regret_is_what_best_responses_earn_more():
    result = evaluate_followers(rule, CAMPUS, 8, uniform)
    response = follower_response(result.market, result.outcome.rewards)
    best = result.market.outcome(result.outcome.rewards, response.compute, response.bandwidth).asp_profit
    assert np.allclose(result.best_profit, best, rtol=1e-9)
    assert np.isclose(result.follower_regret_relative, result.regret.mean() / best.mean())
    assert 0.01 < result.follower_regret_relative < 0.3
    assert np.allclose(result.relative.by_agent(), result.regret.mean(axis=0) / best.mean(axis=0))


def test_who_serves_nobody_regrets_everything():
    result = evaluate_followers(idle, DUO, 4)
    assert np.isclose(result.follower_regret_relative, 1.0)
    assert (result.outcome.asp_profit == 0).all()


def test_rewards_near_equilibrium_are_near_that_of_the_slot_measured():
    result = evaluate_followers(rule, DUO, 64, NEAR)
    logs = np.log(result.outcome.rewards / solve_equilibrium(result.market).rewards)
    assert abs(logs.std() - 0.1) < 0.02


def test_it_is_repeatable_and_slots_come_from_episodes_of_their_own_after_a_warm_up():
    calls = []

    def policy(observations):
        calls.append(len(observations))
        return rule(observations)

    once, again = (evaluate_followers(policy, DUO, 5) for _ in range(2))
    assert calls == [5] * 2 * (WARM_UP_SLOTS + 1)
    assert np.array_equal(once.regret, again.regret)
    assert len({efficiency.tobytes() for efficiency in once.market.spectral_efficiency}) == 5


@pytest.mark.parametrize("slots", [1, 12])
def test_the_summary_is_json_without_special_numbers(slots):
    result = evaluate_followers(rule, CAMPUS, slots, uniform)
    document = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert document["slots"] == slots
    assert len(document["regret_by_asp"]) == 4
    interval = document["follower_regret_relative_interval_95"]
    assert interval is None if slots == 1 else interval[0] <= result.follower_regret_relative <= interval[1]


def test_nothing_to_earn_is_no_regret():
    result = evaluate_followers(rule, DUO, 3, lambda situation: np.zeros(situation.equilibrium.shape))
    assert result.follower_regret_relative == 0.0
    json.dumps(result.summary(), allow_nan=False)
