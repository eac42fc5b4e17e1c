"""The answers of scripts that run on hosts: lines in sections, each under a line ``==NAME``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ERROR = "== error"
"""A line that stays in its section: its command failed."""
STATUS = "==rc "
"""What such a line begins with that has the exit status of its section's command."""


def sections(lines: Iterable[str], *, blank: bool = False) -> dict[str, list[str]]:
    """Return lines by section, in the answer's order.

    Args:
        lines: the answer; what comes before the first section, as a login shell's greeting, is in
            the section without a name.
        blank: whether empty lines count.
    """
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if line.startswith("==") and line != ERROR and not line.startswith(STATUS):
            name = line.removeprefix("==").strip()
            found.setdefault(name, [])
        elif line or blank:
            found.setdefault(name, []).append(line)
    return found


def with_status(lines: Sequence[str]) -> tuple[int | None, list[str]]:
    """Return the exit status in a section's last line, and the other lines; None: it is cut off.

    Args:
        lines: of the section.
    """
    *rest, last = lines or [""]
    if last.startswith(STATUS) and last.removeprefix(STATUS).isdigit():
        return int(last.removeprefix(STATUS)), rest
    return None, list(lines)
