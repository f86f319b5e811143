import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.algorithms.ppo import PPO
from agents.algorithms.set_equilibrium import EquilibriumConfig
from aigc_market_env import Dynamics, Market, Wallet, solve_equilibrium, spaces, tasks
from aigc_market_env.evaluation.episodes import HeldOutEpisodes, judge_episodes, play_by
from aigc_market_env.evaluation.leaders import EVALUATION_SEED
from baselines.episodes import EpisodeOracle, Myopic
from benchmarks.scores import bandits, deep, sets
from benchmarks.scores.entrants import ENTRANTS, Effort, Uniform
from benchmarks.scores.episode_play import MechanismPlay
from benchmarks.scores.market_play import MarketPlay, oracle
from benchmarks.scores.plan import Run, keep, kept, path_of, runs
from benchmarks.scores.summary import interquartile_mean, interval, tables

FEW = (range(EVALUATION_SEED, EVALUATION_SEED + 3),)
TINY = Effort(ppo=64, mappo=64, sac=64, weights=64, set=1, set_ppo=1, ppo_planning=64, ppo_myopic=64)


def tiny(name="board-v1"):
    return replace(tasks.make(name), preset="duo", options={}, market_seed=0, test_seeds=FEW)


def test_play_of_the_market_is_that_of_the_slot_measured():
    assert tasks.score(tiny(), MarketPlay(tiny(), oracle, 1)).relative_regret["mu"].value < 1e-6


def test_an_actor_sees_its_own_entries_and_a_critic_all():
    env = deep.TaskVecEnv(tiny(), 2, joint=True)
    model = deep.MAPPO(own=env.own).make(
        env, slots=2, hidden=(8,), rate=lambda _: 1e-3, usual_log_std=(-2.0, -3.0), seed=0
    )
    layers, seen = deep.MAPPO(own=env.own).layers(model), env.reset()
    changed = seen.copy()
    changed[:, env.own :] += 1.0
    before, after = (layers(torch.from_numpy(one)) for one in (seen, changed))
    assert torch.equal(before, after)
    values = [model.policy.predict_values(torch.from_numpy(one)) for one in (seen, changed)]
    assert not torch.equal(*values)


@pytest.mark.parametrize("central", [False, True])
def test_learners_give_the_same_weights_again(central):
    task = tiny()
    seen = task.batched_env(3, 0).reset()[0]["mu"]
    acted = [deep.learn(task, 1, PPO(), 64, central=central)[0](seen) for _ in range(2)]
    np.testing.assert_array_equal(*acted)


def test_bandits_post_one_of_the_shares_they_choose_from():
    task = tiny()
    for policy, _ in (bandits.best_constant(task, 1), bandits.multiplicative_weights(task, 1, 2000)):
        assert np.isin(policy(np.zeros((3, 2, 5))), bandits.GRID).all()


def test_set_policies_are_trained_in_the_sizes_of_the_task():
    task = tasks.make("any-v1")
    markets = sets.TaskMarkets(task=task)
    drawn = {markets.sample(np.random.default_rng(seed), 64).accuracy.shape[1:] for seed in range(12)}
    assert drawn == set(task.sizes[: task.trained_sizes])
    _, transitions = sets.learn(task, 1, EquilibriumConfig, 1)
    assert transitions > 0


def test_a_run_is_the_same_but_for_seconds_and_is_not_made_again(tmp_path, monkeypatch):
    for module in ("plan", "entrants"):
        monkeypatch.setattr(f"benchmarks.scores.{module}.make", tiny)
    left = runs(["uniform", "weights"], ["board-v1"], 2, TINY, tmp_path)
    assert [run.key for run in left] == [
        f"{name} {seed} board-v1" for seed in (1, 2) for name in ("uniform", "weights")
    ]
    for run in left[:3]:
        keep(run.run(), tmp_path)
    path = path_of(tmp_path, "board-v1", "weights", 1)
    first = json.loads(path.read_bytes())
    keep(Run("weights", 1, ("board-v1",), TINY.weights).run(), tmp_path)
    again = json.loads(path.read_bytes())
    assert first | {"seconds": 0} == again | {"seconds": 0}
    assert [run.key for run in runs(["uniform", "weights"], ["board-v1"], 2, TINY, tmp_path)] == ["weights 2 board-v1"]
    assert "multiplicative weights" in tables(kept(tmp_path))
    more = replace(TINY, weights=128)
    assert [run.key for run in runs(["uniform", "weights"], ["board-v1"], 1, more, tmp_path)] == ["weights 1 board-v1"]


def test_a_run_on_other_markets_than_the_tasks_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.scores.plan.make", tiny)
    keep(Run("uniform", 1, ("board-v1",), 0).run(), tmp_path)
    assert not runs(["uniform"], ["board-v1"], 1, TINY, tmp_path)
    monkeypatch.setattr("benchmarks.scores.plan.make", lambda name: replace(tiny(), fingerprint="another"))
    assert len(runs(["uniform"], ["board-v1"], 1, TINY, tmp_path)) == 1


def tiny_episodes(name="wallet-v1"):
    wallet = Wallet(1.0, 0.4, 2.0, unit="spending")
    options = {"dynamics": Dynamics(worth_deviation=0.5), "wallet": wallet}
    return replace(tasks.make(name), preset="duo", options=options, horizon=4, test_seeds=FEW)


def test_what_a_mechanism_plays_is_what_is_judged():
    task = tiny_episodes()
    by = {name: MechanismPlay(task, mechanism) for name, mechanism in (("all", EpisodeOracle()), ("now", Myopic()))}
    found = {name: tasks.score(task, play) for name, play in by.items()}
    assert found["all"].relative_regret["mu"].value < 1e-6
    held_out = HeldOutEpisodes.of(task.scenario, 3, 4)
    judged = judge_episodes(held_out, {"now": play_by(Myopic(), held_out)}, thorough=False)["now"]
    assert found["now"].relative_regret["mu"].value == pytest.approx(judged.relative.mean, rel=1e-9)
    assert judged.relative.mean > 1e-4


def test_entrants_of_tasks_with_wallets_are_judged_in_episodes(tmp_path, monkeypatch):
    for module in ("plan", "entrants"):
        monkeypatch.setattr(f"benchmarks.scores.{module}.make", tiny_episodes)
    names = [name for name, entrant in ENTRANTS.items() if "wallet-v1" in entrant.tasks]
    assert {"ppo_planning", "ppo_myopic", "dynamic_programming", "adaptive_pacing", "even_spending", "myopic"} <= set(
        names
    )
    for run in runs(names, ["wallet-v1"], 1, TINY, tmp_path):
        keep(run.run(), tmp_path)
    assert {one["algorithm"] for one in kept(tmp_path)} == set(names)
    assert "wallet-v1" in tables(kept(tmp_path))


def test_learners_with_wallets_give_the_same_weights_again():
    task, entries = tiny_episodes(), spaces.mu_observation_space(1, wallet=True).shape
    seen = np.random.default_rng(0).random((3, 2, *entries), np.float32)
    acted = [deep.learn(task, 1, PPO(), 64)[0](seen) for _ in range(2)]
    np.testing.assert_array_equal(*acted)


def test_no_such_entrant_is_told(tmp_path):
    with pytest.raises(ValueError, match="--entrants nobody"):
        runs(["nobody"], ["board-v1"], 1, TINY, tmp_path)


def test_the_middle_of_five_seeds_is_the_mean_of_three():
    values = np.array([9.0, 1.0, 2.0, 3.0, 0.0])
    assert interquartile_mean(values) == 2.0
    low, high = interval(values)
    assert low <= 2.0 <= high
    assert interval(values[:1]) is None


def test_every_entrant_applies_to_tasks_that_there_are():
    assert {task for entrant in ENTRANTS.values() for task in entrant.tasks} <= set(tasks.names())


def test_uniform_play_is_of_markets_too():
    market = Market.stack([tiny().scenario.sample(0)] * 2)
    acting = Uniform(tiny(), 1, "mu")
    acting.reset(2, 0)
    assert acting(market).shape == solve_equilibrium(market, certify=False).rewards.shape
