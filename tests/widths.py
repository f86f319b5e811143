"""What every table is to stand: a terminal of any width."""

import io
import re

from rich.console import Console

WIDTHS = (40, 60, 80)


def words_at(width, *renderables):
    """Whatever stands between blanks and lines of what is printed; lines fit."""
    text = io.StringIO()
    Console(file=text, width=width).print(*renderables)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return {word for line in lines for word in re.split(r"[\s│┃]+", line)}


def loses_nothing(*renderables):
    """Whether every word and number of a wide terminal is there, whole, in narrow ones."""
    wide = words_at(400, *renderables)
    wide = {word for word in wide if re.search(r"\w", word)}
    assert any(re.search(r"\d", word) for word in wide)
    return all(wide <= words_at(width, *renderables) for width in WIDTHS)
