"""Persistence mode through NVIDIA's daemon, as NVIDIA advises, not through ``nvidia-smi -pm``."""

from __future__ import annotations

from pyinfra import host

from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.persistence import PackagedUnit
from torchrack.operations import files
from torchrack.operations.guard import Commands, operation
from torchrack.persistence import DROP_IN, UNIT, drop_in


@operation
def switch_on() -> Commands:
    """Make the daemon's unit start with persistence mode on, at boot too."""
    packaged = gather(PackagedUnit)
    if not packaged:
        raise HostError(
            Problem(
                where=host.name,
                what=f"systemd unit {UNIT}",
                found="no such unit",
                needed="the unit that the package nvidia-persistenced brings",
                fix="run sudo apt-get install --reinstall nvidia-persistenced on the host",
            )
        )
    yield from files.put._inner(dest=DROP_IN, content=drop_in(packaged))
