"""Stage ``images``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("images")
def pull() -> None:
    """Nothing yet."""
