import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agents.reports.figures import (
    _draw_boxes,
    _plot_weighted,
    draw_learning,
    drawn,
    opaque,
    plain_logarithmic,
    with_counts,
)


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


def test_counts_are_told_where_they_differ():
    assert with_counts(["a", "b"], [3, 3]) == ["a", "b"]
    assert with_counts(["a", "b"], [3, 2]) == ["a\nn = 3", "b\nn = 2"]


def test_boxes_leave_out_what_has_no_place_and_tell_how_many_are_left(axes):
    shares = np.array([[0.1, np.inf], [0.2, 0.3], [0.3, 0.1]])
    _draw_boxes(axes, shares, "MU", "mean utility")
    assert ticks(axes.xaxis) == ["mu_0\nn = 3", "mu_1\nn = 2"]
    assert np.isfinite(np.concatenate([line.get_ydata() for line in axes.lines])).all()


def test_points_are_as_large_as_what_they_carry(axes):
    x = np.array([1.0, 2.0, 3.0])
    _plot_weighted(axes, x, x, np.array([0.0, 0.5, 1.0]), "black", "label")
    sizes = {tuple(line.get_xdata()): line.get_markersize() for line in axes.lines if len(line.get_xdata())}
    assert sizes[2.0, 3.0] > sizes[1.0,]
    _plot_weighted(axes, x[:0], x[:0], x[:0], "black", "label")
    assert len(axes.lines) == 3


def test_the_legend_of_a_learning_curve_hides_none_of_it():
    curve = [{"transitions": 1000.0 * i, "leader_regret_relative": 0.5 - 0.1 * i} for i in range(4)]
    figure = drawn(lambda axes: draw_learning(axes, [curve]), 100)
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    assert axes.get_legend().get_window_extent().y0 >= 0.0
    assert axes.get_legend().get_window_extent().y1 <= axes.xaxis.label.get_window_extent().y0
