"""The proof that a host still lets us in: a new login from here, with sudo, or the way back."""

from __future__ import annotations

import time
from typing import Any

from paramiko import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

from torchrack.errors import Problem

ROLL_BACK = "systemctl start torchrack-sshd-rollback.service"
"""Restores the configuration before the unproven one, on the host."""

_SUDO_TIMEOUT = 20


class LoginError(Exception):
    """A new login was refused, or had no sudo."""


class _SecondConnection(SSHConnector):
    """A connection of its own with the host's data: keys, pinned host key, transport, jumps."""

    def __init__(self, state: State, host: Host, user: str, channel: Any = None) -> None:
        super().__init__(state, host)
        self._user = user
        self._channel = channel

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        """The host's arguments, for another account perhaps, and never with a password."""
        kwargs = super().make_paramiko_kwargs()
        kwargs.pop("password", None)
        through = {"sock": self._channel} if self._channel else {}
        return {**kwargs, **through, "username": self._user}


class ProveLogin(StringCommand):
    """Log in anew and run sudo; without success roll back at once and fail.

    Args:
        user: the account that must be able to log in.
        patience: how long to wait for a listener, seconds: a reload that finds somebody else's
            login under way closes the port until that has ended. A refused login is final at once,
            because sshd punishes repeated ones (PerSourcePenalties).
    """

    def __init__(self, user: str, patience: float) -> None:
        super().__init__("true", "#", f"log in anew as {user} and run sudo")
        self.user = user
        self.patience = patience

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> Any:
        """Try the login from the controller."""
        try:
            prove_login(state, host, self.user, self.patience)
        except LoginError as error:
            done, output = host.run_shell_command(StringCommand(ROLL_BACK), **connector_arguments)
            problem = self._problem(host.name, str(error), done, output.stderr)
            return False, CommandOutput([OutputLine("stderr", str(problem))])
        return True, CommandOutput([])

    def _problem(self, host: str, found: str, done: bool, said: str) -> Problem:
        after = (
            "The configuration before it is back in force and logins work as before"
            if done
            else f"The return to the configuration before it FAILED ({said}): keep a session open "
            f"and run {ROLL_BACK} on the host"
        )
        return Problem(
            where=host,
            what=f"New login as {self.user} with the hardened sshd",
            found=found,
            needed="a login with a key, and sudo without a password",
            fix=f"{after}. See journalctl -u ssh on the host, mend the account (authorized_keys, "
            "groups, sudo), and run again",
        )


def prove_login(state: State, host: Host, user: str, patience: float, channel: Any = None) -> None:
    """Log in over a new connection and run ``sudo -n true``.

    Args:
        state: pyinfra's state.
        host: the host.
        user: the account.
        patience: how long to wait for a listener, seconds.
        channel: a way to another sshd of the host, which is good for one try.

    Raises:
        LoginError: the login was refused, sudo asks for a password, or nobody listened in time.
    """
    deadline = time.monotonic() + (0 if channel else patience)
    while True:
        connection = _SecondConnection(state, host, user, channel)
        try:
            connection._connect()
            return _run_sudo(connection.client)
        except ConnectError as error:
            raise LoginError(str(error)) from None
        except (OSError, SSHException, EOFError) as error:
            if time.monotonic() >= deadline:
                raise LoginError(f"no connection within {patience:.0f} s: {error}") from None
            time.sleep(0.5)  # pyinfra runs under gevent, so other hosts go on
        finally:
            if connection.client is not None:
                connection.client.close()


def _run_sudo(client: Any) -> None:
    try:
        _, stdout, stderr = client.exec_command("sudo -n true", timeout=_SUDO_TIMEOUT)
        status = stdout.channel.recv_exit_status()
        said = stderr.read().decode(errors="replace").strip() if status else ""
    except (OSError, SSHException, EOFError) as error:
        raise LoginError(f"sudo -n true: {error}") from None
    if status:
        raise LoginError(f"sudo -n true: {said}")
