"""How figures are written: in which format, how wide, with what the reader of a file is to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from aigc_market_env.files import readable, replacing

Format = Literal["png", "pdf", "svg"]
#: Width of a column of a paper with two, inches; letters of that figure, points; and its resolution as PNG.
_COLUMN, _LETTERS, _FINE = 3.5, 7.0, 300
#: Letters of a title that surely fit into a column.
_TITLE = 48
#: What makes fonts and files alike: text stays text, and no name of a part is drawn by chance.
_SETTINGS: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "aigc-market-env"}


@dataclass(frozen=True)
class Pictures:
    """Where figures of an evaluation go, and how.

    Attributes:
        folder: where they go.
        about: of what scenario, runs and seeds they are; the file's own description, for a caption.
        format: of their files.
        columns: of a paper, over which they stretch. A figure of several drawings always stretches over two.
        titles: whether they have any; a paper has captions.
    """

    folder: Path
    about: str = ""
    format: Format = "png"
    columns: Literal[1, 2] = 2
    titles: bool = True

    def save(self, figures: Mapping[str, Figure]) -> list[Path]:
        """Write figures by their names, each whole or not at all; the files written."""
        paths = [self.folder / f"{name}.{self.format}" for name in figures]
        for path, figure in zip(paths, figures.values(), strict=True):
            metadata = self._metadata(path.stem)
            if not self.titles:
                _drop_titles(figure)
            if self.columns == 1 and len(figure.axes) == 1:
                _narrow(figure)
            with replacing(path) as new, mpl.rc_context(_SETTINGS):
                figure.savefig(new, format=self.format, dpi=figure.dpi, metadata=metadata)
        return paths

    def _metadata(self, name: str) -> dict[str, str | None]:
        """No date, so that the same figure is the same file."""
        about = readable(self.about)
        if self.format == "pdf":
            return {"Title": name, "Subject": about, "CreationDate": None}
        return {"Title": name, "Description": about} | ({"Date": None} if self.format == "svg" else {})


def _drop_titles(figure: Figure) -> None:
    """Take off the title of a figure; those of its panels stay where they tell them apart."""
    if figure.get_suptitle():
        figure.suptitle("")
        return
    for axes in figure.axes:
        axes.set_title("")


def _narrow(figure: Figure) -> None:
    """Make a figure as wide as one column, with letters of a caption's size."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(_COLUMN, _COLUMN * max(height / width, 0.8))
    figure.set_dpi(_FINE)
    for text in figure.findobj(Text):
        text.set_fontsize(_LETTERS)
    (axes,) = figure.axes
    axes.set_title("\n".join(fill(line, _TITLE) for line in axes.get_title().split("\n")), fontsize=_LETTERS)
    axes.tick_params(which="both", labelsize=_LETTERS)
    legend = axes.get_legend()
    if legend is not None:  # which would hide what is drawn
        handles = [handle for handle in legend.legend_handles if handle is not None]
        labels = [text.get_text() for text in legend.get_texts()]
        legend.remove()
        figure.legend(handles, labels, loc="outside lower center", fontsize=_LETTERS, frameon=False)
