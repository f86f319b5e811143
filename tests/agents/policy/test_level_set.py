import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from markets import games, permuted
from random_policies import make_policy

from agents import LevelSetPolicy, load_policy
from agents.policy.files import DESCRIPTION_FILE, save_policy
from agents.policy.level_features import Plan, payments, plan_of
from aigc_market_env import BatchedMarketEnv, Market, Scenario, market_v0
from aigc_market_env.spaces import MU_PLAN

SIZES = [(4, 2), (7, 3), (1, 1), (3, 6)]


def slot(num_mus, num_asps, seed=0, lanes=1, slots=2):
    """The markets of a slot of ``prepaid`` and what MUs observe of it, after a slot in which nothing was posted."""
    scenario = Scenario.preset("prepaid", num_mus=num_mus, num_asps=num_asps)
    env = BatchedMarketEnv(scenario, lanes, asps="best_response", seed=seed)
    seen, _ = env.reset()
    for _ in range(slots - 1):
        seen, *_ = env.step({"mu": np.zeros((lanes, num_mus, num_asps))})
    return env.market, seen["mu"]


def with_entries(observations, **entries):
    """The same observations with some entries of the plan changed."""
    changed = observations.copy()
    for name, value in entries.items():
        changed[..., observations.shape[-1] - len(MU_PLAN) + getattr(MU_PLAN, name)] = value
    return changed


def in_money(market, rate):
    fields = ("satisfaction_scale", "compute_cost", "bandwidth_cost")
    return market.replace(**{name: rate * getattr(market, name) for name in fields})


# What does not matter


@given(st.integers(0, 10**6), st.sampled_from(SIZES))
def test_the_order_of_players_does_not_matter(seed, size):
    market, seen = slot(*size, seed=seed)
    rng = np.random.default_rng(seed)
    mus, asps = rng.permutation(size[0]), rng.permutation(size[1])
    played = make_policy("leader_levels").act_market(market[0], seen[0])
    other = make_policy("leader_levels").act_market(permuted(market[0], mus, asps), seen[0][mus])
    np.testing.assert_allclose(other, played[np.ix_(mus, asps)], rtol=5e-3, atol=1e-6)


@pytest.mark.parametrize("rate", [1e-3, 1e3])
def test_the_unit_of_money_does_not_matter(rate):
    policy, (market, seen) = make_policy("leader_levels"), slot(5, 3, lanes=4)
    other = in_money(market, rate)
    np.testing.assert_allclose(policy.act_market(other, seen), policy.act_market(market, seen), rtol=2e-3, atol=1e-6)
    plan = plan_of(market, seen, 64)
    dearer = plan._replace(**{name: rate * getattr(plan, name) for name in ("money", "income", "cap")})
    np.testing.assert_allclose(policy.levels(other, dearer), policy.levels(market, plan), rtol=1e-3)


def test_a_batch_is_played_market_by_market():
    policy, (market, seen) = make_policy("leader_levels"), slot(4, 3, lanes=3)
    played = policy.act_market(market, seen)
    assert played.shape == (3, 4, 3)
    for lane in range(3):
        np.testing.assert_allclose(played[lane], policy.act_market(market[lane], seen[lane]), rtol=1e-4, atol=1e-7)


def test_a_cap_beyond_what_there_can_be_is_none():
    policy, (market, seen) = make_policy("leader_levels"), slot(4, 2)
    plan = plan_of(market, seen, 64)
    most = plan.money + plan.slots_left * plan.income
    high, none = (policy.levels(market, plan._replace(cap=cap)) for cap in (1.01 * most, np.full_like(most, np.inf)))
    np.testing.assert_array_equal(high, none)


# Money


def test_what_is_observed_is_told_in_credits():
    scenario = Scenario.preset("prepaid")
    env = BatchedMarketEnv(scenario, 3, asps="best_response", max_cycles=10, seed=1)
    seen, _ = env.reset()
    for left in range(10, 5, -1):
        plan, (money, income, cap) = plan_of(env.market, seen["mu"], 10), env.wallet.amounts
        for told, exact in ((plan.money, money), (plan.income, income), (plan.cap, cap)):
            np.testing.assert_allclose(told, exact, rtol=1e-5)
        assert (plan.slots_left == left).all()
        ratio = env.market.satisfaction_scale / env.base_market.satisfaction_scale
        np.testing.assert_allclose(plan.log_worth, np.log(ratio), atol=1e-5)
        seen, *_ = env.step({"mu": np.full((3, 8, 4), 0.05)})


def test_nobody_posts_more_than_it_can_pay_and_nobody_without_money_posts():
    policy, (market, seen) = make_policy("leader_levels"), slot(6, 3, lanes=8)
    plan = plan_of(market, seen, 64)
    rng = np.random.default_rng(0)
    poor = plan._replace(money=plan.money * rng.choice([0.0, 0.001, 0.1, 1.0], plan.money.shape))
    rewards = policy.rewards(market, poor)
    assert (rewards[poor.money == 0.0] == 0.0).all()
    assert (rewards[poor.money > 0.0] > 0.0).all()
    assert (payments(market, rewards) <= 1.01 * poor.money + 1e-12).mean() > 0.9


def test_more_money_in_its_last_slot_is_for_spending():
    policy, (market, seen) = make_policy("leader_levels"), slot(4, 2)
    plan = plan_of(market, seen, 64)._replace(slots_left=np.ones((1, 4)))
    paid = [payments(market, policy.rewards(market, plan._replace(money=plan.cap * share))) for share in (1e-3, 1e-2)]
    assert (paid[1] >= paid[0]).all()


# What is played is valid


@given(games(batch=(2,)), st.integers(0, 10**6))
def test_wild_markets_and_wallets_are_played_within_bounds(game, seed):
    market, _ = game
    rng, mus = np.random.default_rng(seed), market.satisfaction_scale.shape
    worth = market.satisfaction_scale
    money, income, cap = (worth * 10.0 ** rng.uniform(-6, 6, mus) * rng.integers(0, 2, mus) for _ in range(3))
    left, log_worth = rng.integers(1, 200, mus).astype(float), rng.uniform(-5, 5, mus)
    plan = Plan(np.minimum(money, cap), income, cap, left, log_worth, np.zeros(mus), np.zeros(mus))
    rewards = make_policy("leader_levels").rewards(market, plan)
    assert np.isfinite(rewards).all()
    assert (rewards >= 0).all()
    assert (rewards <= market.reward_bound[..., None] * (1 + 1e-12)).all()


def test_an_environment_takes_what_is_played():
    env = market_v0.parallel_env("prepaid", asps="best_response")
    observations, _ = env.reset(seed=0)
    seen = np.stack([observations[f"mu_{m}"] for m in range(8)])
    market = env.unwrapped.market
    shares = make_policy("leader_levels").act_market(market, seen)
    env.step({f"mu_{m}": row.astype(np.float32) for m, row in enumerate(shares)})
    np.testing.assert_allclose(env.unwrapped.rewards, shares * market.reward_bound[:, None], rtol=1e-3)


def test_what_it_cannot_act_on_is_refused():
    policy, (market, seen) = make_policy("leader_levels"), slot(4, 2)
    for wrong in (seen[:, :3], seen[..., :5], seen[0], 3.0):
        with pytest.raises(ValueError, match="observations have shape"):
            policy.act_market(market, wrong)
    with pytest.raises(ValueError, match="act_market"):
        policy.act({})
    policy.check_fits(Scenario.preset("prepaid"))
    with pytest.raises(ValueError, match="a policy for MUs with wallets"):
        policy.check_fits(Scenario.preset("campus"))


@pytest.mark.parametrize("part", ["levels", "pricing"])
def test_weights_that_overflow_are_told(part):
    policy, (market, seen) = make_policy("leader_levels"), slot(3, 2)
    with torch.no_grad():
        getattr(policy.network, part).first.weight.fill_(1e38)
    with pytest.raises(ValueError, match="damaged"):
        policy.act_market(market, seen)


# Files


@pytest.mark.parametrize("size", SIZES)
def test_a_saved_policy_plays_the_same_in_markets_of_any_size(tmp_path, size):
    policy, (market, seen) = make_policy("leader_levels"), slot(*size)
    save_policy(policy, tmp_path)
    loaded = load_policy(tmp_path)
    assert isinstance(loaded, LevelSetPolicy)
    assert loaded.architecture == policy.architecture
    np.testing.assert_array_equal(loaded.act_market(market, seen), policy.act_market(market, seen))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save_policy(loaded, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "changes",
    [{"width": 0}, {"level_width": None}, {"level_layers": 10**9}, {"horizon": 1.0}, {"satiation": 1}, {"layers": 5}],
    ids=str,
)
def test_a_wrong_description_is_named(tmp_path, changes):
    save_policy(make_policy("leader_levels"), tmp_path)
    path = tmp_path / DESCRIPTION_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=r"policy\.(json|safetensors): "):
        load_policy(tmp_path)


def test_one_mu_and_one_asp_without_capacity_to_spare():
    market, seen = slot(1, 1)
    tight = market.replace(compute_capacity=1e-6 * market.compute_capacity)
    for one in (market, tight):
        shares = make_policy("leader_levels").act_market(Market.stack([one[0]]), seen)
        assert ((shares > 0) & (shares <= 1)).all()
    nothing = with_entries(seen, log_money=-10.0, log_income=-10.0, log_cap=-10.0)
    assert (make_policy("leader_levels").act_market(market, nothing) == 0).all()
