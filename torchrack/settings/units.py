"""Types for values with a unit, as people write them: ``"16GiB"``, ``"90s"``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZES |= {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}  # as Docker reads them
_TIMES = {"": 1, "S": 1, "MIN": 60, "M": 60, "H": 3600, "D": 86400}


def _parse(value: object, units: dict[str, int], example: str) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
    if not match or match[2].upper() not in units:
        known = ", ".join(sorted({unit for unit in units if unit}))
        raise ValueError(f'a number and a unit, as in "{example}" (units: {known})')
    return int(float(match[1]) * units[match[2].upper()])


Bytes = Annotated[
    int, BeforeValidator(lambda value: _parse(value, _SIZES, "16GiB")), Field(ge=0, strict=True)
]
"""A size in bytes; also written as ``"512MiB"`` or ``"16GiB"``."""

Seconds = Annotated[
    int, BeforeValidator(lambda value: _parse(value, _TIMES, "90s")), Field(ge=0, strict=True)
]
"""A time in seconds; also written as ``"90s"``, ``"5min"`` or ``"2h"``."""


def read_seconds(text: str) -> int:
    """Return a time that a person wrote, as "90s" or "30min", in seconds.

    Raises:
        ValueError: it is none; the message says how one is written.
    """
    return int(str(_parse(text, _TIMES, "90s")))
