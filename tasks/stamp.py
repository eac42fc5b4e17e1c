"""Stage ``stamp``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("stamp")
def record() -> None:
    """Nothing yet."""
