"""The forms that lines of the script have, and values that say nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torchrack.onboard.hardware.model import UNKNOWN

_EMPTY = re.compile(
    r"(to be filled by o\.?e\.?m\.?|default string|not (specified|applicable|available|present)|"
    r"(system |chassis |base board )?(serial number|product name|manufacturer|version)|"
    r"none|n/a|unknown|null|o\.?e\.?m\.?|empty|invalid|[0x. *-]+|0?123456789)?",
    re.IGNORECASE,
)
"""What makers leave in SMBIOS where a value belongs."""

Row = list[str]


def values(lines: Iterable[str]) -> dict[str, str]:
    """Return "key=value" lines."""
    return {key: value.strip() for key, _, value in (line.partition("=") for line in lines)}


def colons(lines: Iterable[str]) -> dict[str, str]:
    """Return "Key   : value" lines; a line without a key goes on with the one before, unread."""
    found: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip():
            found.setdefault(key.strip(), value.strip())
    return found


def rows(lines: Iterable[str]) -> list[Row]:
    """Return lines of fields that tabs separate."""
    return [row for row in (line.split("\t") for line in lines) if len(row) > 1]


def told(*values: str | None) -> str:
    """Return the first value that says something."""
    said = (value.strip() for value in values if value)
    return next((value for value in said if not _EMPTY.fullmatch(value)), UNKNOWN)


def joined(*values: str | None) -> str:
    """Return all values that say something."""
    said = [value for value in map(told, values) if value != UNKNOWN]
    return " ".join(said) or UNKNOWN


def number(text: str) -> int | None:
    """Return a count; None where there is none."""
    return int(text) if text.isascii() and text.isdigit() else None
