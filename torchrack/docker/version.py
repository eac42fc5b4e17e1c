"""Versions of the Docker engine, as packages name them."""

from __future__ import annotations

import re

OLDEST = 25
"""The first major version of the engine that knows CDI devices (moby 25.0 release notes)."""


def major(version: str) -> int:
    """Return the engine's major version out of a package version or a pattern for one.

    "5:29.6.1-1~debian.13~trixie" is 29, "26.1.5+dfsg1-9+b9" is 26.
    """
    match = re.match(r"(?:\d+:)?(\d+)", version)
    return int(match[1]) if match else 0
