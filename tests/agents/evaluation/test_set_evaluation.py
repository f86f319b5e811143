import json

import numpy as np
import pytest
from random_policies import make_policy

from agents.evaluation.sets import evaluate_set_policy, evaluation_sizes, held_out
from agents.market_draws import MarketDistribution
from aigc_market_env import follower_regret, leader_regret, solve_equilibrium
from aigc_market_env.evaluation.reward_sources import NEAR, uniform

SMALL = MarketDistribution(num_mus=(2, 4), num_asps=(1, 2))
KINDS = pytest.mark.parametrize("kind", ["leader_set", "follower_set"])


def test_leaders_are_measured_as_a_user_would():
    policy = make_policy("leader_set")
    result = evaluate_set_policy(policy, SMALL, [(3, 2)], count=5)
    market = held_out(SMALL, (3, 2), 5)
    regret = leader_regret(market, policy.rewards(market)).mean()
    utility = solve_equilibrium(market, certify=False).outcome.mu_utility.mean()
    assert result.regret == {(3, 2): pytest.approx(regret / utility, rel=1e-9)}
    assert regret > 0


def test_followers_are_measured_as_a_user_would():
    policy = make_policy("follower_set")
    result = evaluate_set_policy(policy, SMALL, [(3, 2)], count=5).by_size[3, 2]
    market, rewards = held_out(SMALL, (3, 2), 5), result.outcome.rewards
    near = solve_equilibrium(market, certify=False).rewards
    assert 0.05 < np.abs(np.log(rewards / near)).mean() < 0.15
    regret = follower_regret(market, rewards, *policy.allocate(market, rewards))
    np.testing.assert_allclose(result.regret, regret, rtol=1e-9)
    assert result.follower_regret_relative == pytest.approx(regret.mean() / result.best_profit.mean())


def test_what_followers_serve_is_a_choice():
    policy = make_policy("follower_set")
    near, wide = (evaluate_set_policy(policy, SMALL, [(3, 2)], source=source) for source in (NEAR, uniform))
    assert wide.by_size[3, 2].outcome.rewards.mean() > 1.5 * near.by_size[3, 2].outcome.rewards.mean()


def test_held_out_markets_are_the_same_every_time_and_others_for_every_size():
    first, again, other = (held_out(SMALL, size, 4) for size in ((3, 2), (3, 2), (4, 2)))
    assert np.array_equal(first.spectral_efficiency, again.spectral_efficiency)
    assert not np.array_equal(first.satisfaction_scale, other.satisfaction_scale[:, :3])
    assert len(set(first.satisfaction_scale[:, 0])) == 4


def test_sizes_cover_the_distribution_and_larger_markets():
    assert evaluation_sizes(MarketDistribution()) == [(4, 2), (8, 4), (10, 5), (12, 6), (20, 5), (50, 10)]
    assert evaluation_sizes(SMALL)[:3] == [(2, 1), (3, 1), (4, 2)]
    only = MarketDistribution(num_mus=(12, 12), num_asps=(6, 6))
    assert evaluation_sizes(only) == [(12, 6), (20, 5), (50, 10)]


@KINDS
def test_the_summary_tells_sizes_trained_on_from_others(kind):
    result = evaluate_set_policy(make_policy(kind), SMALL, [(2, 1), (4, 2), (5, 2)], count=4)
    summary = json.loads(json.dumps(result.summary()))
    side = "leader" if kind == "leader_set" else "follower"
    regret = result.regret
    assert [size["trained"] for size in summary["sizes"]] == [True, True, False]
    assert summary[f"{side}_regret_relative_trained_sizes"] == max(regret[2, 1], regret[4, 2])
    assert summary[f"{side}_regret_relative_other_sizes"] == regret[5, 2]
    worst = {size: found.relative.worst for size, found in result.by_size.items()}
    assert all(worst[size] > regret[size] for size in worst)
    assert summary[f"{side}_regret_worst_trained_sizes"] == max(worst[2, 1], worst[4, 2])
    assert summary[f"{side}_regret_worst_other_sizes"] == worst[5, 2]
    assert [size[f"{side}_regret_worst"] for size in summary["sizes"]] == list(worst.values())
    assert summary["markets"] == 12
    assert [size[f"{side}_regret_relative"] for size in summary["sizes"]] == list(regret.values())


def test_equilibria_are_certified_on_request():
    result = evaluate_set_policy(make_policy("leader_set"), SMALL, [(2, 1)], count=2, certify=True)
    assert 0.0 <= result.summary()["sizes"][0]["equilibrium_certified"] <= 1.0


def test_no_sizes_are_refused():
    with pytest.raises(ValueError, match="sizes"):
        evaluate_set_policy(make_policy("leader_set"), SMALL, [])
