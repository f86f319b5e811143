import io
import warnings

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console
from widths import loses_nothing

from agents.held_out.runs import together
from agents.reports.figures import save_drawings
from agents.reports.tables import evaluation_table, runs_table, shown, shown_interval
from aigc_market_env import Dynamics, Market, Scenario
from aigc_market_env.evaluation.leaders import evaluate_leaders, judge_rewards
from aigc_market_env.evaluation.plays import plays_of
from experiments.pictures import Pictures

CURVE = [
    {"transitions": 0, "leader_regret_relative": 0.5},
    {"transitions": 100_000, "leader_regret_relative": 0.01},
]


def evaluate(name="duo", share=0.2, slots=5, **preset):
    scenario = Scenario.fixed(Scenario.preset(name, **preset).sample(0), dynamics=Dynamics())
    num_asps = scenario.num_asps
    return evaluate_leaders(lambda seen: np.full((*seen.shape[:2], num_asps), share), scenario, slots)


def rendered(result, width, title="title"):
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(evaluation_table(result, plays_of(result), title))
    return console.export_text()


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("slots", [1, 5])
def test_the_table_fits_the_terminal(width, slots):
    text = rendered(evaluate(slots=slots), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "welfare" in text


@pytest.mark.parametrize("name", ["duo", "campus"])
def test_no_terminal_is_too_narrow_for_the_numbers(name):
    result = evaluate(name)
    assert loses_nothing(evaluation_table(result, plays_of(result), "title"))


def test_the_table_shows_the_regret():
    result = evaluate()
    text = rendered(result, 100)
    low, high = (f"{100 * end:.1f}" for end in result.interval())
    assert f"{100 * result.leader_regret_relative:.1f}%" in text
    assert f"{low} – {high}%" in text
    assert "best response" in text
    assert "uniform" in text


@pytest.mark.parametrize(("load", "mixed"), [(1.0, False), (7.25, True)])
def test_the_table_says_in_how_many_slots_mus_mix(load, mixed):
    market = Market.stack([Scenario.preset("duo", load=load).sample(0)])
    result = judge_rewards(market, 0.2 * np.ones((1, 2, 1)), certify=True)
    lines = [line for line in rendered(result, 100).splitlines() if "MUs mix" in line]
    assert len(lines) == mixed
    assert all("100.0%" in line for line in lines)
    assert "slots certified" in rendered(result, 100)


def test_shares_have_the_digits_that_tell_something():
    name = "leader_regret_relative"
    assert [shown(name, share) for share in (0.0, 3e-13, 0.00048, 0.25)] == ["0.000%", "3e-11%", "0.048%", "25.0%"]
    assert shown_interval(name, (0.00044, 0.00054)) == "0.044 – 0.054%"
    assert shown_interval(name, (1e-13, 2e-13)) == ""
    assert shown_interval(name, None) == "one slot"
    assert shown("utility_ratio", 1.00098) == "1.0010"
    assert shown_interval("utility_ratio", (-0.5, 1.0)) == "-0.5000 – 1.0000"


def test_several_runs_are_shown_one_by_one_and_together():
    plays = [plays_of(evaluate(share=share))["learned"] for share in (0.2, 0.3)]
    found, figures = together(plays), [play.figures() for play in plays]
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(runs_table(found, figures, ["first run", "second run"], "title"))
    text = console.export_text()
    assert loses_nothing(runs_table(found, figures, ["first run", "runs/campus-seed0"], "title"))
    regrets = [each["leader_regret_relative"] for each in figures]
    assert regrets[0] != regrets[1]
    assert found["leader_regret_relative"]["lowest"] == min(regrets)
    assert found["leader_regret_relative"]["highest"] == max(regrets)
    assert np.isclose(found["leader_regret_relative"]["mean"], np.mean(regrets))
    for words in ("first run", "second run", f"{100 * np.mean(regrets):.1f}%", "IQM"):
        assert words in text


CASES = {
    "five slots": ({}, CURVE),
    "one slot": ({"slots": 1}, CURVE),
    "all priced out": ({"share": 0.0}, CURVE),
    "all at the bound": ({"share": 1.0}, []),
    "a point": ({}, CURVE[:1]),
    "no regret": ({}, [point | {"leader_regret_relative": 0.0} for point in CURVE]),
    "twenty users": ({"name": "town", "slots": 2}, CURVE),
    "no capacity to speak of": ({"name": "campus", "load": 1e9, "slots": 2}, CURVE),
}


@pytest.mark.parametrize(("arguments", "curve"), CASES.values(), ids=CASES)
def test_figures_are_drawn_without_a_warning(tmp_path, arguments, curve):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate(**arguments)
        written = save_drawings(result, curve, Pictures(tmp_path))
        rendered(result, 80)
    assert [path.name for path in written] == ["rewards.png", "regret.png"] + ["learning.png"] * bool(curve)
    for path in written:
        image = imread(path)
        assert min(image.shape[:2]) > 300
        assert image[..., :3].std() > 0.01


def test_a_market_worth_nothing_is_drawn_without_a_warning(tmp_path):
    market = Scenario.preset("duo").sample(0)
    dear = market.replace(compute_cost=market.compute_cost * 1e12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate_leaders(lambda seen: np.full((*seen.shape[:2], 1), 0.2), Scenario.fixed(dear), 3)
        save_drawings(result, CURVE, Pictures(tmp_path))
        assert "0.000%" in rendered(result, 80)
    assert result.best_utility.max() == 0.0
