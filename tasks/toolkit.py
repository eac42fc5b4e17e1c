"""Stage ``toolkit``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("toolkit")
def install() -> None:
    """Nothing yet."""
