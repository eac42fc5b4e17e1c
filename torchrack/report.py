"""Problems as a table for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from torchrack.errors import Problem


def console() -> Console:
    """The console for messages: standard error, in colour only on a terminal."""
    width = None if sys.stderr.isatty() else int(os.environ.get("COLUMNS", "160"))
    return Console(stderr=True, width=width, highlight=False)


def print_problems(title: str, problems: Iterable[Problem]) -> None:
    """Print one row a problem: where, what, found, needed, how to fix."""
    table = Table(title=title, title_justify="left", show_lines=True)
    for heading in ("Where", "What", "Found", "Needed", "How to fix"):
        table.add_column(heading, overflow="fold")
    for p in problems:
        table.add_row(p.where, p.what, p.found, p.needed, p.fix)
    console().print(table, markup=False)
