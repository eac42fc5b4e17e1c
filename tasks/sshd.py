"""Stage ``sshd``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("sshd")
def harden() -> None:
    """Nothing yet."""
