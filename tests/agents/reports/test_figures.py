import pytest
from matplotlib.figure import Figure

from agents.reports.figures import draw_learning, opaque, plain_logarithmic


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels() if label.get_text()]


@pytest.fixture
def axes():
    return Figure().add_subplot()


def test_logarithmic_ticks_are_plain_numbers_and_the_lowest_says_that_it_holds_what_is_less(axes):
    axes.plot([0.001, 1.0, 100.0], [0.001, 1.0, 100.0])
    axes.set(xscale="log", yscale="log")
    plain_logarithmic(axes.xaxis, lowest=0.001)
    plain_logarithmic(axes.yaxis)
    axes.figure.draw_without_rendering()
    assert {"0.001\nor less", "0.01", "0.1", "1", "10", "100"} <= set(ticks(axes.xaxis))
    assert "0.001" in ticks(axes.yaxis)


def test_an_axis_of_a_decade_has_ticks_between(axes):
    axes.plot([3.0, 30.0], [3.0, 30.0])
    axes.set(xscale="log", yscale="log")
    plain_logarithmic(axes.xaxis, fine=True)
    axes.figure.draw_without_rendering()
    assert {"5", "10", "20"} <= set(ticks(axes.xaxis))


def test_a_legend_shows_full_colours(axes):
    axes.plot([0, 1], alpha=0.3, label="pale")
    legend = axes.legend()
    opaque(legend)
    assert [handle.get_alpha() for handle in legend.legend_handles] == [1.0]
    assert axes.lines[0].get_alpha() == 0.3


def test_learning_without_regret_is_drawn_on_a_linear_axis(axes):
    draw_learning(axes, [[{"transitions": 0, "leader_regret_relative": 0.0}]])
    assert axes.get_yscale() == "linear"
