"""Persistence mode through NVIDIA's daemon, as NVIDIA advises, not through ``nvidia-smi -pm``."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.nvidia import NvidiaSmi
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


@operation
def in_force() -> Commands:
    """Switch persistence mode on again where somebody has switched it off beside the daemon."""
    answer = gather(NvidiaSmi, _timeout=90)
    # A GPU that does not answer is told by the proof that all are visible.
    off = [gpu.address for gpu in answer.gpus if not gpu.persistence and not gpu.lost]
    for address in off:
        differs(f"gpu:{address}", "persistence", expected="on", actual="off")
    if not off:
        host.noop("persistence mode is on")
        return
    # nvidia-smi hands it to the daemon, which holds it.
    yield StringCommand("nvidia-smi -pm 1")
