"""Who listens on addresses that others can reach."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from torchrack.docker.client import BY_HAND
from torchrack.drift.model import Finding
from torchrack.drift.probes.stopping import stop, undo
from torchrack.drift.probes.subject import Subject
from torchrack.sshd.take_out import take_out

_CLIENTS = {"chronyd", "dhclient", "dhcpcd", "systemd-network", "systemd-timesyn"}
"""Programs of the system that listen for answers to what they asked (UDP), as the kernel names
them: by their first 15 letters."""

_PUBLISHERS = ("dockerd", "docker-proxy")
"""Who holds the ports that containers publish."""

_TOLD = ("published ", "sshd ", "set ", "unit ", "override ")
"""What lines begin with that are none of ss."""

_EPHEMERAL = 32768
"""The first port that Linux gives to a client that names none (ip_local_port_range): a UDP socket
there waits for an answer, to a question of DNS for one."""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each socket that neither the deploy nor the settings declare.

    Args:
        lines: of ``ss -Hlntup``, "published PORT" for each port that Docker leads to a
            container, "sshd PORT" for those of sshd's configuration and "set FILE:NUMBER:TEXT" for
            its lines that say so, "unit /proc/PID/cgroup:PATH" for processes of services, and
            "override FILE" for drop-ins that start dockerd in another way.
        subject: the host.
    """
    told = [line.split() for line in lines]
    published = {int(words[1]) for words in told if words[0] == "published"}
    wanted = {int(words[1]) for words in told if words[0] == "sshd"}
    overrides = [words[1] for words in told if words[0] == "override"]
    units = dict(_unit(words[1]) for words in told if words[0] == "unit")
    places = [line.partition(" ")[2] for line in lines if line.startswith("set ")]
    listening = [line for line in lines if not line.startswith(_TOLD)]
    pids = {_socket(line): _pid(line) for line in listening}
    sockets = set(pids)
    yield from _proxies(sockets, subject)
    yield from _sshd(sockets, wanted, places, subject)
    for protocol, address, port, program in sorted(sockets):
        if f"{protocol}:{port}" in subject.settings.drift.sockets:
            continue
        declared = _declared(protocol, address, port, program, subject)
        # Where its rules were flushed, dockerd holds ports of containers that are not published.
        is_api = _is_local(address) or (bool(overrides) and not declared)
        if program == "dockerd" and port not in published and is_api:
            yield subject.finding(
                f"docker:api.{port}",
                "Docker's API on a network socket",
                expected="on its own socket alone: whoever reaches it is root",
                actual=f"{program} on {address}, port {port}",
                fix=f"{undo(overrides)}, and take hosts out of daemon.json",
                severity="security",
            )
        elif not declared:
            yield subject.finding(
                f"socket:{protocol}:{port}",
                "A listening socket that nothing declares",
                expected=f"nothing but what is declared on {protocol} port {port}",
                actual=f"{program} on {address}",
                fix=f"{_stop(program, port, pids[protocol, address, port, program], units)}, "
                f"bind it to 127.0.0.1, or add {protocol}:{port} to drift.sockets",
            )


def _stop(program: str, port: int, pid: str, units: Mapping[str, str]) -> str:
    """What stops it; no command where that would stop more than the socket."""
    if program in _PUBLISHERS:
        return f"{BY_HAND} stop $({BY_HAND} ps -q --filter publish={port})"
    if program in ("sshd", "systemd") or not pid:
        return f"stop {program}"
    return stop(pid, units.get(pid, ""))


def _sshd(
    sockets: set[tuple[str, str, int, str]],
    wanted: set[int],
    places: Sequence[str],
    subject: Subject,
) -> Iterator[Finding]:
    """Yield a finding for each port of sshd's configuration at which it does not listen."""
    at = {port for _, _, port, program in sockets if program in ("sshd", "systemd")}
    for port in sorted(wanted - at):
        lines = [one for one in places if one.split(":", 2)[2].split()[:2][-1] == str(port)]
        yield subject.finding(
            f"sshd:port-{port}.listening",
            "Ports of sshd's configuration (sshd -T)",
            expected=f"sshd on port {port}",
            actual="nobody, until its next start",
            fix=f"{take_out(lines) or 'see where /etc/ssh sets it'}, or restart ssh to have it",
            severity="outage",
        )


def _proxies(sockets: set[tuple[str, str, int, str]], subject: Subject) -> Iterator[Finding]:
    """Yield a finding where ports are published by the proxy that the settings switch off."""
    ports = sorted(port for _, _, port, program in sockets if program == "docker-proxy")
    if ports and not subject.settings.docker.extra.get("userland-proxy", False):
        yield subject.finding(
            "docker:userland-proxy",
            "How the running Docker daemon publishes ports",
            expected="userland-proxy: off",
            actual=f"docker-proxy holds {', '.join(map(str, ports[:6]))}",
            fix="sudo pkill -x docker-proxy && sudo systemctl restart docker.service, which "
            "publishes the ports without it",
        )


def _socket(line: str) -> tuple[str, str, int, str]:
    """Read ``tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=93,fd=6))``."""
    parts = line.split()
    address, _, port = parts[4].rpartition(":")
    program = re.search(r'"([^"]+)"', line)
    bare = address.partition("%")[0].strip("[]")
    return parts[0], bare, int(port), program[1] if program else "a program without a name"


def _pid(line: str) -> str:
    match = re.search(r"pid=(\d+)", line)
    return match[1] if match else ""


def _unit(line: str) -> tuple[str, str]:
    """Read ``/proc/93/cgroup:/system.slice/ssh.service``."""
    path, _, cgroup = line.partition(":")
    return path.split("/")[2], cgroup.rpartition("/")[2]


def _is_local(address: str) -> bool:
    if address == "*":
        return False
    where = ipaddress.ip_address(address)
    return where.is_loopback


def _declared(protocol: str, address: str, port: int, program: str, subject: Subject) -> bool:
    settings = subject.settings
    ports = [one for workload in settings.workloads.containers for one in workload.ports]
    ours = {one.address for one in ports if protocol == "tcp" and one.host == port}
    if ours:
        # Where Docker holds it, or the container is down and nobody does; nobody else beside it.
        everywhere = {"*", "0.0.0.0", "::"}  # noqa: S104 - addresses as ss shows them
        at_home = address in ours or (address in everywhere and bool(ours & everywhere))
        return at_home and program in _PUBLISHERS
    if _is_local(address):
        return True
    if protocol == "tcp":
        return program in ("sshd", "systemd") and port == 22
    return program in _CLIENTS or port >= _EPHEMERAL
