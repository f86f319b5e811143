"""What the command lines share: problems of the user's making are one line on stderr and exit status 2."""

import sys
from collections.abc import Callable
from typing import TypeVar

import tyro
from rich.console import Console

from experiments.terminal import PlainConsole, lasting_output

Arguments = TypeVar("Arguments")


def run_command(main: Callable[[Arguments, Console], int], arguments: type[Arguments], description: str | None) -> int:
    """Parse ``sys.argv``, run a command, report what is wrong with its input; the exit status."""
    return run_parsed(main, lambda: tyro.cli(arguments, description=description))


def run_parsed(main: Callable[[Arguments, Console], int], parse: Callable[[], Arguments]) -> int:
    """Like :func:`run_command`, of a command that parses in its own way.

    The status is the same whether or not somebody reads to the end what is shown.
    """
    with lasting_output():
        try:
            return main(parse(), PlainConsole())
        except (ValueError, OSError, ImportError) as problem:
            print("error:", " ".join(str(problem).split()), file=sys.stderr)  # noqa: T201
            return 2
        except KeyboardInterrupt:
            return 130
