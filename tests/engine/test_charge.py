"""Money in environments, by plain accounting of what they hand out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import permuted
from playing import MODES, parallel, random_actions, random_batch, roll, same

from aigc_market_env import BatchedMarketEnv, Dynamics, Scenario, Wallet, WalletRange
from aigc_market_env.scenarios import STATIC

DEMAND = Dynamics(
    worth_deviation=0.5,
    worth_correlation=0.8,
    urgent_probability=0.1,
    load_profile=(0.7, 1.0, 1.6),
    request_probability=0.2,
)
#: From nothing to more than anybody spends in a slot, at campus.
AMOUNTS = st.sampled_from([0.0, 1e-9, 0.01, 0.3, 1.0, 5.0])


def campus(wallet, dynamics=DEMAND, **size):
    return Scenario.preset("campus", num_mus=3, num_asps=2, wallet=wallet, dynamics=dynamics, **size)


def paid(served):
    return (served.rewards * served.qoe).sum(axis=-1)


@settings(max_examples=40)
@given(AMOUNTS, AMOUNTS, st.one_of(AMOUNTS, st.just(np.inf)), st.sampled_from(MODES), st.integers(0, 2**32 - 1))
def test_money_is_conserved_and_never_below_zero_nor_above_the_cap(money, income, cap, asps, seed):
    env = BatchedMarketEnv(campus(Wallet(money, income, cap)), 2, asps=asps, seed=seed, max_cycles=None)
    env.reset()
    rng = np.random.default_rng(seed)
    assert np.array_equal(env.wallet.money, np.full((2, 3), min(money, cap)))
    for _ in range(8):
        market, before = env.market, env.wallet.money
        actions = random_batch(rng, env)
        for _ in range(2 if asps == "agents" else 1):
            _, rewards, *_ = env.step(actions)
        served, after = env.served, env.wallet.money
        assert (paid(served) <= before * (1 + 1e-12)).all()
        np.testing.assert_allclose(after, np.minimum(before - paid(served) + income, cap), rtol=1e-9, atol=1e-12)
        assert ((after >= 0) & (after <= cap)).all()
        # Who is cut short has nothing left, and who has nothing posts nothing.
        short = served.time_share < 1
        assert (after[short] == min(income, cap)).all()
        assert (served.rewards[before == 0] == 0).all()
        assert (served.rewards <= actions["mu"] * market.reward_bound[..., None] * (1 + 1e-12)).all()
        # All payoffs are those of what was delivered and used in the part of the slot.
        satisfaction = market.satisfaction_scale * np.log1p(served.qoe.sum(-1) / market.qoe_requirement)
        np.testing.assert_allclose(rewards["mu"], satisfaction - paid(served), rtol=1e-9, atol=1e-12)
        cost = market.compute_cost * served.compute.sum(-2) + market.bandwidth_cost * served.bandwidth.sum(-2)
        revenue = (served.rewards * served.qoe).sum(-2)
        np.testing.assert_allclose(served.asp_profit, revenue - cost, rtol=1e-9, atol=1e-9 * (1 + revenue.max()))


@pytest.mark.parametrize("asps", MODES)
def test_who_cannot_pay_is_served_for_the_share_that_is_paid(asps):
    """Beside a twin with all the money in the world, whose slot is the same but for the shares."""
    poor = BatchedMarketEnv(campus(Wallet([0.05, 0.4, 2.0])), 4, asps=asps, seed=3)
    rich = BatchedMarketEnv(campus(Wallet(1e9)), 4, asps=asps, seed=3)
    actions = random_batch(np.random.default_rng(1), poor)
    for env in (poor, rich):
        env.reset()
        for _ in range(2 if asps == "agents" else 1):
            env.step(actions)
    share = np.minimum([0.05, 0.4, 2.0] / np.maximum(paid(rich.served), 1e-300), 1.0)
    assert (share < 1).any()
    np.testing.assert_allclose(poor.served.time_share, share, rtol=1e-12)
    assert (rich.served.time_share == 1).all()
    for name in ("qoe", "compute", "bandwidth", "throughput", "qoe_terms"):
        scaled = share[..., None] * getattr(rich.served, name)
        np.testing.assert_allclose(getattr(poor.served, name), scaled, rtol=1e-12)
    assert np.array_equal(poor.served.rewards, rich.served.rewards)


@pytest.mark.parametrize("asps", MODES)
@pytest.mark.parametrize("dynamics", [Dynamics(), DEMAND])
def test_with_money_for_everything_the_market_is_that_without_wallets_bit_for_bit(asps, dynamics):
    options = {"asps": asps, "max_cycles": None, "seed": 5}
    with_wallet = BatchedMarketEnv(campus(Wallet(1e12, 1e12, 1e15), dynamics), 3, **options)
    without = BatchedMarketEnv(campus(None, dynamics), 3, **options)
    with_wallet.reset()
    without.reset()
    for one, other in zip(*(roll(env, np.random.default_rng(0), 12) for env in (with_wallet, without)), strict=True):
        size = other[0]["mu"].shape[-1]
        assert same([one[0]["mu"][..., :size], *one[1:-1]], [other[0]["mu"], *other[1:-1]])
        assert same(one[-1], other[-1])


def test_a_slot_in_other_credits_is_the_same_slot():
    """Scales that are powers of two change no bit of a share."""
    market, wallet = Scenario.preset("campus", num_mus=3, num_asps=2).sample(4), (0.3, 0.1, 0.8)
    played = {}
    for scale in (1.0, 2.0**20, 2.0**-20):
        scaled = market.replace(
            satisfaction_scale=scale * market.satisfaction_scale,
            compute_cost=scale * market.compute_cost,
            bandwidth_cost=scale * market.bandwidth_cost,
        )
        scenario = Scenario.fixed(scaled, wallet=Wallet(*(scale * amount for amount in wallet)), dynamics=DEMAND)
        env = BatchedMarketEnv(scenario, 2, asps="best_response", max_cycles=None, seed=1)
        env.reset()
        rng, found = np.random.default_rng(2), []
        for _ in range(10):
            env.step(random_batch(rng, env))
            found.append([env.wallet.money / scale, env.served.time_share, env.served.mu_utility / scale])
        played[scale] = np.array(found)
    assert (played[1.0][:, 1] < 1).any()
    for found in played.values():
        np.testing.assert_allclose(found, played[1.0], rtol=1e-5, atol=1e-12)  # best responses are as exact as that


def test_users_in_another_order_have_the_same_money():
    market, order = Scenario.preset("campus", num_mus=4, num_asps=2).sample(4), np.array([2, 0, 3, 1])
    money = np.array([0.2, 0.5, 0.05, 3.0])
    actions = np.random.default_rng(0).random((10, 1, 4, 2))
    played = []
    for mus in (np.arange(4), order):
        wallet = Wallet(money[mus], 0.1 * money[mus], 2 * money[mus])
        scenario = Scenario.fixed(permuted(market, mus, np.arange(2)), wallet=wallet, dynamics=STATIC)
        env = BatchedMarketEnv(scenario, 1, asps="best_response", max_cycles=None, seed=0)
        env.reset()
        found = []
        for action in actions:
            env.step({"mu": action[:, mus]})
            found.append([env.wallet.money[0], env.served.mu_utility[0]])
        played.append(np.array(found))
    np.testing.assert_allclose(played[0][..., order], played[1], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1)])
@pytest.mark.parametrize("load", [1e-6, 1.0, 1e6])
def test_the_smallest_and_the_scarcest_markets_are_played_with_wallets(size, load):
    scenario = Scenario.preset("random", num_mus=size[0], num_asps=size[1], load=load, dynamics=DEMAND)
    env = BatchedMarketEnv(scenario, 4, asps="best_response", seed=0, wallet=Wallet(1e-3, 1e-3, 3e-3))
    env.reset()
    for step in roll(env, np.random.default_rng(0), 6):
        assert np.isfinite(step[1]["mu"]).all()
        assert env.single_observation_space["mu"].contains(step[0]["mu"][0, 0])
        assert ((env.wallet.money >= 0) & (env.wallet.money <= 3e-3)).all()


def test_what_users_see_is_what_they_have():
    wallet = WalletRange(Wallet(0.0, 0.0, 0.2), Wallet(1.0, 0.3, np.inf))
    env = parallel(campus(wallet), max_cycles=6)
    observations, _ = env.reset(seed=0)
    rng, base = np.random.default_rng(0), None
    for slot in range(7):
        seen = np.stack([observations[f"mu_{m}"][-7:] for m in range(3)]).T
        held, omega = env.wallet, env.market.satisfaction_scale
        base = omega / np.exp(seen[4]) if base is None else base
        for row, amount in zip(seen[:3], held.amounts, strict=True):
            with np.errstate(divide="ignore"):
                np.testing.assert_allclose(row, np.clip(np.log(amount / base), -10, 10), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(seen[3], 1 - slot / 6, rtol=1e-6)
        np.testing.assert_allclose(np.exp(seen[4]), omega / base, rtol=1e-5)
        np.testing.assert_allclose(seen[5] ** 2 + seen[6] ** 2, 1, rtol=1e-6)
        assert env.state_space.contains(env.state())
        if slot < 6:
            observations, *_ = env.step(random_actions(rng, env))


def test_without_an_end_all_of_the_episode_is_left():
    env = BatchedMarketEnv(campus(Wallet(1.0), STATIC), 2, asps="best_response", max_cycles=None, seed=0)
    env.reset()
    for observations, *_ in roll(env, np.random.default_rng(0), 3):
        assert (observations["mu"][..., -4] == 1.0).all()
        assert (observations["mu"][..., -2:] == 0.0).all()  # no profile


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("money", -1.0),
        ("money", 2.5),  # above the cap
        ("first_money", 2.5),
        ("income", np.nan),
        ("cap", -0.5),
        ("time_share", 1.5),
        ("time_share", np.nan),
        ("elapsed", np.nan),
        ("elapsed", np.inf),
        ("elapsed", 0.5),
    ],
)
def test_a_state_with_what_is_no_wallet_is_refused(name, value):
    env = BatchedMarketEnv(campus(Wallet(1.0, cap=2.0)), 2, asps="best_response", seed=0)
    env.reset()
    state = env.state()
    bad = state | {name: np.full_like(state[name], value)}
    with pytest.raises(ValueError, match=name):
        env.restore(bad)
    assert same(env.state(), state)
