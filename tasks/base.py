"""Stage ``base``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("base")
def prepare_system() -> None:
    """Nothing yet."""
