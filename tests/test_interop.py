"""What the trainings in other libraries share; the trainings themselves are run by ``make interop``."""

import json
import sys

import numpy as np
import pytest
from gymnasium.spaces import Box
from playing import parallel, random_actions, same
from widths import loses_nothing

from aigc_market_env import BatchedMarketEnv, Scenario, follower_response, solve_equilibrium
from aigc_market_env.testing.checks import check_env
from interop import common, matrix
from interop.common import SCENARIO, LearnerActions, clipped, measure, posted


class Oracle:
    """Plays the equilibrium beside the markets that a policy is judged on; rewards are scaled by ``factor``."""

    def __init__(self, asps, factor=1.0):
        self.env = BatchedMarketEnv(SCENARIO, common._MARKETS, asps=asps, max_cycles=None)
        self.env.reset(seed=common._SEED)
        self.factor = factor

    def __call__(self, observations):
        market = self.env.market
        rewards = self.factor * solve_equilibrium(market, certify=False).rewards
        actions = {"mu": rewards / market.reward_bound[..., None]}
        if "asp" in observations:
            response = follower_response(market, rewards)
            used = [
                response.compute / market.compute_capacity[:, None],
                response.bandwidth / market.bandwidth_capacity[:, None],
            ]
            actions["asp"] = np.stack(used, axis=-1).transpose(0, 2, 3, 1)
        self.env.step(actions)
        return actions


@pytest.mark.parametrize("asps", ["agents", "best_response"])
def test_the_equilibrium_has_no_regret_and_other_rewards_have(asps):
    at, above = measure(Oracle(asps), asps), measure(Oracle(asps, 1.3), asps)
    assert 0 <= at["mu_regret"] < 1e-6
    assert above["mu_regret_worst"] > above["mu_regret"] > 1e-2
    assert above["mu_utility"] < at["mu_utility"]
    assert ("asp_profit" in at) == (asps == "agents")
    assert at.get("asp_regret", 0.0) < 1e-6


def test_learner_actions_are_the_same_game():
    env, learner = parallel("campus", "agents"), LearnerActions(parallel("campus", "agents"))
    assert learner.action_space("asp_1") == Box(0.0, 1.0, (16,), np.float32)
    assert learner.action_space("mu_1") == env.action_space("mu_1")
    assert same(env.reset(seed=2), learner.reset(seed=2))
    rng = np.random.default_rng(0)
    for _ in range(4):
        actions = random_actions(rng, env)
        shares = {agent: posted(x) if agent.startswith("mu_") else x for agent, x in actions.items()}
        assert same(env.step(shares), learner.step({agent: x.ravel() for agent, x in actions.items()}))
    check_env(LearnerActions(parallel("campus", "agents", max_cycles=6)))


def test_rewards_are_posted_on_a_logarithmic_scale():
    shares = posted(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]))
    assert shares == pytest.approx([0.01, 0.01, 0.1, 1.0, 1.0])


def test_nobody_serves_a_duo_for_the_lowest_reward():
    market = Scenario.of(SCENARIO).sample(0)
    rewards = posted(np.zeros((2, 1))) * market.reward_bound[:, None]
    assert not follower_response(market, rewards).compute.any()


def test_clipped_actions():
    assert clipped([[-0.5, 2.0], [0.3, 1.0]], (4, 1)).ravel().tolist() == [0.0, 1.0, 0.3, 1.0]


# The matrix ----------------------------------------------------------------------------------------------------------


def script(folder, library, body):
    """A stand-in for a library's environment, whose interpreter runs ``body``."""
    python = folder / library / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\n{body}\n")
    python.chmod(0o755)


ROW = json.dumps(
    {
        "library": "ray",
        "versions": {"ray": "2", "gymnasium": "1"},
        "ran": "PPO",
        "seconds": 1,
        "before": {"mu_utility": 1, "mu_regret": 0.5, "mu_regret_worst": 0.9},
        "after": {"mu_utility": 2, "mu_regret": 0.1, "mu_regret_worst": 0.3},
    }
)


def test_rows_are_read_and_failures_told(tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "ENVIRONMENTS", tmp_path)
    script(tmp_path, "rllib", f"print('noise')\nprint('''{ROW}''')")
    script(tmp_path, "torchrl", f"import sys\nprint('''{ROW}''')\nsys.exit('no such thing')")
    (good,) = matrix.run("rllib")
    assert good["after"]["mu_utility"] == 2
    assert good["wall_seconds"] >= 0
    kept, bad = matrix.run("torchrl")
    assert kept["ran"] == "PPO"
    assert bad["error"].endswith("torchrl.log: no such thing")
    assert matrix.run("benchmarl")[0]["error"].endswith("is missing; run make interop")
    shown = matrix.table([good, bad])
    assert shown.row_count == 2
    assert next(iter(shown.columns[2].cells)) == "50.0% → 10.0%\nworst 90.0% → 30.0%"
    assert loses_nothing(matrix.table([good, kept]))


def test_unknown_libraries_are_refused():
    with pytest.raises(ValueError, match="unknown library 'gym'; there are supersuit, torchrl"):
        matrix.main(("gym",))


def test_the_table_and_the_file_hold_all_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(matrix, "ENVIRONMENTS", tmp_path)
    script(tmp_path, "rllib", f"print('''{ROW}''')")
    with pytest.raises(SystemExit) as left:
        matrix.main(("rllib", "torchrl"), tmp_path / "rows.json")
    assert left.value.code == 1
    assert "PPO" in capsys.readouterr().out
    assert "run make interop" in (tmp_path / "rows.json").read_text()
