"""Stage ``workloads``."""

from __future__ import annotations

from pyinfra.api import deploy


@deploy("workloads")
def run_containers() -> None:
    """Nothing yet."""
