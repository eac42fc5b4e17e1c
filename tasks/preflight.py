"""Stage ``preflight``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("preflight")
def check_hosts() -> None:
    """Nothing yet."""
