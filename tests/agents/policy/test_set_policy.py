import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from markets import games, permuted, random_rewards
from random_policies import make_policy
from safetensors.torch import load_file, save_file

from agents import FollowerSetPolicy, LeaderPolicy, LeaderSetPolicy, load_policy
from agents.market_draws import MarketDistribution
from agents.policy.files import DESCRIPTION_FILE, WEIGHTS_FILE, save_policy
from agents.policy.follower_set import allocation
from agents.policy.leader_set import LeaderSetArchitecture
from agents.policy.link_features import capacity_states
from aigc_market_env import Market, Scenario, follower_regret, follower_response, market_v0, solve_equilibrium

SIZES = [(4, 2), (7, 3), (1, 1), (3, 6)]


def sample(num_mus, num_asps, batch=(), seed=0, preset="random"):
    return Scenario.preset(preset, num_mus=num_mus, num_asps=num_asps).sample(seed, batch=batch)


def play(policy, market, rewards):
    return policy.act_market(market) if policy.kind == "leader_set" else policy.act_market(market, rewards)


def in_money(market, rate):
    """The same market with another currency."""
    fields = ("satisfaction_scale", "compute_cost", "bandwidth_cost")
    return market.replace(**{name: rate * getattr(market, name) for name in fields})


def in_units(market, compute, bandwidth):
    """The same market with compute and bandwidth measured in other units."""
    return market.replace(
        compute_capacity=compute * market.compute_capacity,
        flops_per_token=compute * market.flops_per_token,
        compute_cost=market.compute_cost / compute,
        bandwidth_capacity=bandwidth * market.bandwidth_capacity,
        bits_per_token=bandwidth * market.bits_per_token,
        bandwidth_cost=market.bandwidth_cost / bandwidth,
    )


KINDS = pytest.mark.parametrize("kind", ["leader_set", "outcomes", "follower_set"])


# What does not matter


@KINDS
@given(st.integers(0, 10**6), st.sampled_from(SIZES))
def test_the_order_of_players_does_not_matter(kind, seed, size):
    policy, market = make_policy(kind), sample(*size, seed=seed)
    rng = np.random.default_rng(seed)
    rewards = random_rewards(rng, market)
    mus, asps = rng.permutation(size[0]), rng.permutation(size[1])
    played = play(policy, market, rewards)
    other = play(policy, permuted(market, mus, asps), rewards[np.ix_(mus, asps)])
    expected = played[np.ix_(mus, asps)] if kind != "follower_set" else played[asps][:, :, mus]
    np.testing.assert_allclose(other, expected, rtol=2e-3, atol=1e-6)


@KINDS
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_units_do_not_matter(kind, seed, money, compute, bandwidth):
    policy, market = make_policy(kind), sample(5, 3, seed=seed)
    rewards = random_rewards(np.random.default_rng(seed), market)
    other = play(policy, in_units(in_money(market, money), compute, bandwidth), money * rewards)
    np.testing.assert_allclose(other, play(policy, market, rewards), rtol=2e-3, atol=1e-6)


@KINDS
def test_a_batch_is_played_market_by_market(kind):
    policy, market = make_policy(kind), sample(4, 3, batch=(2, 3))
    rewards = random_rewards(np.random.default_rng(0), market)
    played = play(policy, market, rewards)
    assert played.shape == ((2, 3, 4, 3) if kind != "follower_set" else (2, 3, 3, 2, 4))
    np.testing.assert_allclose(played[1, 2], play(policy, market[1, 2], rewards[1, 2]), rtol=1e-4, atol=1e-7)


def test_an_asp_does_not_react_to_what_others_are_paid():
    policy, market = make_policy("follower_set"), sample(5, 3)
    rewards = random_rewards(np.random.default_rng(0), market)
    played = policy.act_market(market, rewards)
    rewards[:, 1] *= 3.0
    again = policy.act_market(market, rewards)
    np.testing.assert_array_equal(again[[0, 2]], played[[0, 2]])
    assert not np.array_equal(again[1], played[1])


# What is played is valid


@KINDS
@given(games(batch=(2,)))
def test_wild_markets_are_played_within_bounds(kind, game):
    market, rewards = game
    policy = make_policy(kind)
    played = play(policy, market, rewards)
    assert np.isfinite(played).all()
    assert (played >= 0).all()
    assert (played <= 1).all()
    if kind != "follower_set":
        assert (policy.rewards(market) > 0).all()
    else:
        assert (follower_regret(market, rewards, *policy.allocate(market, rewards)) >= 0).all()


def test_an_environment_takes_what_is_played():
    env = market_v0.parallel_env(scenario="campus")
    env.reset(seed=0)
    market = env.unwrapped.market
    shares = make_policy("leader_set").act_market(market)
    rewards = shares * market.reward_bound[:, None]
    served = make_policy("follower_set").act_market(market, rewards)
    actions = {f"mu_{m}": row for m, row in enumerate(shares)} | {f"asp_{n}": rows for n, rows in enumerate(served)}
    actions = {agent: action.astype(np.float32) for agent, action in actions.items()}
    env.step(actions)
    _, profits, _, _, _ = env.step(actions)
    np.testing.assert_allclose(env.unwrapped.rewards, rewards, rtol=1e-6)
    outcome = market.outcome(rewards, *make_policy("follower_set").allocate(market, rewards))
    np.testing.assert_allclose([profits[f"asp_{n}"] for n in range(4)], outcome.asp_profit, rtol=1e-4)


@KINDS
def test_observations_alone_are_refused(kind):
    env = market_v0.parallel_env(scenario="duo")
    observations, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match="act_market"):
        make_policy(kind).act(observations)


@KINDS
def test_weights_that_overflow_are_told(kind):
    policy = make_policy(kind)
    with torch.no_grad():
        policy.network.first.weight.fill_(1e38)
    market = sample(3, 2)
    with pytest.raises(ValueError, match="damaged"):
        play(policy, market, 0.3 * market.reward_bound[:, None] * np.ones((3, 2)))


# Followers


@given(games(max_mus=6, batch=(2,)))
def test_exact_states_give_the_best_response(game):
    market, rewards = game
    response = follower_response(market, rewards)
    states = np.stack(
        [
            capacity_states(market, response.compute.sum(axis=-2), response.compute_price, "compute"),
            capacity_states(market, response.bandwidth.sum(axis=-2), response.bandwidth_price, "bandwidth"),
        ],
        axis=-1,
    )
    regret = follower_regret(market, rewards, *allocation(market, rewards, states))
    paid = market.outcome(rewards, response.compute, response.bandwidth).payment.sum(axis=-2)
    assert (regret <= 1e-6 * np.maximum(paid, 1e-12)).all()


def test_an_error_of_a_state_costs_profit_to_the_second_order():
    market = sample(8, 4, batch=(30,), preset="campus")
    rewards = solve_equilibrium(market, certify=False).rewards
    response = follower_response(market, rewards)
    used = response.compute.sum(axis=-2), response.bandwidth.sum(axis=-2)
    exact = np.stack(
        [
            capacity_states(market, used[0], response.compute_price, "compute"),
            capacity_states(market, used[1], response.bandwidth_price, "bandwidth"),
        ],
        axis=-1,
    )
    noise = np.random.default_rng(0).standard_normal(exact.shape)
    large, small = (
        follower_regret(market, rewards, *allocation(market, rewards, exact + size * noise)).mean()
        for size in (0.04, 0.01)
    )
    assert small < 0.15 * large


# Distributions of markets


def test_a_draw_has_the_size_asked_for_and_depends_on_the_generator_alone():
    distribution = MarketDistribution(num_mus=(3, 5), num_asps=(1, 2), loads=(0.5, 0.5))
    for seed in range(5):
        market = distribution.sample(np.random.default_rng(seed), 60)
        assert 3 <= market.num_mus <= 5
        assert 1 <= market.num_asps <= 2
        assert market.batch_shape == (round(60 / (market.num_mus * market.num_asps)),)
        assert market == distribution.sample(np.random.default_rng(seed), 60)


def test_the_load_and_the_providers_are_drawn():
    markets = MarketDistribution(num_mus=(4, 4), num_asps=(2, 2)).sample(np.random.default_rng(0), 1600)
    base = Scenario.preset("campus", num_mus=4, num_asps=4).sample(0)
    types = {float(value) for value in markets.flops_per_token.ravel()}
    assert types == {float(value) for value in base.flops_per_token}
    ratio = markets.compute_capacity / (markets.flops_per_token * 1.0)
    assert ratio.max() / ratio.min() > 5


@pytest.mark.parametrize(
    "changes",
    [{"scenario": "nowhere"}, {"scenario": "duo"}, {"num_mus": (0, 3)}, {"num_asps": (3, 2)}, {"loads": (0.0, 1.0)}],
)
def test_an_impossible_distribution_is_refused(changes):
    with pytest.raises(ValueError, match=r"preset|num_|loads"):
        MarketDistribution(**changes)


# Files


@KINDS
@pytest.mark.parametrize("size", SIZES)
def test_a_saved_policy_plays_the_same_in_markets_of_any_size(tmp_path, kind, size):
    policy, market = make_policy(kind), sample(*size)
    save_policy(policy, tmp_path)
    loaded = load_policy(tmp_path)
    assert type(loaded) is type(policy)
    assert loaded.architecture == policy.architecture
    rewards = random_rewards(np.random.default_rng(0), market)
    assert np.array_equal(play(loaded, market, rewards), play(policy, market, rewards))


@KINDS
def test_saving_what_was_loaded_gives_the_same_bytes(tmp_path, kind):
    save_policy(make_policy(kind), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save_policy(load_policy(tmp_path), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_policy_of_another_kind_is_refused(tmp_path):
    save_policy(make_policy("leader_set"), tmp_path)
    assert isinstance(load_policy(tmp_path, LeaderSetPolicy), LeaderSetPolicy)
    for kind in (LeaderPolicy, FollowerSetPolicy):
        with pytest.raises(ValueError, match=rf"policy\.json.*'leader_set', expected '{kind.kind}'"):
            load_policy(tmp_path, kind)


def test_neither_making_nor_loading_draws_random_numbers(tmp_path):
    save_policy(make_policy("leader_set"), tmp_path)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_policy(tmp_path)
    assert before.equal(torch.get_rng_state())


@KINDS
@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "aigc-market-policy/2"},
        {"kind": "leader_mlp"},
        {"kind": ["leader_set"]},
        {"width": 0},
        {"width": None},
        {"width": True},
        {"width": 10**9},
        {"layers": 1.0},
        {"layers": 3},
        {"layers": 10**9},
        {"kind": "leader_set", "first_order": None},
        {"kind": "leader_set", "first_order": 1},
    ],
    ids=str,
)
def test_a_wrong_description_is_named(tmp_path, kind, changes):
    save_policy(make_policy(kind), tmp_path)
    path = tmp_path / DESCRIPTION_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=r"policy\.(json|safetensors): "):
        load_policy(tmp_path)


@KINDS
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, pickle.dumps([1]), "cut", "nan", "float64", "missing"])
def test_damaged_weights_are_named(tmp_path, kind, content):
    save_policy(make_policy(kind), tmp_path)
    path = tmp_path / WEIGHTS_FILE
    weights = load_file(path)
    if content == "nan":
        weights["feature_mean"][0] = torch.nan
    elif content == "missing":
        del weights["feature_gain"]
    elif content == "float64":
        weights = {name: tensor.double() for name, tensor in weights.items()}
    save_file(weights, path)
    if content == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"policy\.safetensors: "):
        load_policy(tmp_path)


# The oracle


def test_the_oracle_goes_on_from_what_is_posted():
    market = sample(6, 3, batch=(4,), preset="campus")
    cold = solve_equilibrium(market)
    warm = solve_equilibrium(market, start=make_policy("leader_set").rewards)
    assert isinstance(market, Market)
    np.testing.assert_array_equal(warm.certificate.converged, cold.certificate.converged)
    np.testing.assert_allclose(warm.outcome.mu_utility, cold.outcome.mu_utility, rtol=1e-5)


# Satiation


@pytest.mark.parametrize("first_order", [True, False])
def test_a_network_that_sees_satiation_has_one_feature_more(tmp_path, first_order):
    market = Scenario.preset("office").sample(0, (3,))
    rewards = 0.2 * market.reward_bound[..., None] * np.ones(4)
    blind = LeaderSetArchitecture(8, 1, first_order)
    seeing = LeaderSetArchitecture(8, 1, first_order, satiation=True)
    features = seeing.features(market, rewards)
    np.testing.assert_array_equal(features[..., :-1], blind.features(market, rewards))
    expected = np.broadcast_to(np.log1p(market.satiation)[..., None], features.shape[:-1])
    np.testing.assert_array_equal(features[..., -1], expected.astype(np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = LeaderSetPolicy(seeing, seeing.network())
    save_policy(policy, tmp_path)
    again = load_policy(tmp_path, LeaderSetPolicy)
    assert again.architecture == seeing
    np.testing.assert_array_equal(again.rewards(market), policy.rewards(market))
    other = market.replace(satiation=0.5 * market.satiation)
    assert not np.array_equal(policy.rewards(other), policy.rewards(market))


def test_a_description_from_before_there_was_satiation_acts_as_ever(tmp_path):
    policy = make_policy("leader_set")
    save_policy(policy, tmp_path)
    document = json.loads((tmp_path / DESCRIPTION_FILE).read_text())
    assert document.pop("satiation") is False
    (tmp_path / DESCRIPTION_FILE).write_text(json.dumps(document))
    market = Scenario.preset("office").sample(0)
    np.testing.assert_array_equal(load_policy(tmp_path, LeaderSetPolicy).rewards(market), policy.rewards(market))
    (tmp_path / DESCRIPTION_FILE).write_text(json.dumps(document | {"satiation": 2}))
    with pytest.raises(ValueError, match="satiation = 2 must be true or false"):
        load_policy(tmp_path)


def test_satiation_is_drawn_for_every_mu():
    plain = MarketDistribution(num_mus=(3, 3), num_asps=(2, 2))
    drawn = MarketDistribution(num_mus=(3, 3), num_asps=(2, 2), satiation=(0.0, 6.0))
    assert not plain.satiated
    assert drawn.satiated
    assert drawn.describe() == f"{plain.describe()}, satiation 0 to 6"
    found = drawn.sample(np.random.default_rng(0), 600).satiation
    assert found.shape == (100, 3)
    assert 0.0 <= found.min() < 0.2
    assert 5.8 < found.max() <= 6.0
    assert not plain.sample(np.random.default_rng(0), 60).satiation.any()
    assert MarketDistribution("office").satiated
    assert not MarketDistribution("office", satiation=(0.0, 0.0)).satiated
    with pytest.raises(ValueError, match="satiation"):
        MarketDistribution(satiation=(3.0, 1.0))
