"""Version numbers with dots, compared as numbers."""

from __future__ import annotations

import re
from functools import lru_cache

VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")


@lru_cache(maxsize=4096)
def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version: (12, 6) of "12.6".

    Raises:
        ValueError: it is not numbers with dots between them.
    """
    if not VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is no version: numbers with dots between them")
    return tuple(int(part) for part in version.split("."))
