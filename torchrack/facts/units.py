"""Facts about systemd units."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase


@dataclass(frozen=True)
class UnitState:
    """A systemd unit.

    Args:
        load: LoadState, "not-found" where there is no such unit.
        active: ActiveState.
        enabled: UnitFileState, empty where the unit has no file.
        changed: seconds since the epoch of its last change of state (start, stop or reload).
        needs_reload: systemd has read an older version of its files than stands on disk.
        newest_input: seconds since the epoch of the newest change (ctime) among the watched files;
            0 without any.
    """

    load: str
    active: str
    enabled: str
    changed: float
    needs_reload: bool
    newest_input: float


class Unit(FactBase[UnitState]):
    """One unit, and how new the files are that its process has read."""

    def command(self, unit: str, inputs: list[str]) -> str:
        """``systemctl show``, the clocks, and the ctime of the inputs, in one round trip."""
        properties = "LoadState,ActiveState,UnitFileState,StateChangeTimestampMonotonic"
        watched = " ".join(map(shlex.quote, inputs)) or "/nonexistent"
        return (
            f"systemctl show -p {properties},NeedDaemonReload -- {shlex.quote(unit)}; "
            # systemd before 251 prints wall clock times only in a form that depends on the locale.
            "echo Now=$(date +%s.%N); echo Uptime=$(cut -d' ' -f1 /proc/uptime); "
            f"echo NewestInput=$(stat -Lc %.6Z -- {watched} 2>/dev/null | sort -n | tail -n 1)"
        )

    def process(self, output: list[str]) -> UnitState:
        """Parse the properties."""
        values = dict(line.split("=", 1) for line in output if "=" in line)
        since_boot = int(values["StateChangeTimestampMonotonic"]) / 1e6
        return UnitState(
            load=values["LoadState"],
            active=values["ActiveState"],
            enabled=values["UnitFileState"],
            changed=float(values["Now"]) - (float(values["Uptime"]) - since_boot),
            needs_reload=values["NeedDaemonReload"] == "yes",
            newest_input=float(values["NewestInput"] or 0),
        )
