"""The runs that come with the repository load, act, and are as near to equilibrium as their tables say."""

from pathlib import Path

import numpy as np
import pytest

from agents import load_policy
from agents.evaluation.sets import evaluate_set_policy
from agents.held_out.runs import evaluate_run
from agents.reports.card import CARD_FILE, model_card
from aigc_market_env import Scenario, leader_regret, market_v0, solve_equilibrium

PRETRAINED = Path(__file__).parent.parent / "pretrained"


def test_both_sides_of_campus_are_near_equilibrium():
    run = evaluate_run(PRETRAINED / "campus", count=32)
    result = run.results["8x4"]
    assert result.leaders.leader_regret_relative < 0.001
    assert result.followers.follower_regret_relative < 0.002
    assert (result.leaders.relative.worst_agent, result.followers.relative.worst_agent) == ("mu_4", "asp_0")
    assert result.leaders.relative.worst < 0.005
    assert result.followers.relative.worst < 0.003
    assert run.curve


def test_both_sides_of_campus_act_in_the_environment():
    policy, env = load_policy(PRETRAINED / "campus"), market_v0.parallel_env("campus", max_cycles=4)
    observations, _ = env.reset(seed=0)
    earned = 0.0
    while env.agents:
        observations, payoffs, *_ = env.step(policy.act(observations))
        earned += sum(payoffs.values())
    assert earned > 0.0


@pytest.mark.parametrize(("size", "most"), [((4, 2), 1e-3), ((8, 4), 1e-3), ((12, 6), 2e-3), ((20, 5), 2e-3)])
def test_the_set_policy_is_near_equilibrium_in_markets_of_every_size(size, most):
    policy, scenario = (
        load_policy(PRETRAINED / "campus-set"),
        Scenario.preset("campus", num_mus=size[0], num_asps=size[1]),
    )
    market = scenario.sample(np.random.default_rng(5), batch=(16,))
    utility = solve_equilibrium(market, certify=False).outcome.mu_utility.mean()
    assert leader_regret(market, policy.rewards(market)).mean() < most * utility


def test_the_set_policy_is_what_its_configuration_says():
    run = evaluate_run(PRETRAINED / "campus-set", count=2)
    assert list(run.results) == ["4x2", "8x4", "10x5", "12x6", "20x5", "50x10"]
    assert run.fresh.worst(trained=True) < 1e-3
    again = evaluate_set_policy(load_policy(PRETRAINED / "campus-set"), run.fresh.trained, [(8, 4)], count=2)
    assert again.regret[8, 4] == run.fresh.regret[8, 4]


@pytest.mark.parametrize("run", ["campus", "campus-set"])
def test_the_card_of_a_run_is_that_of_its_files(run):
    folder = PRETRAINED / run
    card = (folder / CARD_FILE).read_text(encoding="utf-8")
    assert card == model_card(folder), f"run: python -m agents.reports.card pretrained/{run}"
    assert "| mobile users" in card
