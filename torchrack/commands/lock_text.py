"""The changes of a lock, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from torchrack.lock.changes import Change, Consequence
from torchrack.lock.make import Made
from torchrack.lock.resolve import PARTS


def render(
    found: Sequence[Change], said: Sequence[Consequence], made: Made, path: str
) -> Table | Text:
    """Return a table of what changes, with the consequences under each part.

    Args:
        found: the changes.
        said: what they lead to.
        made: what came of locking, for its warnings.
        path: the lock file, for messages.
    """
    warnings = dict.fromkeys(
        warning.reason for one in made.locked.values() for warning in one.answer.warnings
    )
    if not found:
        return Text("\n".join([f"{path} is current: nothing changes.", *_warned(warnings)]))
    table = Table(title=path, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("Part", "What", "Was", "Will be", "Hosts"):
        table.add_column(heading, overflow="fold")
    for part in PARTS:
        for change in (one for one in found if one.part == part):
            old, new = (_short(text) for text in (change.old, change.new))
            table.add_row(part, change.what, old, new, _hosts(change.hosts))
        for consequence in (one for one in said if one.part == part):
            table.add_row("", Text(f"=> {consequence.text}", style="yellow"))
    for line in _warned(warnings):
        table.add_row("", Text(line))
    return table


def _warned(reasons: Sequence[str] | dict[str, None]) -> list[str]:
    return [f"warning: {reason}" for reason in reasons]


def _short(text: str | None) -> str:
    if text is None:
        return "-"
    return text[:19] if text.startswith("sha256:") else text


def _hosts(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{len(names)}: {shown}" + (", ..." if len(names) > 4 else "")
