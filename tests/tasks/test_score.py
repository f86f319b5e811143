import json
from dataclasses import replace

import numpy as np
import pytest

from aigc_market_env import (
    BatchedMarketEnv,
    episode_path,
    episode_regret,
    leader_regret,
    solve_equilibrium,
    solve_wallet_equilibrium,
    tasks,
)
from aigc_market_env.evaluation.leaders import EVALUATION_SEED
from aigc_market_env.evaluation.reward_sources import uniform
from aigc_market_env.tasks.judge import Part, parts_of
from aigc_market_env.tasks.score import Score, by_size, score_of

FEW = (range(EVALUATION_SEED, EVALUATION_SEED + 3),)


def tiny(name="campus-v1", **changes):
    """A task of which few episodes are played, in small markets."""
    return replace(tasks.make(name), preset="duo", options={}, market_seed=0, test_seeds=FEW, **changes)


def posting(share, num_asps=1):
    return lambda observations: np.full((*observations.shape[:2], num_asps), share)


def serving(share, num_mus=2):
    return lambda observations: np.full((*observations.shape[:2], 2, num_mus), share)


def slots(task):
    env = BatchedMarketEnv(task.scenario, 3, asps="best_response", max_cycles=None)
    env.reset(seed=EVALUATION_SEED)
    for _ in range(8):
        env.step({"mu": np.full((3, 2, 1), 0.2)})
    return env.market


def test_figures_are_what_plain_accounting_gives():
    task = tiny()
    market, found = slots(task), tasks.score(task, posting(0.2))
    rewards = 0.2 * market.reward_bound[..., None] * np.ones(1)
    regret, reference = leader_regret(market, rewards), solve_equilibrium(market).outcome.mu_utility
    assert found.relative_regret["mu"].value == pytest.approx(regret.mean() / reference.mean(), rel=1e-9)
    by_mu = regret.mean(axis=0) / reference.mean(axis=0)
    assert found.worst["mu"].value == pytest.approx(by_mu.max(), rel=1e-9)
    assert found.worst["mu"].agent == f"mu_{by_mu.argmax()}"
    assert found.nash_conv.value == pytest.approx(regret.sum(axis=1).mean(), rel=1e-9)
    shares = np.random.default_rng(0).random(market.accuracy.shape)
    drawn = leader_regret(market, shares * market.reward_bound[..., None])
    assert found.normalised.value == pytest.approx(1.0 - regret.sum() / drawn.sum(), rel=1e-9)
    low, high = found.relative_regret["mu"].interval
    assert low <= found.relative_regret["mu"].value <= high
    assert found.certified == 1.0
    assert found.mixed == 0.0


def test_equilibrium_play_scores_one():
    def oracle(market):
        return solve_equilibrium(market, certify=False).rewards / market.reward_bound[..., None]

    task = replace(
        tasks.make("any-v1"), sizes=((2, 1), (3, 2)), test_seeds=FEW * 2, trained_sizes=1, options={"load": (0.5, 1.0)}
    )
    found = tasks.score(task, oracle)
    assert found.normalised.value == pytest.approx(1.0, abs=1e-6)
    assert found.relative_regret["mu"].value < 1e-6
    assert found.utility_ratio["mu"].value == pytest.approx(1.0)
    assert found.episodes == 6
    assert found.policy == "oracle"


def test_uniform_play_scores_about_zero():
    task = replace(tiny(), test_seeds=(range(EVALUATION_SEED, EVALUATION_SEED + 64),))

    class Random:
        def reset(self, num_envs, seed):
            self.rng = np.random.default_rng([seed, num_envs])

        def __call__(self, observations):
            return self.rng.random((*observations.shape[:2], 1))

    assert abs(tasks.score(task, Random()).normalised.value) < 0.2


def test_both_sides_and_asps_alone():
    both = tasks.score(tiny("campus-both-v1"), {"mu": posting(0.2), "asp": serving(0.3)})
    assert list(both.relative_regret) == ["mu", "asp"]
    assert both.worst["asp"].agent == "asp_0"
    asps = tasks.score(tiny("asps-v1", posts=uniform), serving(0.3))
    assert list(asps.relative_regret) == ["asp"]
    assert asps.certified is None
    assert 0 < asps.relative_regret["asp"].value < 1
    assert asps.utility_ratio["asp"].value == pytest.approx(1 - asps.relative_regret["asp"].value)


@pytest.mark.parametrize("name", ["campus-v1", "campus-both-v1", "asps-v1", "private-v1", "full-v1"])
def test_parts_do_not_need_one_another(name, monkeypatch):
    monkeypatch.setattr("aigc_market_env.tasks.judge.LINKS_IN_PART", 4)
    task = tiny(name)
    policy = {role: act for role, act in {"mu": posting(0.2), "asp": serving(0.3)}.items() if role in task.roles}
    parts = parts_of(task)
    assert parts == [Part(0, 0, 2), Part(0, 2, 1)]
    judged = {part: part.play(task, policy) for part in reversed(parts)}
    again = score_of(task, by_size(parts, [judged[part] for part in parts]), "policy")
    assert again.document() == tasks.score(task, policy).document()


def test_a_submission_is_read_back_and_that_of_other_markets_refused(tmp_path):
    task = tasks.make("campus-v1")
    found = replace(tasks.score(tiny(), posting(0.2), "mine"), fingerprint=task.fingerprint)
    path = tmp_path / "score.json"
    found.to_json(path)
    assert Score.from_json(path) == found
    assert "nan" not in path.read_text().lower()
    document = json.loads(path.read_text())
    assert document["versions"]["numpy"] == np.__version__
    for change, message in (
        ({"markets_sha256": "0"}, "other test markets than campus-v1 has here"),
        ({"task": "campus-v9"}, "unknown task"),
        ({"schema": "x"}, "schema"),
        ({"roles": 3}, "not a score"),
    ):
        path.write_text(json.dumps(document | change))
        with pytest.raises(ValueError, match=message):
            Score.from_json(path)


def test_endless_regrets_are_read_back(tmp_path):
    found, path = tasks.score(tiny(), posting(0.2)), tmp_path / "score.json"
    endless = replace(
        found,
        relative_regret={"mu": tasks.Estimate(np.inf, None)},
        worst={"mu": tasks.Worst(np.inf, "mu_0")},
        normalised=tasks.Estimate(-np.inf, None),
        uniform={"mu": np.inf},
        fingerprint=tasks.make("campus-v1").fingerprint,
    )
    endless.to_json(path)
    assert Score.from_json(path) == endless


def test_a_score_shows_in_eighty_columns():
    for name in ("campus-v1", "campus-both-v1"):
        policy = {"mu": posting(0.2), "asp": serving(0.3)}
        text = str(tasks.score(tiny(name), {role: policy[role] for role in tasks.make(name).roles}, "a policy"))
        assert text.startswith(f"{name}: a policy, 3 test episodes\n")
        assert max(map(len, text.splitlines())) <= 80


def test_one_test_episode_has_no_interval():
    found = tasks.score(replace(tiny(), test_seeds=((EVALUATION_SEED,),)), posting(0.2))
    assert found.relative_regret["mu"].interval is None
    assert "to" not in str(found).splitlines()[2].split("MUs")[1]


def test_episodes_of_users_with_wallets():
    changes = {"preset": "prepaid", "options": {"num_mus": 2, "num_asps": 1}, "horizon": 4}
    task = replace(tasks.make("wallet-v1"), test_seeds=FEW, **changes)
    found = tasks.score(task, posting(0.1))
    paths, wallets = zip(*(episode_path(task.scenario, seed, 4) for seed in FEW[0]), strict=True)
    utility = regret = 0.0
    for path, wallet in zip(paths, wallets, strict=True):
        rewards = 0.1 * path.reward_bound[..., None] * np.ones(1)
        regret += episode_regret(path, rewards, wallet).regret_bound.sum()
        utility += solve_wallet_equilibrium(path, wallet).outcome.mu_utility.sum()
    assert found.relative_regret["mu"].value == pytest.approx(regret / utility, rel=0.03)
    assert found.relative_regret["mu"].value >= regret / utility * (1 - 1e-9)
    assert found.nash_conv.value == pytest.approx(regret / 3, rel=0.03)
    parts = parts_of(task)
    assert len(parts) == 3
    judged = {part: part.play(task, posting(0.1)) for part in reversed(parts)}
    again = score_of(task, by_size(parts, [judged[part] for part in parts]), "act")
    assert replace(again, policy=found.policy) == found
