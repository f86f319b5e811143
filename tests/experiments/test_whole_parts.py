"""Text that is broken between its words alone."""

import io

import pytest
from rich.console import Console

from experiments.whole_parts import lines_of, say

PATH = "/a/folder/whose/name/is/longer/than/a/line/of/forty/columns"


def said(text, width, *, terminal):
    file = io.StringIO()
    say(Console(file=file, width=width, force_terminal=terminal, color_system=None), text)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80])
def test_paths_and_words_stay_whole_on_a_terminal(width):
    text = f"Mobile users learn, providers respond exactly, on [campus], into {PATH}"
    lines = said(text, width, terminal=True)
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= width for line in lines if line != PATH)


def test_a_file_has_a_line_as_it_is():
    assert said(f"Curves: tensorboard --logdir {PATH}", 40, terminal=False) == [f"Curves: tensorboard --logdir {PATH}"]


def test_lines_are_as_full_as_they_can_be():
    assert lines_of(["aa", "bb", "cccccc", "d"], 5) == ["aa bb", "cccccc", "d"]
    assert lines_of([""], 5) == [""]
