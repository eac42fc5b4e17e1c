"""Commands in a simulated server by way of its namespaces, past its network and SSH server."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.state import Lab

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def record(name: str) -> str:
    """Return the name under which the server's supervisor is recorded in `lab.processes`."""
    return f"host-{name}"


def leader(lab: Lab, name: str) -> int:
    """Return the process id, out here, of the first process in the server `name`.

    Raises:
        LabError: the server is off.
    """
    process = processes.find(lab, record(name))
    if process is not None:
        for nspawn in _children(process.pid):
            for child in _children(nspawn):
                return child
    raise LabError(f"{name} is off; `python -m lab start {name}` switches it on")


def enter(
    lab: Lab, name: str, argv: Sequence[str], *, stdin: str = "", timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run `argv` as root in the server `name` on `stdin`, for at most `timeout` seconds.

    Raises:
        LabError: the server is off.
    """
    return subprocess.run(
        ["nsenter", "--all", "--root", "--wd", f"--target={leader(lab, name)}", *argv],
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        env={"PATH": _PATH},
        timeout=timeout,
        check=False,
    )


def booted(lab: Lab, name: str) -> bool:
    """Return whether the server's systemd has started everything it is to start."""
    try:
        done = enter(lab, name, ["systemctl", "is-system-running"], timeout=10)
    except (LabError, subprocess.TimeoutExpired):
        return False
    # Degraded is up, too: a unit failed, and whoever tests it will see which.
    return done.stdout.strip() in ("running", "degraded")


def _children(pid: int) -> list[int]:
    """Return the children of a process; /proc/PID/task/*/children is not in every kernel."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found
