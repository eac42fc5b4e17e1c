"""The SSH client that every connection is made with, those of pyinfra's connector included.

It goes the way that ssh_config says, and insists on the key of the inventory's address: pyinfra's
own client looks the key up under the name that ssh_config makes of the address, so that an alias
can lead to another member of the fleet unnoticed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from contextlib import suppress
from typing import Any

from paramiko import MissingHostKeyPolicy, PKey, SSHException
from pyinfra.connectors import ssh as connector
from pyinfra.connectors.sshuserclient import SSHClient as PyinfraClient
from pyinfra.connectors.sshuserclient.client import (
    _attach_identity_with_certificate,
    get_missing_host_key_policy,
)

from torchrack.ssh_config import Route, repin, route, through


class SSHClient(PyinfraClient):
    """pyinfra's client with another reader of ssh_config; the pin is the inventory's."""

    way: Route | None = None

    def parse_config(
        self,
        hostname: str,
        initial_cfg: dict[str, Any] | None = None,
        ssh_config_file: str | None = None,
        strict_host_key_checking: str | None = None,
    ) -> tuple[Any, ...]:
        """Return what pyinfra's client connects with; the name stays the inventory's.

        Args:
            hostname: host name or IP address, as the inventory has it.
            initial_cfg: arguments of paramiko's connect, which win over ssh_config.
            ssh_config_file: a file to read in the place of the usual ones.
            strict_host_key_checking: as of OpenSSH.

        Raises:
            SSHConfigError: ssh_config can't be used.
            OSError: there is no connection.
        """
        config: dict[str, Any] = {"port": 22, **(initial_cfg or {})}
        self.way = way = route(hostname, config["port"], config.get("username"), ssh_config_file)
        if way.identities and "pkey" not in config:
            config["key_filename"] = list(way.identities)
            named = {"identityfile": way.identities, "certificatefile": way.certificates}
            _attach_identity_with_certificate(config, named)
        if config.get("sock") is None:
            config |= self._sock(hostname, way, config)
        policy: MissingHostKeyPolicy = (
            _Pinned()
            if strict_host_key_checking == "yes"
            else get_missing_host_key_policy(strict_host_key_checking)
        )
        files = (os.path.expanduser("~/.ssh/known_hosts"),)
        return hostname, config, way.forward_agent, policy, files, way.keep_alive, way.agent

    @staticmethod
    def _sock(hostname: str, way: Route, config: dict[str, Any]) -> dict[str, Any]:
        """The connection, where paramiko's own to the name would lead elsewhere."""
        port = config["port"]
        if way.jump or way.command:
            return {"sock": _Tunnel(through(way, port))}
        if way.hostname != hostname:
            timeout = config.get("timeout")
            return {"sock": socket.create_connection((way.hostname, port), timeout)}
        return {}


class _Pinned(MissingHostKeyPolicy):
    """Refuse a host without a pinned key, and say so where ssh_config's name for it has one."""

    def missing_host_key(self, client: Any, hostname: str, key: PKey) -> None:
        file, way = client._host_keys_filename, client.way
        text = f"No host key for {hostname} found in known_hosts ({file})"
        port = hostname.rpartition("]")[2]
        other = f"[{way.hostname}]{port}" if port.startswith(":") else way.hostname
        if other != hostname and client._host_keys.check(other, key):
            text += (
                f"; ssh_config leads it to {other}, whose key is there, but a host is known by its "
                f"address in the inventory. If that is the right server: "
                f"{repin(str(file), other, hostname)}"
            )
        raise SSHException(text)


class _Tunnel:
    """A command as a socket: what is written goes to its standard input.

    A socket pair and no pipes (as paramiko.ProxyCommand has them), so that timeouts, gevent and
    the end of the command work as those of a connection do.
    """

    def __init__(self, command: list[str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the command has ended
        self._silent = True
        with theirs:
            # A session of its own: Ctrl-C is for the run, which ends its connections itself.
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said.fileno(),
                start_new_session=True,
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def recv(self, size: int) -> bytes:
        """Receive; a command that ends before it said anything is told with its words."""
        try:
            part = self._socket.recv(size)
        except ConnectionError:  # it left unread what was written to it
            if not self._silent:
                raise
            part = b""
        if not part and self._silent and (words := self._words()):
            raise OSError(f": the way that ssh_config names says: {words}")
        self._silent = False
        return part

    def close(self) -> None:
        """End the connection and its command."""
        self._socket.close()
        with suppress(OSError):
            self._process.terminate()
        self._process.poll()

    def _words(self) -> str:
        with suppress(OSError, ValueError):
            self._said.seek(0)
            return " ".join(self._said.read(2000).decode(errors="replace").split())
        return ""


connector.SSHClient = SSHClient  # type: ignore[misc]  # pyinfra has no setting for its client
