"""Everything in the reference, called as a user's typed program would: it runs here, and passes mypy strict."""

import ast
import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_type

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest

from aigc_market_env import (
    Absence,
    BatchedMarketEnv,
    Certificate,
    DualPerturbation,
    Dynamics,
    Episode,
    EpisodeRegret,
    Equilibrium,
    FollowerResponse,
    Market,
    Outcome,
    RelativeRegret,
    Scenario,
    SlotView,
    Trace,
    Wallet,
    WalletEquilibrium,
    WalletRange,
    episode_path,
    episode_regret,
    follower_regret,
    follower_response,
    leader_best_response,
    leader_regret,
    leader_regret_bound,
    market_v0,
    nash_conv,
    no_pure_equilibrium,
    play_episode,
    relative_regret,
    reward_gradient,
    solve_equilibrium,
    solve_wallet_equilibrium,
    spaces,
    tasks,
    wrappers,
)
from aigc_market_env.equilibrium import Learned, Overhead
from aigc_market_env.evaluation import LeaderEvaluation, judge_rewards
from aigc_market_env.evaluation.reward_sources import uniform
from aigc_market_env.leader_v0 import LeaderEnv, LeaderVectorEnv
from aigc_market_env.served import ServedSlot
from aigc_market_env.tasks.serving import ServingBatch, ServingEnv
from aigc_market_env.testing.checks import check_env
from aigc_market_env.views import VIEWS, View

FloatArray = npt.NDArray[np.float64]
REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


@pytest.fixture
def market() -> Market:
    return Scenario.preset("duo").sample(seed=0)


def test_a_market_is_described_drawn_and_kept(market: Market, tmp_path: Path) -> None:
    assert_type(market.num_mus, int)
    assert_type(market.num_asps, int)
    assert_type(market.batch_shape, tuple[int, ...])
    assert_type(market.reward_bound, FloatArray)
    assert_type(market.bandwidth_per_rate, FloatArray)
    market.to_json(tmp_path / "market.json")
    again = assert_type(Market.from_json(tmp_path / "market.json"), Market)
    pair = Market.stack([market, again.replace(satisfaction_scale=2.0 * again.satisfaction_scale)])
    assert pair.batch_shape == (2,)
    assert {array.shape[0] for array in pair.flat} == {2}


def test_scenarios_are_made_in_three_ways(market: Market) -> None:
    still = Scenario.fixed(market, name="mine")
    fading = Scenario.preset("campus", load=2.0, num_mus=3, num_asps=2, dynamics=Dynamics(shadowing_correlation=0.5))
    assert_type(fading.sample(seed=0, batch=(5,)), Market)
    assert (Scenario.of("town").num_mus, Scenario.of(market).num_asps) == (20, market.num_asps)
    assert assert_type(fading.fix(seed=1), Scenario).num_mus == 3
    assert still.name == "mine"


def test_a_scenario_follows_a_measured_trace() -> None:
    dynamics = Dynamics(shadowing_db=0.0, trace=Trace("held_out", block_slots=30.0))
    assert assert_type(dynamics.load_varies, bool)
    scenario = Scenario.preset("traces_v0", num_mus=2, num_asps=1, dynamics=dynamics)
    assert scenario.dynamics.trace == Trace("held_out", 30.0)
    assert assert_type(scenario.held_out, Scenario).dynamics.trace == Trace("held_out", 30.0)


def test_users_are_given_wallets(market: Market) -> None:
    wallet = Wallet(money=1.0, income=[0.1, 0.2], cap=2.0, unit="spending")
    in_credits = assert_type(wallet.in_credits(np.array([3.0, 4.0])), Wallet)
    assert [amount.shape for amount in in_credits.amounts] == [(2,), (2,), (2,)]
    drawn = assert_type(WalletRange(Wallet(0.0), Wallet(2.0)).draw(np.full((3, 2), 0.5)), Wallet)
    scenario = Scenario.fixed(market, wallet=drawn, dynamics=Dynamics(worth_deviation=0.5))
    assert assert_type(scenario.dynamics.worth_varies, bool)
    assert assert_type(scenario.extra_entries, dict[str, bool]) == {"satiation": False, "wallet": True}
    markets, begun = assert_type(episode_path(scenario, seed=0, slots=3), tuple[Market, Wallet | None])
    assert (markets.batch_shape, begun) == ((3,), drawn)
    env = BatchedMarketEnv(scenario, 2, seed=0)
    env.reset()
    assert assert_type(env.base_market, Market)[0] == market
    assert assert_type(env.wallet, Wallet | None) is not None
    leader = LeaderEnv(scenario, wallet=wallet, horizon=8)
    leader.reset(seed=0)
    assert assert_type(leader.wallet, Wallet | None) is not None


def test_the_game_is_solved_and_every_regret_told(market: Market) -> None:
    rewards = 0.3 * market.reward_bound[:, None] * np.ones((market.num_mus, market.num_asps))
    response = assert_type(follower_response(market, rewards), FollowerResponse)
    outcome = assert_type(market.outcome(rewards, response.compute, response.bandwidth), Outcome)
    assert_type(outcome.service_cost, FloatArray)
    assert_type(reward_gradient(market, rewards), FloatArray)
    best, utility = assert_type(leader_best_response(market, rewards), tuple[FloatArray, FloatArray])
    regret = assert_type(leader_regret(market, rewards), FloatArray)
    assert (assert_type(leader_regret_bound(market, rewards), FloatArray) >= regret).all()
    assert best.shape == rewards.shape
    np.testing.assert_allclose(utility - outcome.mu_utility, regret, atol=1e-12)
    missed = assert_type(follower_regret(market, rewards, response.compute, response.bandwidth), FloatArray)
    assert missed.max() <= 1e-9
    share = assert_type(relative_regret(regret[None], outcome.mu_utility[None]), RelativeRegret)
    assert share.by_agent[share.agent] == share.worst
    assert share.mean <= share.worst
    assert share.scale.shape == (market.num_mus,)
    total = assert_type(nash_conv(market, rewards, response.compute, response.bandwidth), FloatArray)
    np.testing.assert_allclose(total, regret.sum() + missed.sum(), atol=1e-9)


def test_that_there_is_no_equilibrium_is_proven() -> None:
    found = no_pure_equilibrium(Scenario.preset("duo", load=8.0).sample(seed=0), accuracy=0.5)
    assert_type(found, Absence)
    assert assert_type(found.proven, bool)
    assert 0.0 < assert_type(found.epsilon, float) < assert_type(found.least_regret, float)
    assert assert_type(found.rewards, FloatArray).shape == (2, 1)
    assert len(assert_type(found.left, FloatArray)) == 0


def test_where_users_must_mix_the_oracle_says_how() -> None:
    market = Scenario.preset("duo", load=7.25).sample(seed=0)
    equilibrium = assert_type(solve_equilibrium(market, mixed=True), Equilibrium)
    assert assert_type(equilibrium.kind, npt.NDArray[np.str_]) == "mixed"
    assert assert_type(equilibrium.probabilities, FloatArray).sum(axis=-1) == pytest.approx(1.0)
    posted = assert_type(equilibrium.sample(np.random.default_rng(0)), FloatArray)
    assert any((posted[0] == row).all() for row in assert_type(equilibrium.supports, FloatArray)[0])
    assert equilibrium.with_room(5).supports.shape == (market.num_mus, 5, market.num_asps)


def test_the_oracle_certifies_and_the_mechanism_comes_near(market: Market) -> None:
    equilibrium = assert_type(solve_equilibrium(market), Equilibrium)
    assert equilibrium.certificate is not None
    assert bool(assert_type(equilibrium.certificate, Certificate).converged)
    mechanism = DualPerturbation(rounds=100)
    assert mechanism.probes_per_round(market.num_mus, market.num_asps) == 2
    assert mechanism.perturbed_per_probe(market.num_mus, market.num_asps) == 2
    learned = assert_type(mechanism.run(market, np.random.default_rng(0)), Learned)
    assert learned.overhead == Overhead.of(100, 200, market.num_mus, market.num_asps)
    assert leader_regret(market, learned.rewards).mean() < 0.05 * equilibrium.outcome.mu_utility.mean()


def test_the_mechanism_takes_a_market_of_the_users_own(market: Market) -> None:
    def delivered(rewards: FloatArray) -> FloatArray:
        response = follower_response(market, rewards)
        return market.outcome(rewards, response.compute, response.bandwidth).qoe

    mechanism = DualPerturbation(rounds=3)
    asked = (delivered, market.satisfaction_scale, market.qoe_requirement, market.num_asps)
    learned = assert_type(mechanism.learn(*asked, np.random.default_rng(0)), Learned)
    for _, rewards in zip(range(4), mechanism.updates(*asked, np.random.default_rng(0)), strict=False):
        assert_type(rewards, FloatArray)
    np.testing.assert_array_equal(rewards, learned.rewards)
    qoe, slopes = mechanism.sample(delivered, rewards, 0.1, np.random.default_rng(0))
    assert qoe.shape == slopes.shape == rewards.shape


def test_an_episode_of_mus_with_wallets_is_solved_and_played(market: Market) -> None:
    path = Market.stack([market, market.replace(satisfaction_scale=2 * market.satisfaction_scale)])
    wallet = Wallet(1.0, 0.2, 1.5, "spending").in_credits(solve_equilibrium(market).outcome.service_cost)
    found = solve_wallet_equilibrium(path, wallet)
    assert assert_type(found, WalletEquilibrium).converged
    assert_type(found.certificate, EpisodeRegret | None)
    assert assert_type(found.prices, FloatArray).shape == (2, 2)

    def post(view: SlotView) -> FloatArray:
        return 0.2 * view.market.reward_bound[:, None] * (view.money > 0.1)[:, None]

    played = assert_type(play_episode(path, post, wallet), Episode)
    assert played.money.shape == (3, 2)
    assert (episode_regret(path, played.rewards, wallet).regret_bound > 0).all()


def test_rewards_from_anywhere_are_judged() -> None:
    markets = Scenario.preset("duo").sample(seed=0, batch=(4,))
    judged = assert_type(judge_rewards(markets, solve_equilibrium(markets).rewards), LeaderEvaluation)
    assert assert_type(judged.leader_regret_relative, float) < 1e-6
    assert judged.relative.mean == judged.point()["leader_regret_relative"]
    assert 0.0 <= judged.follower_regret_relative == judged.followers_relative.mean < 1e-9
    assert (judged.leaders, judged.followers) == (judged, None)
    assert judged.utility_ratio == pytest.approx(1.0)
    assert judged.summary()["slots"] == len(judged.payoffs) == 4
    found = assert_type(judged.interval(), tuple[float, float] | None)
    assert found is not None
    assert found[0] <= judged.leader_regret_relative <= found[1]
    np.testing.assert_array_equal(judged.nash_conv, judged.regret.sum(axis=1) + judged.follower_gap.sum(axis=1))


def test_the_parallel_environment_is_played() -> None:
    env = assert_type(market_v0.parallel_env("duo", max_cycles=4, render_mode="ansi"), market_v0.parallel_env)
    check_env(env)
    observations, infos = env.reset(seed=0)
    assert env.np_random_seed == 0
    assert_type(env.np_random, np.random.Generator)
    assert_type(observations, dict[str, npt.NDArray[np.float32]])
    assert_type(infos, dict[str, dict[str, Any]])
    while env.agents:
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        observations, payoffs, _, truncations, infos = env.step(actions)
        assert_type(payoffs, dict[str, float])
        assert_type(truncations, dict[str, bool])
    assert all(env.observation_space(agent).contains(observations[agent]) for agent in env.possible_agents)
    assert_type(env.market, Market)
    assert assert_type(env.served, ServedSlot).compute.shape == (2, 1)
    assert_type(env.rewards, FloatArray)
    np.testing.assert_array_equal(env.rewards, env.posted_rewards)
    assert assert_type(env.state(), npt.NDArray[np.float32]).shape == (len(spaces.state_names(2, 1)),)
    assert isinstance(env.render(), str)
    env.close()


def test_the_aec_environment_is_played() -> None:
    env = assert_type(market_v0.env("duo", max_cycles=2), market_v0.raw_env)
    env.reset(seed=0)
    for agent in env.agent_iter():
        assert_type(env.observe(agent), npt.NDArray[np.float32])
        _, _, terminated, truncated, _ = env.last()
        env.step(None if terminated or truncated else env.action_space(agent).sample())
    assert not env.agents


def test_environments_are_wrapped() -> None:
    env = market_v0.parallel_env("duo", max_cycles=3)
    flat = wrappers.agent_identity(wrappers.flatten_actions(wrappers.log_actions(env, lowest=1e-2)))

    def post(observations: dict[str, npt.NDArray[np.float32]]) -> dict[str, npt.ArrayLike]:
        return {mu: np.zeros(1) for mu in observations}

    mine = wrappers.relative_payoffs(wrappers.own_turns(flat, "asp", post))
    mine.reset(seed=0)
    _, payoffs, _, truncations, _ = mine.step({"asp_0": np.zeros(4)})
    profit = env.served.asp_profit / env.base_market.satisfaction_scale.sum()
    assert payoffs == {"asp_0": profit[0]}
    assert truncations == {"asp_0": True}
    assert_type(env.base_market, Market)


def test_many_markets_are_stepped_and_gone_on_with() -> None:
    env = BatchedMarketEnv("duo", num_envs=3, asps="best_response", max_cycles=None, seed=0)
    env.reset()
    state = assert_type(env.state(), dict[str, npt.NDArray[Any]])
    assert_type(env.market, Market)
    actions = {env.acting: np.full((3, 2, 1), 0.3)}
    observations, rewards, terminations, truncations, _ = env.step(actions)
    assert_type(rewards["mu"], npt.NDArray[Any])
    assert_type(truncations, npt.NDArray[np.bool_])
    assert_type(env.served, ServedSlot)
    env.restore(state)
    again, *_ = env.step(actions)
    np.testing.assert_array_equal(observations["mu"], again["mu"])
    env.reseed(0)
    env.reset()
    np.testing.assert_array_equal(env.market.spectral_efficiency.shape, (3, 2, 1))
    assert not terminations.any()


def test_one_mu_among_others_is_played() -> None:
    made = gymnasium.make("aigc_market_env/Leader-v0", scenario="duo", mu=1)
    made.reset(seed=0)
    alone = LeaderEnv("duo", mu=1)
    observation, _ = alone.reset(seed=0)
    assert alone.observation_space.contains(observation)
    own = alone.equilibrium_rewards[1] / alone.market.reward_bound[1]
    _, reward, _, _, _ = alone.step(own)
    many = LeaderVectorEnv(2, "duo", mu=1)
    many.reset(seed=0)
    owns = many.equilibrium_rewards[:, 1] / many.market.reward_bound[:, 1, None]
    _, rewards, _, _, _ = many.step(owns)
    assert assert_type(rewards, FloatArray)[0] == assert_type(reward, float)
    many.close_extras()  # as close() does


def test_spaces_and_the_names_of_their_entries() -> None:
    assert spaces.mu_observation_space(4).shape == (len(spaces.mu_observation_names(4)),)
    assert spaces.asp_observation_space(8).shape == (len(spaces.asp_observation_names(8)),)
    assert spaces.state_space(8, 4).shape == (len(spaces.state_names(8, 4)),)
    assert (spaces.mu_action_space(4).shape, spaces.asp_action_space(8).shape) == ((4,), (2, 8))
    assert all(assert_type(value, float) > 0.0 for value in spaces.REFERENCE.values())


def _post(observations: npt.NDArray[np.float32]) -> FloatArray:
    return np.full((*observations.shape[:2], 4), 0.1)


def test_tasks_are_trained_in_and_scored(tmp_path: Path) -> None:
    task = assert_type(tasks.make(tasks.names()[0]), tasks.Task)
    assert task.scenario == task.training_scenario() == task.test_scenarios[0]
    assert not task.has_wallets
    assert len(task.fingerprint) == len(tasks.fingerprint(task)) == 64
    env = task.batched_env(2, seed=0)
    env.reset()
    assert task.env(seed=0).possible_agents == task.parallel_env(seed=0).possible_agents
    assert env.single_observation_space["mu"].shape == (len(task.observation_names()),)
    short = replace(task, test_seeds=(task.test_seeds[0][:2],))
    result = assert_type(tasks.score(short, _post), tasks.Score)
    assert result.document()["policy"] == "_post"
    result.to_json(tmp_path / "score.json")
    assert tasks.Score.from_json(tmp_path / "score.json") == result
    view = assert_type(VIEWS["links"], View)
    assert view.space(task.scenario).shape == (len(view.names(task.scenario)),)
    serving = ServingEnv(task.scenario, uniform, 2)
    serving.reset(seed=0)
    serving.step({agent: serving.action_space(agent).sample() for agent in serving.agents})
    assert serving.observation_space("asp_0") == serving.observation_spaces["asp_0"]
    batch = ServingBatch(task.scenario, 2, uniform, horizon=4, seed=0)
    batch.reset()
    assert_type(batch.market, Market)
    batch.close()


def _reference() -> list[object]:
    """What the reference shows of the package: classes and functions."""
    shown: list[object] = []
    for page in sorted(REFERENCE.glob("*.md")):
        blocks = re.split(r"^::: ", page.read_text(), flags=re.MULTILINE)[1:]
        for block in blocks:
            path, _, options = block.partition("\n")
            if not path.startswith("aigc_market_env."):
                continue
            module, _, name = path.rpartition(".")
            found = getattr(importlib.import_module(module), name)
            if inspect.ismodule(found):
                members = re.search(r"members:\s*(\[[^\]]*\]|(?:\s*- \w+)+)", options)
                names = re.findall(r"[A-Za-z]\w+", members[1]) if members else []
                shown += [getattr(found, member) for member in names]
            else:
                shown.append(found)
    return shown


def _public(found: object) -> set[str]:
    """The name of a class or function, and of a class's methods and properties that this package defines."""
    if not inspect.isclass(found):
        return {found.__name__} if inspect.isfunction(found) else set()
    ours = [base for base in found.__mro__ if base.__module__.startswith("aigc_market_env")]
    named = {
        name
        for base in ours
        for name, value in vars(base).items()
        if not name.startswith("_") and (isinstance(value, property | classmethod) or inspect.isfunction(value))
    }
    return named | {found.__name__}


def test_nothing_of_the_reference_is_left_out() -> None:
    tree = ast.parse(Path(__file__).read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    shown = _reference()
    assert len(shown) > 20
    assert {name for found in shown for name in _public(found)} - used == set()
