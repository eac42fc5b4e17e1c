"""Facts about the Docker daemon and the packages it comes from."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

DAEMON_JSON = "/etc/docker/daemon.json"
OWNED = "/etc/torchrack/daemon.owned.json"
"""Which keys of daemon.json we wrote, by the stage that declared them."""

TAKEN = "/run/torchrack/docker"
"""Copies of what a running daemon has read, a directory a process."""


@dataclass(frozen=True)
class DaemonState:
    """The Docker daemon and its configuration.

    Args:
        load: LoadState of docker.service, "not-found" where there is none.
        active: its ActiveState.
        enabled: its UnitFileState.
        needs_reload: systemd has read an older version of its files than stands on disk.
        process: process id and start of the daemon, "0-0" when it does not run.
        started: seconds since the epoch of that start.
        daemon_json: content of the file; None when there is none.
        mode: its permission bits (octal) and owner, "644 root"; empty when missing.
        changed: seconds since the epoch of its last change (ctime), or of its folder's when it is
            missing; 0 without the folder.
        owned: content of our record of ownership; None when there is none.
        taken: what the running daemon has read, where we know it; otherwise None.
    """

    load: str
    active: str
    enabled: str
    needs_reload: bool
    process: str
    started: float
    daemon_json: str | None
    mode: str
    changed: float
    owned: str | None
    taken: str | None


class Daemon(FactBase[DaemonState]):
    """docker.service, daemon.json and our two records, in one round trip."""

    def command(self) -> str:
        """Ask systemd and print the files in base64."""
        properties = (
            "LoadState,ActiveState,UnitFileState,NeedDaemonReload,MainPID,"
            "ExecMainStartTimestampMonotonic"
        )
        return (
            f's=$(systemctl show -p {properties} -- docker.service); echo "$s"; '
            "p=$(echo \"$s\" | sed -n 's/^MainPID=//p')"
            "-$(echo \"$s\" | sed -n 's/^ExecMainStartTimestampMonotonic=//p'); echo Process=$p; "
            "echo Now=$(date +%s.%N); echo Uptime=$(cut -d' ' -f1 /proc/uptime); "
            f"echo Mode=$(stat -Lc '%a %U' {DAEMON_JSON} 2>/dev/null); "
            # Without the file, its removal is what may be newer than the daemon.
            f"echo Changed=$(stat -Lc %.6Z {DAEMON_JSON} 2>/dev/null || "
            "stat -Lc %.6Z /etc/docker 2>/dev/null); "
            f"for f in {DAEMON_JSON} {OWNED} {TAKEN}/$p/daemon.json; do "
            'if [ -e "$f" ]; then echo File=+$(base64 -w0 -- "$f"); else echo File=; fi; done'
        )

    def process(self, output: list[str]) -> DaemonState:
        """Parse ``key=value`` lines; ``File`` occurs once a file."""
        pairs = [line.split("=", 1) for line in output if "=" in line]
        values = dict(pairs)
        files = [_text(value) for key, value in pairs if key == "File"]
        if len(files) != 3:
            raise FactProcessError(f"expected three files, got {output!r}")
        boot = float(values["Now"]) - float(values["Uptime"])
        return DaemonState(
            load=values["LoadState"],
            active=values["ActiveState"],
            enabled=values.get("UnitFileState", ""),
            needs_reload=values.get("NeedDaemonReload") == "yes",
            process=values["Process"],
            started=boot + int(values["ExecMainStartTimestampMonotonic"]) / 1e6,
            daemon_json=files[0],
            mode=values["Mode"],
            changed=float(values["Changed"] or 0),
            owned=files[1],
            taken=files[2],
        )


class Available(FactBase[dict[str, tuple[str, ...]]]):
    """The versions that apt can install of the named packages; unknown ones are left out."""

    def command(self, names: list[str]) -> str:
        """``apt-cache madison``: one line a version and source, newest first."""
        return f"apt-cache madison {' '.join(map(shlex.quote, names))} 2>/dev/null || true"

    def process(self, output: list[str]) -> dict[str, tuple[str, ...]]:
        """Parse ``name | version | source`` lines."""
        result: dict[str, tuple[str, ...]] = {}
        for line in output:
            fields = [field.strip() for field in line.split("|")]
            if len(fields) == 3 and not fields[2].endswith("Sources"):
                result[fields[0]] = (*result.get(fields[0], ()), fields[1])
        return result

    @staticmethod
    def default() -> dict[str, tuple[str, ...]]:
        """No package."""
        return {}


def _text(value: str) -> str | None:
    if not value:
        return None
    return base64.b64decode(value[1:]).decode("utf-8", errors="replace")
