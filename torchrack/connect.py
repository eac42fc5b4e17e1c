"""How we connect: everything that we set on pyinfra's SSH connection stands here.

pyinfra 4 replaces paramiko; then this module is what has to change.
"""

from __future__ import annotations

import socket
from typing import Any

import paramiko

from torchrack import (
    line,
    ssh_client,  # noqa: F401 - pyinfra's connector uses it from here on
)

COMMAND_TIMEOUT = 120
"""Seconds a command may take unless its operation says otherwise; pyinfra has no limit."""

INSTALL_TIMEOUT = 1800
"""Seconds for what downloads or installs packages and images."""

CHANNEL_TIMEOUT = 30
"""Seconds to open a channel; a frozen host is noticed by this alone."""


def transport_factory(sock: Any, **kwargs: Any) -> paramiko.Transport:
    """Make paramiko's transport without Nagle's algorithm, one that notices a dead connection.

    Without TCP_NODELAY every command waits some 40 ms for a delayed ACK; with it a run is four to
    ten times as fast.
    """
    if getattr(sock, "family", None) in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line.Transport(sock, **kwargs)


def connection_data(
    *, address: str, port: int, user: str, known_hosts: str, key: str | None, agent: bool
) -> dict[str, Any]:
    """Return the host data that make pyinfra connect our way.

    Args:
        address: host name or IP address, under which the host's key is pinned.
        port: TCP port of sshd.
        user: the login, which must have sudo.
        known_hosts: the fleet's own known_hosts file; a host that is not in it is refused.
        key: path of a private key, or None.
        agent: whether keys of the SSH agent may be used.
    """
    data: dict[str, Any] = {
        "ssh_hostname": address,
        "ssh_port": port,
        "ssh_user": user,
        # Here and not in ssh_config, which pyinfra overrides with accept-new.
        "ssh_known_hosts_file": known_hosts,
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": agent,
        "ssh_look_for_keys": False,
        # A bastion or a busy sshd drops connections beyond MaxStartups.
        "ssh_connect_retries": 3,
        "ssh_connect_retry_min_delay": 0.2,
        "ssh_connect_retry_max_delay": 1.0,
        "ssh_paramiko_connect_kwargs": {
            "transport_factory": transport_factory,
            "channel_timeout": CHANNEL_TIMEOUT,
            "banner_timeout": 15,
            "auth_timeout": 15,
        },
        "_sudo": True,
        "_timeout": COMMAND_TIMEOUT,
    }
    if key:
        data["ssh_key"] = key
    return data
