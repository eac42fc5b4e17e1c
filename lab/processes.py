"""Background processes that outlive the command which started them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab import atomic
from lab.state import Lab


@dataclass(frozen=True)
class Process:
    """A process by its id and its start time, which tells it from a later one of the same id."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _start_time(self.pid) == self.started


def spawn(
    lab: Lab, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None
) -> int:
    """Start `argv` in a session of its own and record it as `name`; return its pid.

    Its output goes to `logs/NAME.log`. `env` is added to this process's environment.
    """
    lab.logs.mkdir(parents=True, exist_ok=True)
    with (lab.logs / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    adopt(lab, name, child.pid)
    return child.pid


def adopt(lab: Lab, name: str, pid: int) -> None:
    """Record the running process `pid`, which leads a session of its own, as `name`."""
    record = {"pid": pid, "started": _start_time(pid)}
    atomic.write(lab.run / f"{name}.json", json.dumps(record))


def find(lab: Lab, name: str) -> Process | None:
    """Return the process recorded as `name` if it runs."""
    try:
        process = Process(**json.loads((lab.run / f"{name}.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return process if process.alive else None


def names(lab: Lab) -> list[str]:
    """Return the names of all recorded processes, running or not."""
    return sorted(path.stem for path in lab.run.glob("*.json"))


def stop(lab: Lab, name: str, *, timeout: float = 5.0) -> None:
    """End the process recorded as `name` with all of its session, forcibly after `timeout` s."""
    process = find(lab, name)
    if process is not None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            if wait_gone(process, timeout):
                break
    (lab.run / f"{name}.json").unlink(missing_ok=True)


def wait_gone(process: Process, timeout: float) -> bool:
    """Wait up to `timeout` seconds for the end of `process`; return whether it came."""
    deadline = time.monotonic() + timeout
    while process.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _start_time(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since boot; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]
