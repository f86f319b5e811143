import io
import warnings

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from agents.evaluation import evaluate_leaders
from agents.report import evaluation_table, save_figures
from aigc_market_env import Dynamics, Scenario

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
    console.print(evaluation_table(result, title))
    return console.export_text()


@pytest.mark.parametrize("width", [30, 40, 80, 200])
@pytest.mark.parametrize("slots", [1, 5])
def test_the_table_fits_the_terminal(width, slots):
    text = rendered(evaluate(slots=slots), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "welfare" in text


def test_the_table_shows_the_regret():
    result = evaluate()
    assert f"{result.leader_regret_relative:.3%}" in rendered(result, 100)
    assert f"{result.interval()[0]:.3%} to {result.interval()[1]:.3%}" in rendered(result, 100)


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
        written = save_figures(result, curve, tmp_path)
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
        save_figures(result, CURVE, tmp_path)
        assert "0.000%" in rendered(result, 80)
    assert result.best_utility.max() == 0.0
