"""Mobile users with wallets learn over whole episodes, which end for good; runs are resumed and measured."""

import csv
import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import configure

from agents import load_policy
from agents.algorithms.ppo import PPO
from agents.config import FollowerConfig, JointConfig, LeaderConfig
from agents.held_out.episodes import evaluate_episodes_of, has_episodes
from agents.policy.files import WEIGHTS_FILE
from agents.sweeps.whole_run import train_whole
from agents.training.leader_env import LeaderVecEnv
from agents.training.learner import Learner, mu_learner
from agents.training.one_side import train_leaders
from aigc_market_env import Dynamics, Scenario, Wallet, episode_path
from baselines.episodes import UntilGone
from evaluate import Arguments
from evaluate import main as evaluate
from experiments.execute import here

SCENARIO = Scenario.preset(
    "duo",
    dynamics=Dynamics(worth_deviation=0.5, worth_correlation=0.5),
    wallet=Wallet(1.0, 0.5, 3.0, unit="spending"),
)
CONFIG = LeaderConfig(
    scenario=SCENARIO,
    horizon=6,
    markets=4,
    transitions=144,
    hidden=(8,),
    evaluation_slots=6,
    final_evaluation_slots=12,
    algorithm=PPO(batch_size=16, epochs=2),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "wallets"
    train_whole(CONFIG, folder, resume=False)
    return folder


def test_episodes_end_where_their_money_does():
    env = LeaderVecEnv(SCENARIO, 3, horizon=4)
    env.reset()
    rng, total = np.random.default_rng(0), np.zeros(6)
    for slot in range(9):
        _, gains, dones, infos = env.step(rng.uniform(-1, 1, (6, 1)).astype(np.float32))
        assert (dones == (slot % 4 == 3)).all()
        assert not any("TimeLimit.truncated" in info for info in infos)  # whose value a learner would count
        total += gains
        if slot % 4 == 3:
            np.testing.assert_allclose([info["episode"]["r"] for info in infos], total, rtol=1e-5)
            assert all(info["episode"]["l"] == 4 for info in infos)
            total[:] = 0.0


def test_rewards_are_a_tenth_of_utilities_over_usual_worth():
    env, twin = (LeaderVecEnv(SCENARIO, 3, seed=3, horizon=4) for _ in range(2))
    env.reset(), twin.reset()
    for _ in range(5):
        actions = np.full((6, 1), 0.4, np.float32)
        _, gains, _, _ = env.step(actions)
        _, utility, *_ = twin.markets.step({"mu": np.full((3, 2, 1), float(1e-3 ** (0.5 * (1 - np.float32(0.4)))))})
        np.testing.assert_allclose(
            gains, (utility["mu"] / env.markets.base_market.satisfaction_scale).ravel() / 10.0, rtol=1e-5
        )


def test_copies_go_through_the_same_episodes_whatever_they_play():
    env = LeaderVecEnv(SCENARIO, 6, seed=3, horizon=3, copies=2)
    rng = np.random.default_rng(0)
    for seed in (3, 8):  # first that of the environment
        env.reset()
        worth, paid = [], 0.0
        for _ in range(7):  # into the third episode
            markets = env.markets.market
            assert all(markets[i] == markets[i + 1] for i in (0, 2, 4))
            worth.append(markets.satisfaction_scale)
            if len(worth) == 1:
                assert markets[2] == episode_path(SCENARIO, seed + 1, 1)[0][0]
            env.step(rng.uniform(-1, 1, (12, 1)).astype(np.float32))
            paid = paid + env.markets.served.rewards.sum(axis=(1, 2))
        assert len(np.unique(worth)) == 7 * 3 * 2
        assert len(np.unique(paid)) == 6
        env.seed(8)


def test_what_is_not_delivered_costs_nothing_in_the_last_slot():
    env, twin = (LeaderVecEnv(SCENARIO, 2, horizon=2) for _ in range(2))
    env.reset(), twin.reset()
    env.anneal(1.0)
    nothing = np.full((4, 1), -1.0, np.float32)
    first, second = (env.step(nothing)[1] - twin.step(nothing)[1] for _ in range(2))
    assert (first < 0.0).all()
    assert not second.any()


def test_rollouts_are_whole_episodes_in_which_later_slots_count(monkeypatch):
    learner = mu_learner(replace(CONFIG, algorithm=PPO()), CONFIG.make_scenario())
    assert learner.rollout == 4 * 6 * 2
    assert learner.model.gamma == 0.999
    assert mu_learner(replace(CONFIG, algorithm=PPO(gamma=0.5)), CONFIG.make_scenario()).model.gamma == 0.5
    seen = []
    compute = RolloutBuffer.compute_returns_and_advantage
    monkeypatch.setattr(
        RolloutBuffer,
        "compute_returns_and_advantage",
        lambda self, last_values, dones: (seen.append(dones), compute(self, last_values, dones)),
    )
    learner.begin(0)
    learner.model.set_logger(configure(None, []))
    learner.learn(1.0)
    assert seen[0].all()  # so that nothing after the end counts


def test_what_suits_users_with_wallets_is_theirs_alone():
    assert CONFIG.rollout_size == (4, 6)
    assert LeaderConfig(scenario="prepaid").rollout_size == (16, 64)
    assert LeaderConfig(scenario="prepaid", markets=3, slots=5).rollout_size == (3, 5)
    assert LeaderConfig().rollout_size == (64, 8)
    assert FollowerConfig(scenario="prepaid").rollout_size == (64, 16)
    assert JointConfig(scenario="prepaid").leaders().usual.gamma == 0.999
    assert LeaderConfig().usual.gamma == FollowerConfig(scenario="prepaid").usual.gamma == 0.0
    assert LeaderConfig(wallet=Wallet(1.0)).has_wallets
    assert not LeaderConfig(scenario="campus").has_wallets


def test_a_run_that_was_stopped_ends_with_the_same_weights(run, tmp_path, monkeypatch):
    learn, rollouts = Learner.learn, []

    def stop_after_two(self, remaining):
        learn(self, remaining)
        rollouts.append(remaining)
        if len(rollouts) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Learner, "learn", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        train_whole(CONFIG, tmp_path, resume=False)
    monkeypatch.undo()
    assert len(rollouts) == 2
    train_whole(CONFIG, tmp_path, resume=True)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == (run / WEIGHTS_FILE).read_bytes()


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    train_whole(CONFIG, tmp_path / "same", resume=False)
    assert (tmp_path / "same" / WEIGHTS_FILE).read_bytes() == (run / WEIGHTS_FILE).read_bytes()


def test_the_run_folder_tells_of_whole_episodes(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["transitions"] == 144
    assert metrics["slots"] == 72
    assert metrics["leader_regret_relative"] > 0.0
    assert {"utility_ratio", "money_left", "money_wasted"} <= metrics["curve"][0].keys()
    summary = json.loads((run / "evaluation.json").read_text())
    assert list(summary["plays"]) == ["learned", "oracle"]
    assert summary["plays"]["oracle"]["leader_regret_relative"] < 1e-5
    for name in ("money_and_price", "regret_causes", "learning"):
        assert (run / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert load_policy(run).mus.architecture.wallet


def test_evaluate_measures_runs_over_episodes(run, tmp_path):
    assert has_episodes(run)
    console = Console(width=80, record=True)
    arguments = Arguments(runs=(run,), markets=("3",), out=tmp_path / "found")
    assert evaluate(arguments, console) == 0
    text = console.export_text()
    assert "3 evaluation episodes of 6 slots" in " ".join(text.split())  # however long the folder's name is
    assert all(len(line) <= 80 for line in text.splitlines() if "Written" not in line)
    rows = list(csv.DictReader((tmp_path / "found" / "episodes.csv").open()))
    assert len(rows) == 3 * 6 * 2
    document = json.loads((tmp_path / "found" / "evaluation.json").read_text())
    ours = document["runs"][str(run)]["plays"]["learned"]
    mine = [row for row in rows if row["play"] == "learned"]
    total = sum(float(row["regret_bound"]) for row in mine) / sum(float(row["reference"]) for row in mine)
    assert total == pytest.approx(ours["leader_regret_relative"], rel=1e-4)
    assert (tmp_path / "found" / "money_and_price.png").exists()


def test_runs_are_evaluated_together_in_the_same_episodes(run, tmp_path):
    other = tmp_path / "other"
    train_whole(replace(CONFIG, seed=1), other, resume=False)
    first, second = evaluate_episodes_of([run, other], 2, [UntilGone()], here, Console(quiet=True))
    np.testing.assert_array_equal(first.result.plays["oracle"].utility, second.result.plays["oracle"].utility)
    assert (first.result.learned.utility != second.result.learned.utility).any()
    console = Console(width=80, record=True)
    evaluate(Arguments(runs=(run, other), markets=("1",), out=tmp_path / "both"), console)
    assert all(len(line) <= 80 for line in console.export_text().splitlines() if "Written" not in line)
    unlike = tmp_path / "unlike"
    train_whole(replace(CONFIG, horizon=5), unlike, resume=False)
    with pytest.raises(ValueError, match="horizon"):
        evaluate_episodes_of([run, unlike], 1, [], here, Console(quiet=True))


def test_what_does_not_fit_runs_with_wallets_is_told(run, tmp_path):
    with pytest.raises(ValueError, match="--video"):
        evaluate(Arguments(runs=(run,), video=True, out=tmp_path), Console(quiet=True))


def test_training_one_side_measures_episodes_too(tmp_path):
    result, metrics = train_leaders(CONFIG, tmp_path)
    assert result.learned.path.batch_shape == (2, 6)
    assert metrics["leader_regret_relative"] == result.learned.relative.mean
