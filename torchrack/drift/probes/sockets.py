"""Who listens on addresses that others can reach."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject

_CLIENTS = {"chronyd", "dhclient", "dhcpcd", "systemd-network", "systemd-timesyn"}
"""Programs of the system that listen for answers to what they asked (UDP), as the kernel names
them: by their first 15 letters."""

_EPHEMERAL = 32768
"""The first port that Linux gives to a client that names none (ip_local_port_range): a UDP socket
there waits for an answer, to a question of DNS for one."""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each socket that neither the deploy nor the settings declare.

    Args:
        lines: of ``ss -Hlntup``.
        subject: the host.
    """
    for protocol, address, port, program in sorted(set(map(_socket, lines))):
        if _is_local(address) or _declared(protocol, port, program, subject):
            continue
        yield subject.finding(
            f"socket:{protocol}:{port}",
            "A listening socket that nothing declares",
            expected=f"nothing on {protocol} port {port} beyond this host",
            actual=f"{program} on {address}",
            fix=f"stop {program}, bind it to 127.0.0.1, or add {protocol}:{port} to drift.sockets",
        )


def _socket(line: str) -> tuple[str, str, int, str]:
    """Read ``tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=93,fd=6))``."""
    parts = line.split()
    address, _, port = parts[4].rpartition(":")
    program = re.search(r'"([^"]+)"', line)
    bare = address.partition("%")[0].strip("[]")
    return parts[0], bare, int(port), program[1] if program else "a program without a name"


def _is_local(address: str) -> bool:
    if address == "*":
        return False
    where = ipaddress.ip_address(address)
    return where.is_loopback


def _declared(protocol: str, port: int, program: str, subject: Subject) -> bool:
    settings = subject.settings
    published = {one.host for workload in settings.workloads.containers for one in workload.ports}
    if f"{protocol}:{port}" in settings.drift.sockets:
        return True
    if protocol == "tcp":
        return (program in ("sshd", "systemd") and port == 22) or port in published
    return program in _CLIENTS or port >= _EPHEMERAL
