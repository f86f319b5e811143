"""Text that is broken between its words, or other parts, alone: paths and commands stay whole, to be copied."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text


@dataclass(frozen=True)
class WholeParts:
    """Text that is broken between its parts alone, in as many lines as it takes."""

    parts: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines of whole parts; one longer than a line is broken."""
        yield Text("\n".join(lines_of(self.parts, options.max_width)), overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """From its longest part to all of them."""
        return Measurement(max(map(cell_len, self.parts)), cell_len(" ".join(self.parts)))


def lines_of(parts: Sequence[str], width: int) -> list[str]:
    """Parts in lines as full as a width lets them be; one that is longer has a line of its own."""
    lines = [parts[0]]
    for part in parts[1:]:
        if cell_len(f"{lines[-1]} {part}") <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def say(console: Console, text: str) -> None:
    """Print text of words, none of which is broken, also where one of them is longer than a line."""
    for line in text.splitlines():
        whole = "\n".join(lines_of(line.split(" "), console.width)) if console.is_terminal else line
        console.print(whole, markup=False, highlight=False, soft_wrap=True)
