"""The path of an episode is what every environment shows, whatever is played; and its wallets are those stated."""

import gymnasium
import numpy as np
import pytest
from playing import parallel, random_actions, random_batch, roll

from aigc_market_env import (
    BatchedMarketEnv,
    Dynamics,
    Scenario,
    Wallet,
    WalletRange,
    episode_path,
    market_v0,
    solve_equilibrium,
)
from aigc_market_env.leader_v0 import LeaderVectorEnv
from aigc_market_env.registration import LEADER_ID

SLOTS = 6


@pytest.mark.parametrize("scenario", ["prepaid", "campus", Scenario.preset("prepaid", num_mus=3, num_asps=1).fix(1)])
def test_every_environment_goes_along_the_path(scenario):
    markets, wallet = episode_path(scenario, seed=7, slots=SLOTS)
    env, aec = parallel(scenario, max_cycles=SLOTS), market_v0.env(scenario, SLOTS)
    batch = BatchedMarketEnv(scenario, 3, max_cycles=None)
    leader = gymnasium.make(LEADER_ID, scenario=scenario, max_episode_steps=SLOTS, horizon=SLOTS).unwrapped
    env.reset(seed=7)
    aec.reset(seed=7)
    batch.reset(seed=[6, 7, 8])
    leader.reset(seed=7)
    assert env.wallet == aec.wallet == leader.wallet == wallet
    if wallet is not None:
        assert np.array_equal(batch.wallet.money[1], wallet.money)
    rng = np.random.default_rng(0)
    for slot in range(SLOTS):
        assert markets[slot] == env.market == aec.market == batch.market[1] == leader.market
        env.step(random_actions(rng, env))
        for agent in aec.possible_agents:
            aec.step(rng.random(aec.action_space(agent).shape))
        roll(batch, rng, 2)
        leader.step(rng.random(leader.action_space.shape))


def test_one_mu_sees_what_it_sees_among_all():
    leader = LeaderVectorEnv(3, "prepaid", mu=2, max_episode_steps=SLOTS)
    batch = BatchedMarketEnv("prepaid", 3, asps="best_response", max_cycles=SLOTS)
    own, _ = leader.reset(seed=5)
    seen, _ = batch.reset(seed=5)
    for slot in range(SLOTS):
        assert own.tobytes() == seen["mu"][:, 2].tobytes()
        shares = leader.equilibrium_rewards / leader.market.reward_bound[..., None]
        own, utility, _, _, infos = leader.step(shares[:, 2])
        seen, rewards, _, _, last = batch.step({"mu": shares})
        assert utility.tobytes() == rewards["mu"][:, 2].tobytes()
        if slot == SLOTS - 1:
            assert np.stack(infos["final_obs"]).tobytes() == last["final_obs"]["mu"][:, 2].tobytes()


def test_lanes_that_are_reset_alone_have_episodes_of_their_own():
    env = LeaderVectorEnv(2, "prepaid", max_episode_steps=4, autoreset_mode="Disabled")
    env.reset(seed=0)
    left = [env.step(np.full((2, 4), 0.2))[0][:, -4] for _ in range(2)]
    observations, _ = env.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_allclose([*left, observations[:, -4]], [[0.75, 0.75], [0.5, 0.5], [1.0, 0.5]])


def test_spending_is_that_of_the_base_markets_equilibrium():
    wallet = Wallet(2.0, [0.5, 0.0, 1.0], [3.0, np.inf, 4.0], unit="spending")
    scenario = Scenario.preset("campus", num_mus=3, num_asps=2, dynamics=Dynamics(worth_deviation=1.0), wallet=wallet)
    for env in (BatchedMarketEnv(scenario, 1), BatchedMarketEnv(scenario, 5), BatchedMarketEnv(scenario.fix(3), 2)):
        env.reset(seed=2)
        for _ in range(3):  # the first, which is made alone, and those made ahead
            spending = solve_equilibrium(env.base_market, certify=False).outcome.service_cost
            assert (spending > 0).any()
            held = env.wallet
            np.testing.assert_allclose(held.money, np.minimum(2.0, [3.0, np.inf, 4.0]) * spending, rtol=1e-12)
            np.testing.assert_allclose(held.income, [0.5, 0.0, 1.0] * spending, rtol=1e-12)
            assert np.isinf(held.cap[:, 1]).all()
            env.reset()


@pytest.mark.parametrize("lanes", [1, 4])
def test_wallets_are_drawn_anew_for_everyone(lanes):
    wallet = WalletRange(Wallet(1.0, 0.2, 3.0), Wallet(2.0, 0.8, 9.0))
    env = BatchedMarketEnv(Scenario.preset("duo").fix(0), lanes, wallet=wallet, seed=0)
    drawn = []
    for _ in range(200 // lanes):
        env.reset()
        drawn.append(np.stack(env.wallet.amounts))
    found = np.concatenate([np.moveaxis(amounts, 1, 0) for amounts in drawn]).reshape(-1, 3, 2)
    assert len(np.unique(found)) == found.size
    low, high = np.array([1.0, 0.2, 3.0]), np.array([2.0, 0.8, 9.0])
    shares = (found - low[:, None]) / (high - low)[:, None]
    assert ((shares > 0) & (shares < 1)).all()
    assert np.abs(shares.mean(axis=0) - 0.5).max() < 4 * np.sqrt(1 / 12 / len(shares))


def test_a_wallet_of_the_environment_takes_the_place_of_the_scenarios():
    wallet = Wallet(5.0, 0.5, 6.0)
    env = market_v0.parallel_env("prepaid", wallet=wallet)
    env.reset(seed=0)
    assert env.wallet == Wallet(*(np.full(8, amount) for amount in (5.0, 0.5, 6.0)))
    assert Scenario.preset("prepaid", wallet=wallet).wallet == wallet
    assert episode_path("campus", 0, 1, wallet=wallet)[1] == env.wallet
    assert BatchedMarketEnv("campus", 2).scenario.wallet is None


@pytest.mark.parametrize(
    ("wallet", "message"),
    [
        (5.0, r"wallet = 5.0 must be a Wallet, a WalletRange or None"),
        (Wallet([1.0, 2.0, 3.0]), r"money of the wallet has shape \(3,\); it must be a number, or an array of 8"),
        (
            WalletRange(Wallet(1.0, 0.0, 9.0), Wallet(1.0, 0.0, np.full((2, 8), 9.0))),
            r"cap of the wallet has shape \(2, 8\)",
        ),
    ],
)
def test_what_is_no_wallet_of_the_market_is_refused(wallet, message):
    for make in (market_v0.parallel_env, market_v0.env, BatchedMarketEnv, Scenario.preset):
        with pytest.raises(ValueError, match=message):
            make("campus", wallet=wallet)
    with pytest.raises(ValueError, match=message):
        gymnasium.make(LEADER_ID, wallet=wallet)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"seed": None}, "seed = None"), ({"seed": -1}, "seed = -1"), ({"slots": 0}, "slots = 0")],
)
def test_a_path_needs_a_seed_and_a_length(arguments, message):
    with pytest.raises(ValueError, match=message):
        episode_path("duo", **{"seed": 0, "slots": 1} | arguments)


def test_a_picture_shows_shares_of_what_there_was():
    """The next slot may have lower bounds and capacities than the slot that is shown."""
    from aigc_market_env.rendering import Snapshot

    dynamics = Dynamics(worth_deviation=1.0, worth_correlation=0.0, load_profile=(0.3, 3.0))
    env = BatchedMarketEnv(Scenario.preset("campus", load=3.0, dynamics=dynamics), 4, seed=0, max_cycles=None)
    twin = BatchedMarketEnv(env.scenario, 4, max_cycles=None)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(4):
        market, actions = env.market, random_batch(rng, env)
        env.step(actions)
        env.step(actions)
        twin.restore(env.state())
        for one in (env, twin):
            shown = Snapshot.of(one._engine, "campus", 1, lane=2)
            np.testing.assert_allclose(shown.reward_shares, actions["mu"][2], rtol=1e-12)
            assert shown.utilisation.max() <= 1 + 1e-12
            used = one.served.compute[2].sum(axis=0) / market.compute_capacity[2]
            np.testing.assert_allclose(shown.utilisation[:, 0], used, rtol=1e-12)
