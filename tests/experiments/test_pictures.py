"""Figures as files: their formats, widths, titles and descriptions."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image

from experiments.pictures import Pictures


def drawing():
    figure = Figure(figsize=(7.0, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0.0, 1.0], label="line")
    axes.set_title("what it is")
    axes.legend()
    return figure


def saved(folder, figure=None, **how):
    folder.mkdir(exist_ok=True)
    (path,) = Pictures(folder, "campus, seed 3", **how).save({"regret": figure or drawing()})
    return path


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_files_say_what_they_are_of_and_are_the_same_again(tmp_path, form, start):
    path, again = saved(tmp_path / "a", format=form), saved(tmp_path / "b", format=form)
    assert path.name == f"regret.{form}"
    assert path.read_bytes().startswith(start)
    assert b"campus, seed 3" in path.read_bytes()
    assert path.read_bytes() == again.read_bytes()


def test_a_png_has_its_description_where_readers_look_for_it(tmp_path):
    with Image.open(saved(tmp_path)) as image:
        assert image.info["Description"] == "campus, seed 3"


def test_one_column_is_narrow_and_fine(tmp_path):
    wide, narrow = (imread(saved(tmp_path / str(columns), columns=columns)) for columns in (2, 1))
    assert wide.shape[1] == 840
    assert narrow.shape[1] == 1050
    assert np.isclose(narrow.shape[0] / 300, 2.8)


def test_a_long_title_fits_into_one_column(tmp_path):
    figure = drawing()
    told = "Regret of each MU over 512 slots: box 25–75 %, whiskers 5–95 %\n(the run with the median regret)"
    figure.axes[0].set_title(told)
    saved(tmp_path, figure, columns=1)
    box = figure.axes[0].title.get_window_extent()
    assert figure.axes[0].get_title().count("\n") == 2
    assert 0.0 <= box.x0 < box.x1 <= figure.bbox.width


def test_several_drawings_stay_wide(tmp_path):
    figure = Figure(figsize=(7.0, 4.5), dpi=120)
    figure.subplots(1, 2)
    assert imread(saved(tmp_path, figure, columns=1)).shape[1] == 840


def test_titles_are_taken_off_but_for_those_that_tell_panels_apart(tmp_path):
    figure = drawing()
    saved(tmp_path, figure, titles=False)
    assert figure.axes[0].get_title() == ""
    figure = Figure()
    for axes, size in zip(figure.subplots(1, 2), ("8 MUs", "30 MUs"), strict=True):
        axes.set_title(size)
    figure.suptitle("regret")
    saved(tmp_path, figure, titles=False)
    assert figure.get_suptitle() == ""
    assert [axes.get_title() for axes in figure.axes] == ["8 MUs", "30 MUs"]
