"""Relative regrets of a side: of all its agents, and of the worst one, by its name."""

import io
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from agents.held_out.runs import together
from agents.reports.figures import draw_learning
from agents.reports.tables import evaluation_table, runs_table
from agents.runs import number, write_json
from aigc_market_env import Dynamics, Market, Scenario, solve_equilibrium
from aigc_market_env.evaluation.followers import evaluate_followers
from aigc_market_env.evaluation.leaders import evaluate_leaders, judge_rewards
from aigc_market_env.evaluation.plays import plays_of
from aigc_market_env.evaluation.side_regret import is_one_market, side_regret, worst_of
from aigc_market_env.files import read_json

DUO = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())


def one_too_low(seen):
    """The second MU posts hardly anything."""
    return np.broadcast_to([[0.3], [0.01]], (len(seen), 2, 1))


@pytest.fixture(scope="module")
def result():
    return evaluate_leaders(one_too_low, DUO, 6)


def test_a_name_goes_with_that_of_the_mean():
    assert worst_of("leader_regret_relative") == "leader_regret_worst"
    assert worst_of("follower_regret_relative_near") == "follower_regret_worst_near"


def test_the_worst_mu_is_named_with_its_share_of_its_own_utility(result):
    own = result.regret.mean(axis=0) / result.equilibrium.outcome.mu_utility.mean(axis=0)
    assert result.relative.worst == pytest.approx(own[1])
    assert own[1] > 1.5 * result.leader_regret_relative
    summary = result.summary()
    assert (summary["leader_regret_worst"], summary["leader_regret_worst_agent"]) == (result.relative.worst, "mu_1")
    assert summary["regret_relative_by_mu"] == pytest.approx(own)
    assert result.point()["leader_regret_worst"] == result.relative.worst


def test_the_worst_asp_is_named_with_its_share_of_its_own_best_profit():
    campus = Scenario.fixed(Scenario.preset("campus", num_mus=3, num_asps=2).sample(0), dynamics=Dynamics())

    def lazy(seen):
        shares = np.full((len(seen), 2, 2, 3), 0.3)
        shares[:, 1] = 0.01
        return shares

    found = evaluate_followers(lazy, campus, 4)
    own = found.regret.mean(axis=0) / found.best_profit.mean(axis=0)
    assert own[1] > own[0]
    summary = found.summary()
    assert (summary["follower_regret_worst"], summary["follower_regret_worst_agent"]) == (
        pytest.approx(own[1]),
        "asp_1",
    )
    assert summary["regret_relative_by_asp"] == pytest.approx(own)
    assert summary["regret_by_asp"] == pytest.approx(found.regret.mean(axis=0))
    assert found.point()["follower_regret_worst"] == pytest.approx(own[1])


def test_in_slots_that_are_markets_of_their_own_the_agents_are_too():
    markets = Scenario.preset("campus", num_mus=3, num_asps=2).sample(seed=0, batch=(5,))
    assert not is_one_market(markets)
    rewards = solve_equilibrium(markets).rewards.copy()
    rewards[3, 2] *= 0.5
    found = judge_rewards(markets, rewards)
    own = found.regret / found.equilibrium.outcome.mu_utility
    assert found.relative.worst_agent == "mu_2 of market 3"
    assert found.relative.worst == pytest.approx(own[3, 2])
    assert found.relative.shares == pytest.approx(own)


def test_slots_of_a_market_that_fades_and_whose_requests_change_are_of_one_market():
    scenario = Scenario.fixed(DUO.sample(0), dynamics=Dynamics(request_probability=1.0))
    assert is_one_market(evaluate_leaders(one_too_low, scenario, 4).market)
    assert is_one_market(Market.stack([DUO.sample(0)]))


def test_slots_of_a_trace_are_of_one_market_and_who_does_not_ask_regrets_nothing():
    scenario = Scenario.preset("traces_v0", num_mus=4, num_asps=2).fix(0)
    found = evaluate_leaders(lambda seen: np.full((len(seen), 4, 2), 0.3), scenario, 12)
    idle = found.market.satisfaction_scale < 1e-3
    assert is_one_market(found.market)
    assert 0 < idle.mean() < 1
    assert not found.regret[idle].any()
    assert not found.equilibrium.outcome.mu_utility[idle].any()
    assert np.isfinite([found.relative.mean, found.relative.worst]).all()
    own = found.regret.mean(axis=0) / found.equilibrium.outcome.mu_utility.mean(axis=0)
    assert found.relative.worst == pytest.approx(own.max())


def test_who_is_priced_out_is_neither_hidden_nor_endless():
    market = Market.stack([DUO.sample(0)] * 2)
    found = side_regret(market, np.array([[0.0, 0.01]] * 2), np.array([[1.0, 0.0]] * 2), "mu")
    assert (found.worst_agent, found.worst) == ("mu_1", pytest.approx(0.01 / 0.005))
    nothing = side_regret(market, np.array([[0.0, 0.01]] * 2), np.zeros((2, 2)), "mu")
    assert (nothing.worst_agent, nothing.worst, nothing.mean) == ("mu_1", np.inf, np.inf)


def test_what_is_endless_is_null_in_files_and_comes_back(tmp_path):
    write_json(tmp_path / "metrics.json", {"a": np.inf, "b": [1.0, {"c": float("inf")}], "d": None})
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"a": None, "b": [1.0, {"c": None}], "d": None}
    assert number(read_json(tmp_path / "metrics.json")["a"]) == np.inf
    assert number(0.25) == 0.25


@pytest.mark.parametrize("width", [60, 80])
def test_tables_name_the_worst_agent_and_fit(result, width):
    console = Console(width=width, file=io.StringIO(), record=True)
    plays = plays_of(result)
    console.print(evaluation_table(result, plays, "title"))
    learned = plays["learned"]
    assert learned.figures()["leader_regret_worst"] == result.relative.worst
    console.print(runs_table(together([learned] * 2), [learned.figures()] * 2, ["first", "second"], "title"))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert text.count(f"{100 * result.relative.worst:.1f}%") == 4  # one run, each of two, and all
    assert text.count("mu_1") >= 4
    assert "worst MU" in text
    assert "worst ASP" in text


def test_the_worst_of_several_runs_is_that_of_the_worst_run(result):
    better = evaluate_leaders(lambda seen: np.full((len(seen), 2, 1), 0.3), DUO, 6)
    found = together([plays_of(each)["learned"] for each in (better, result)])["leader_regret_relative"]
    assert (found["worst"], found["worst_agent"]) == (result.relative.worst, "mu_1")


def test_the_curve_of_the_worst_agent_is_drawn_where_it_was_measured():
    old = [{"transitions": 1e6 * i, "leader_regret_relative": 0.1} for i in range(3)]
    new = [point | {"leader_regret_worst": 0.4} for point in old]
    for curves, lines in (([old], 1), ([new], 3), ([new, old], 5)):
        axes = Figure().add_subplot()
        draw_learning(axes, curves)
        assert len(axes.lines) == lines
        named = [text.get_text() for text in axes.get_legend().get_texts()]
        assert ("of the worst agent, relative to its own" in named) == (new in curves)
        assert [list(line.get_ydata()) for line in axes.lines].count([40.0] * 3) == (new in curves)
