"""Commands that stop what should not run on a host, for a person to run there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def stop(pid: str, unit: str) -> str:
    """Return the command that stops a process.

    Args:
        pid: its id.
        unit: the system's service that it belongs to; empty where it is none's.
    """
    return f"sudo systemctl stop {shlex.quote(unit)}" if unit else f"sudo kill {pid}"


def undo(drop_ins: Sequence[str]) -> str:
    """Return the command that starts dockerd as its package does.

    Args:
        drop_ins: of docker.service, those that say how it is started. systemd passes over a file
            whose name ends in another way than .conf.
    """
    moved = [f"sudo mv {file} {file}.disabled" for file in map(shlex.quote, drop_ins)]
    again = ["sudo systemctl daemon-reload"] if drop_ins else []
    return " && ".join([*moved, *again, "sudo systemctl restart docker.service"])
