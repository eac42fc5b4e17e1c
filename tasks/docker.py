"""Stage ``docker``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("docker")
def install() -> None:
    """Nothing yet."""
