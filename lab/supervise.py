"""Keep one simulated server powered: start it again when it reboots, clean up when it goes off.

Run as `python -m lab.supervise FILE`, where FILE is a JSON object with `argv` (systemd-nspawn's),
`env` (added to the environment), `cgroups` (paths) and `netns` (a network namespace's name).
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

_REBOOT = 133  # systemd-nspawn's exit status when the system inside asked for a reboot
_PR_SET_PDEATHSIG = 1


class Supervisor:
    """Runs systemd-nspawn until the server is powered off or this process is told to end."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._configuration = configuration
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = False

    def run(self) -> int:
        """Start the server as often as it reboots; return systemd-nspawn's last exit status."""
        signal.signal(signal.SIGTERM, self._end)
        while True:
            self._child = subprocess.Popen(
                self._configuration["argv"],
                env={**os.environ, **self._configuration["env"]},
                stdin=subprocess.DEVNULL,
                preexec_fn=self._enter,  # noqa: PLW1509 - there are no threads here
            )
            if self._ending:  # asked while the server was being started
                self._child.terminate()
            status = self._child.wait()
            if status != _REBOOT or self._ending:
                return status

    def _enter(self) -> None:
        # A server does not outlive its supervisor.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for group in self._configuration["cgroups"]:
            Path(group, "cgroup.procs").write_text("0")

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """Pass the wish on: systemd-nspawn shuts the system inside down in order."""
        self._ending = True
        if self._child is not None:
            self._child.terminate()


def main() -> int:
    """Supervise the server that the file named on the command line describes."""
    configuration = json.loads(Path(sys.argv[1]).read_text())
    status = Supervisor(configuration).run()
    # A server without power does not answer pings either.
    subprocess.run(["ip", "netns", "delete", configuration["netns"]], check=False)
    print(f"powered off, systemd-nspawn's exit status was {status}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
