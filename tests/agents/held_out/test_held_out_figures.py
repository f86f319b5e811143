import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from agents.held_out.figures import median_run, panels, save_held_out_figures
from agents.held_out.runs import HeldOut
from aigc_market_env import Dynamics, Scenario
from aigc_market_env.evaluation.both import evaluate_both
from aigc_market_env.evaluation.leaders import evaluate_leaders
from aigc_market_env.evaluation.plays import plays_of
from experiments.pictures import Pictures

CURVES = [
    [{"transitions": 0, "leader_regret_relative": scale}, {"transitions": 1000, "leader_regret_relative": scale / 9}]
    for scale in (0.3, 0.5)
]


def posting(share):
    return lambda seen: np.full((*seen.shape[:2], 1), share)


def held_out(result, name="a", curve=()):
    return HeldOut(name, {"2x1": result}, {"2x1": plays_of(result)}, list(curve))


@pytest.fixture(scope="module")
def runs():
    duo = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())
    results = [evaluate_leaders(posting(share), duo, 4) for share in (0.9, 0.2, 0.5)]
    return [held_out(result, str(i)) for i, result in enumerate(results)]


def test_the_run_in_the_middle_is_shown(runs):
    regrets = [run.plays["2x1"]["learned"].leader_regret.mean() for run in runs]
    middle = runs[int(np.argsort(regrets)[1])]
    assert median_run(runs) is middle
    assert median_run(runs[:1]) is runs[0]


def written(runs, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = save_held_out_figures(runs, Pictures(folder))
    for path in paths:
        image = imread(path)
        assert min(image.shape[:2]) > 300
        assert image[..., :3].std() > 0.01
    return {path.name for path in paths}


LEADERS = {"money.png", "spread_of_leader_regret.png", "rewards.png", "regret.png"}


def test_figures_of_one_run_and_of_several(runs, tmp_path):
    assert written(runs[:1], tmp_path) == LEADERS
    with_curves = [replace(run, curve=curve) for run, curve in zip(runs, CURVES, strict=False)]
    assert written(with_curves, tmp_path) == LEADERS | {"learning.png"}


def test_curves_measured_at_different_times_are_drawn_all_the_same(runs, tmp_path):
    curves = CURVES[0], CURVES[1][:1]
    assert "learning.png" in written(
        [replace(run, curve=curve) for run, curve in zip(runs, curves, strict=False)], tmp_path
    )


def test_figures_of_both_sides_and_of_nobody_served(tmp_path):
    duo = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())
    result = evaluate_both(posting(0.0), lambda seen: np.full((*seen.shape[:2], 2, 2), 0.3), duo, 2)
    followers = {"spread_of_follower_regret.png", "allocation.png", "regret_of_asps.png"}
    assert written([held_out(result)], tmp_path) == LEADERS | followers


def test_agents_are_not_told_apart_over_several_sizes(runs, tmp_path):
    (result,), (plays,) = runs[0].results.values(), runs[0].plays.values()
    both = replace(runs[0], results={"2x1": result, "2x2": result}, plays={"2x1": plays, "2x2": plays})
    assert written([both], tmp_path) == LEADERS - {"regret.png"}


def test_figures_of_one_run_among_several_say_which(runs, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: titles.append(figure.axes[0].get_title()))
    save_held_out_figures(runs, Pictures(tmp_path))
    middle = f"({median_run(runs).name}, the run with the median regret of 3)"
    assert sum(middle in title for title in titles) == len(titles) - 1
    assert sum("a line for each of 3 runs" in title for title in titles) == 1


def test_panels_share_a_title_and_one_legend():
    def draw(axes):
        axes.plot([0, 1], label="line")
        axes.set_title("what it is")
        axes.legend()

    figure = panels({"2x1": draw, "8x4": draw, "50x10": draw, "4x2": draw})
    assert figure.get_suptitle() == "what it is"
    assert [axes.get_title() for axes in figure.axes] == [
        f"{m} MUs, {n} ASPs" for m, n in [(2, 1), (8, 4), (50, 10), (4, 2)]
    ]
    assert [axes.get_legend() is not None for axes in figure.axes] == [True, False, False, False]
