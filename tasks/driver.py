"""Stage ``driver``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("driver")
def install() -> None:
    """Nothing yet."""
