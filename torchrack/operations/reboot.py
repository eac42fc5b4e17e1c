"""A reboot that is proven by a new boot id.

pyinfra's server.reboot compares uptimes, which are the outer kernel's in a container, waits ten
seconds before it looks, and is content before the system has finished booting.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.util import CommandOutput, OutputLine, clear_askpass_cache
from pyinfra.connectors.util import remove_any_sudo_askpass_file as remove_askpass_file

from torchrack.errors import Problem

BOOT_ID = "/proc/sys/kernel/random/boot_id"
POLL = 1.0
"""Seconds between two looks."""
PENALTY = 6.0
"""Seconds to wait after a refused login: sshd 9.8 and newer remembers one for five seconds, adds
them up, and then turns even good logins away (sshd_config(5), PerSourcePenalties). While a system
comes up, pam_nologin refuses everybody but root."""


class Reboot(StringCommand):
    """Reboot the host, wait for a new boot id, then until it has finished booting."""

    def __init__(self, *, before: str, timeout: int) -> None:
        """Prepare the command.

        Args:
            before: the boot id before the reboot.
            timeout: seconds until the host must have come back, booted.
        """
        # Detached, so that our channel closes before the system goes down.
        super().__init__("( sleep 1; systemctl reboot ) </dev/null >/dev/null 2>&1 &")
        self.before = before
        self.timeout = timeout

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> Any:
        """Run it; False and the reason if the host does not come back."""
        connector_arguments["_timeout"] = 10
        remove_askpass_file(host)
        done, output = super().execute(state, host, connector_arguments)
        if not done:
            return done, output
        # paramiko prints a traceback for each refused connection, which it raises as well.
        logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)
        logger.info(f"{host.print_prefix}rebooting (at most {self.timeout} s)")
        watch = _Watch(host, connector_arguments, time.monotonic() + self.timeout)
        problem = watch.until_rebooted(self.before) or watch.until_booted()
        if problem:
            return False, CommandOutput([OutputLine("stderr", str(problem))])
        return True, CommandOutput([OutputLine("stdout", "rebooted")])


class _Watch:
    """Looks at one host, over the connection there is for as long as it holds."""

    def __init__(self, host: Any, arguments: Any, deadline: float) -> None:
        self.host = host
        self.arguments = arguments
        self.deadline = deadline
        self.seen = "no answer"

    def until_rebooted(self, before: str) -> Problem | None:
        """Wait for another boot id. A new connection is made only after the old one broke."""
        connected = True
        while time.monotonic() < self.deadline:
            pause = POLL
            if connected:
                now = self._ask(f"cat {BOOT_ID}")
                if now and now != before:
                    return None
                self.seen = f"still the boot {before}" if now else "a closed connection"
                connected = bool(now)
                if not connected:
                    self._drop()
                    pause = 0
            else:
                connected, pause = self._connect()
            time.sleep(pause)
        return self._problem("Reboot", "a login with a new boot id")

    def until_booted(self) -> Problem | None:
        """Wait until systemd has finished starting, well or degraded."""
        while time.monotonic() < self.deadline:
            self.seen = self._ask("systemctl is-system-running; true") or "no answer"
            if self.seen in ("running", "degraded"):
                return None
            time.sleep(POLL)
        return self._problem("Boot", "systemd to be running or degraded")

    def _ask(self, command: str) -> str:
        """The command's output; nothing when the connection is gone."""
        try:
            done, output = self.host.run_shell_command(StringCommand(command), **self.arguments)
        except (OSError, EOFError, SSHException, TimeoutError):
            return ""
        return str(output.stdout).strip() if done else ""

    def _connect(self) -> tuple[bool, float]:
        """Whether a login worked, and how long to wait before the next."""
        try:
            self.host.connector.connect()
        except ConnectError as error:
            self.seen = str(error)
            return False, PENALTY if "Authentication error" in self.seen else POLL
        return True, 0

    def _drop(self) -> None:
        """Close the broken connection; what pyinfra left in /tmp is gone with the old boot."""
        clear_askpass_cache(self.host)
        self.host.connector.disconnect()
        client = getattr(self.host.connector, "client", None)
        if client is not None:
            client.close()

    def _problem(self, what: str, needed: str) -> Problem:
        return Problem(
            where=self.host.name,
            what=what,
            found=f"{self.seen} when the time was up",
            needed=f"{needed} within driver.reboot_timeout",
            fix="look at the host's console; when it is up, run again: the run goes on from there",
        )
