"""Tables that lose nothing in a narrow terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

#: Blanks above, right of, below and left of a cell: where there is room, and where there is little.
_LOOSE, _TIGHT = (0, 1, 0, 1), (0, 1, 0, 0)
#: No terminal is so wide.
_ENDLESS = 100_000


@dataclass
class Column:
    """What a column holds; rich markup.

    Attributes:
        heading: above its cells.
        justify: on which side they are aligned.
        cells: one a row.
        least: width of its longest word.
        natural: width at which nothing is wrapped.
    """

    heading: str
    justify: JustifyMethod
    cells: list[str] = field(default_factory=list)
    least: int = 0
    natural: int = 0

    def measure(self, console: Console, options: ConsoleOptions) -> None:
        """Find the widths, in characters that the console has."""
        wide = options.update(width=_ENDLESS)
        found = [Measurement.get(console, wide, _indented(text)) for text in (self.heading, *self.cells)]
        self.least, self.natural = max(one.minimum for one in found), max(one.maximum for one in found)


class NumberTable:
    """A table of figures. Where its columns do not fit beside one another, the rest follow below, with the same labels.

    No word and no number is broken while the longest of the figures fits beside a label of a few characters.

    Args:
        title: above the table; rich markup.
        caption: below it; likewise.
        labels: leading columns that tell what a row is about. They are repeated; where they leave no room for figures,
            they become one, line by line.
        justify: alignment of title and caption.
        lines: whether there are lines between all rows.

    Attributes:
        columns: in their order, with their cells.
        row_count: how many rows there are.
    """

    def __init__(
        self, title: str, caption: str = "", *, labels: int = 1, justify: JustifyMethod = "center", lines: bool = False
    ) -> None:
        self._title, self._caption, self._labels = title, caption, labels
        self._justify: JustifyMethod = justify
        self._lines = lines
        self.columns: list[Column] = []
        self._sections: set[int] = set()
        self.row_count = 0

    def add_column(self, heading: str, justify: JustifyMethod = "right") -> None:
        """A column; all come before the first row."""
        self.columns.append(Column(heading, justify))

    def add_row(self, *cells: str) -> None:
        """A row; columns for which there is no cell are empty."""
        for i, column in enumerate(self.columns):
            column.cells.append(cells[i] if i < len(cells) else "")
        self.row_count += 1

    def add_section(self) -> None:
        """A line below the row that was added last."""
        self._sections.add(self.row_count - 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints: a table, or several below one another."""
        for column in self.columns:
            column.measure(console, options)
        labels, figures = self.columns[: self._labels], self.columns[self._labels :]
        width, padding = options.max_width, _LOOSE
        if _total([column.natural for column in self.columns], padding) > width:
            padding = _TIGHT
        widest = max((column.least for column in figures), default=0)
        if len(labels) > 1 and _total([*(label.least for label in labels), widest], padding) > width:
            labels = [_one_below_another(labels)]
            labels[0].measure(console, options)
        least = [column.least for column in figures]
        if _total([*(label.natural for label in labels), *least], padding) <= width:
            for label in labels:
                label.least = label.natural
        if len(labels) == 1:
            labels[0].least = min(labels[0].least, max(width - _total([widest, 0], padding), 1))
        blocks = list(_blocks(labels, figures, width, padding))
        if len(blocks) == 1:
            yield self._table(blocks[0], width, padding, self._title, self._caption)
            return
        yield console.render_str(self._title, style="table.title", highlight=False)
        for block in blocks:
            yield self._table(block, width, padding)
        yield console.render_str(self._caption, style="table.caption", highlight=False)

    def _table(
        self, columns: Sequence[Column], width: int, padding: tuple[int, ...], title: str = "", caption: str = ""
    ) -> Table:
        justify = self._justify
        table = Table(
            title=title or None,
            caption=caption or None,
            title_justify=justify,
            caption_justify=justify,
            padding=padding,  # type: ignore[arg-type]
            show_lines=self._lines,
        )
        for column, wide in zip(columns, _widths(columns, width - _total([0] * len(columns), padding)), strict=True):
            table.add_column(column.heading, justify=column.justify, overflow="fold", width=wide)
        for row in range(self.row_count):
            table.add_row(*(_indented(column.cells[row]) for column in columns), end_section=row in self._sections)
        return table


def _indented(cell: str) -> str | Padding:
    """A cell; the blanks that it begins with before all of its lines, where it is wrapped."""
    text = cell.lstrip(" ")
    return Padding(text, (0, 0, 0, len(cell) - len(text))) if text != cell and "\n" not in cell else cell


def _total(widths: Sequence[int], padding: tuple[int, ...]) -> int:
    """Width of a table whose columns have these: blanks beside each, a line before each, and one after the last."""
    return sum(widths) + len(widths) * (padding[1] + padding[3] + 1) + 1


def _one_below_another(labels: Sequence[Column]) -> Column:
    """One column for several: of each row a line a label, with its heading."""
    names = [" ".join(label.heading.split("\n")).replace("_ ", "_") for label in labels]
    rows = zip(*(label.cells for label in labels), strict=True)
    lines = [[f"{name} {cell}" for name, cell in zip(names, row, strict=True) if cell] for row in rows]
    return Column("", "left", ["\n".join(row) for row in lines])


def _blocks(
    labels: Sequence[Column], figures: Sequence[Column], width: int, padding: tuple[int, ...]
) -> Iterator[list[Column]]:
    """Columns that fit beside one another, behind the labels."""
    block = list(labels)
    for column in figures:
        if len(block) > len(labels) and _total([one.least for one in (*block, column)], padding) > width:
            yield block
            block = list(labels)
        block.append(column)
    yield block


def _widths(columns: Sequence[Column], room: int) -> list[int]:
    """Widths of columns that share some room: what each needs, and then as much alike as there is."""
    for level in range(max(column.natural for column in columns), 0, -1):
        widths = [max(column.least, min(column.natural, level), 1) for column in columns]
        if sum(widths) <= room:
            return widths
    return [max(column.least, 1) for column in columns]
