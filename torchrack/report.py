"""Problems as a table for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchrack.errors import Problem

_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def console(*, stderr: bool = True) -> Console:
    """A console: in colour, and as wide as it is, only on a terminal.

    Args:
        stderr: for messages; False is standard output, for answers.
    """
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS", "160"))
    return Console(stderr=stderr, width=width, highlight=False)


def printable(text: str) -> Text:
    """Return a text for the terminal in which nothing steers it: servers say what they like."""
    plain = text.expandtabs(1)
    return Text("".join(c if c.isprintable() or c == "\n" else _UNPRINTABLE for c in plain))


def problems_table(title: str, problems: Iterable[Problem]) -> Table:
    """Return a table with one row a problem: where, what, found, needed, how to fix."""
    table = Table(title=title, title_justify="left", show_lines=True)
    for heading in ("Where", "What", "Found", "Needed", "How to fix"):
        table.add_column(heading, overflow="fold")
    for p in problems:
        table.add_row(*map(printable, (p.where, p.what, p.found, p.needed, p.fix)))
    return table


def print_problems(title: str, problems: Iterable[Problem]) -> None:
    """Print one row a problem: where, what, found, needed, how to fix."""
    console().print(problems_table(title, problems), markup=False)
