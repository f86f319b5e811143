import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from aigc_market_env import (
    Dynamics,
    Market,
    Scenario,
    follower_regret,
    leader_best_response,
    leader_regret,
    solve_equilibrium,
)
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, WARM_UP_SLOTS, evaluate_leaders

DUO = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())


def constant(share):
    return lambda observations: np.full((*observations.shape[:2], 1), share)


@pytest.fixture(scope="module")
def evaluation():
    return evaluate_leaders(constant(0.2), DUO, 12)


def with_regret(evaluation, regret, utility=1.0):
    """An evaluation of as many slots as there are entries in ``regret``, each MU having that one."""
    slots = len(regret)
    market = Market.stack([evaluation.market[0]] * slots)
    shape = slots, market.num_mus
    earned = np.full(shape, utility) - np.asarray(regret, float)[:, None]
    outcome = market.outcome(np.zeros((*shape, 1)), np.zeros((*shape, 1)), np.zeros((*shape, 1)))
    reference = market.outcome(np.zeros((*shape, 1)), np.zeros((*shape, 1)), np.zeros((*shape, 1)))
    object.__setattr__(reference, "mu_utility", np.full(shape, utility))
    made = replace(
        evaluation,
        equilibrium=replace(evaluation.equilibrium, outcome=reference),
        market=market,
        rewards=np.zeros((*shape, 1)),
        outcome=outcome,
        best_rewards=np.zeros((*shape, 1)),
        best_utility=np.full(shape, utility),
        follower_gap=np.zeros((slots, 1)),
    )
    object.__setattr__(outcome, "mu_utility", earned)
    return made


def test_regret_is_that_of_the_oracle(evaluation):
    expected = leader_regret(evaluation.market, evaluation.rewards)
    assert np.allclose(evaluation.regret, expected, rtol=1e-9, atol=1e-12)
    assert (evaluation.regret >= 0).all()
    reference = solve_equilibrium(evaluation.market).outcome.mu_utility.mean()
    assert np.isclose(evaluation.leader_regret_relative, expected.mean() / reference)
    assert evaluation.leader_regret_relative == evaluation.summary()["leader_regret_relative"]


def test_the_gap_bounds_the_regret_of_the_followers(evaluation):
    outcome = evaluation.outcome
    regret = follower_regret(evaluation.market, evaluation.rewards, outcome.compute, outcome.bandwidth)
    assert (regret <= evaluation.follower_gap + 1e-12).all()
    assert 0 <= evaluation.follower_regret_relative < 1e-9


def test_rewards_are_the_policys_shares_of_the_bound(evaluation):
    assert np.allclose(evaluation.rewards, 0.2 * evaluation.market.reward_bound[..., None], rtol=1e-15)
    beyond = evaluate_leaders(constant(1.5), DUO, 2)
    assert np.array_equal(beyond.rewards, np.broadcast_to(beyond.market.reward_bound[..., None], (2, 2, 1)))


def test_whoever_posts_best_responses_has_hardly_any_regret():
    rewards = np.full((2, 1), 0.2) * DUO.sample(0).reward_bound[:, None]
    market = DUO.sample(0)
    for _ in range(40):
        rewards = 0.5 * rewards + 0.5 * leader_best_response(market, rewards)[0]
    shares = rewards / market.reward_bound[:, None]
    still = Scenario.fixed(market)
    result = evaluate_leaders(lambda observations: np.tile(shares, (len(observations), 1, 1)), still, 2)
    assert result.leader_regret_relative < 1e-6
    assert result.leader_regret_relative < evaluate_leaders(constant(0.2), still, 2).leader_regret_relative


def test_slots_come_from_episodes_of_their_own_after_a_warm_up():
    calls = []

    def policy(observations):
        calls.append(observations.shape)
        return constant(0.2)(observations)

    few, many = evaluate_leaders(policy, DUO, 2), evaluate_leaders(policy, DUO, 5)
    assert len(calls) == 2 * (WARM_UP_SLOTS + 1)
    assert few.market == many.market[:2]
    assert len({efficiency.tobytes() for efficiency in many.market.spectral_efficiency}) == 5


def test_evaluation_slots_are_none_of_the_training_slots():
    assert EVALUATION_SEED > (2**32 - 1) * 100_000 + 100_000


def test_the_summary_is_json_without_special_numbers(evaluation):
    document = json.dumps(evaluation.summary(), allow_nan=False)
    assert json.loads(document)["slots"] == 12
    low, high = evaluation.summary()["leader_regret_relative_interval_95"]
    assert low <= evaluation.leader_regret_relative <= high


def test_the_interval_is_repeatable_and_widens_with_confidence(evaluation):
    narrow, wide = evaluation.interval(0.8), evaluation.interval(0.99)
    assert evaluation.interval(0.8) == narrow
    assert wide[0] <= narrow[0] < narrow[1] <= wide[1]


@pytest.mark.parametrize(
    "regret",
    [[0, 0], [0.1, 0.1], [0, 0.5], [0, 0, 0.9], [0.3, 0.1, 0.2], [0] * 30, [0] * 29 + [1], [0.2] * 29 + [0.1]],
)
def test_few_slots_or_equal_ones_have_an_interval_around_the_estimate(evaluation, regret):
    made = with_regret(evaluation, regret)
    assert np.isclose(made.leader_regret_relative, np.mean(regret))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = made.interval()
    assert -1e-12 <= low <= made.leader_regret_relative <= high <= 1
    if len(set(regret)) == 1:
        assert np.isclose(low, high)


def test_one_slot_has_no_interval():
    one = evaluate_leaders(constant(0.2), DUO, 1)
    assert one.interval() is None
    assert one.summary()["leader_regret_relative_interval_95"] is None


@pytest.mark.parametrize("slots", [2, 20])
def test_nothing_to_gain_is_no_regret(evaluation, slots):
    made = with_regret(evaluation, [0.0] * slots, utility=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.leader_regret_relative == 0.0
        assert made.interval() == (0.0, 0.0)
        json.dumps(made.summary(), allow_nan=False)
