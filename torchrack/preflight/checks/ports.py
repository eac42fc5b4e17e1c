"""Ports that workloads want: nobody else may hold one on an address that excludes theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torchrack.errors import Problem
from torchrack.preflight.facts import Container, Listener
from torchrack.preflight.script import wanted_ports
from torchrack.preflight.subject import Subject
from torchrack.settings.addresses import overlap

_PUBLISHED = re.compile(r"(\S+):(\d+)(?:-(\d+))?->\d+(?:-\d+)?/(\w+)")
"""``127.0.0.1:8888->8888/tcp, [::]:9000-9002->9000-9002/tcp``; before Docker 28 ``:::8888->``."""
_DOCKERS = ("docker-proxy", "dockerd")
"""Programs that hold the sockets of published ports, by the kernel's name."""


@dataclass(frozen=True)
class _Published:
    """A range of TCP ports that a container publishes on one address."""

    container: Container
    address: str
    first: int
    last: int


def free(subject: Subject) -> Iterator[Problem]:
    """Only the workload itself holds a port that it publishes."""
    published = [one for container in subject.facts.containers for one in _published(container)]
    for number, uses in sorted(wanted_ports(subject.settings).items()):
        for address, workload in uses:
            holders = _containers(subject, published, number, address, workload)
            holders += _processes(subject, published, number, address)
            for holder, fix in dict(holders).items():
                yield subject.problem(
                    f"Port {number}",
                    f"in use by {holder}",
                    f"free for the workload {workload} on {address}",
                    fix,
                )


def _containers(
    subject: Subject, published: list[_Published], number: int, address: str, workload: str
) -> list[tuple[str, str]]:
    """Containers of others, and those of workloads that give the port up only later in the run."""
    order = [one.name for one in subject.settings.workloads.containers]
    found = []
    for one in published:
        if not one.first <= number <= one.last or not overlap(one.address, address):
            continue
        owner = one.container.workload
        if not owner:
            fix = "stop that container, or choose another host port or address"
            found.append((f"the container {one.container.name} on {one.address}", fix))
        elif owner in order and order.index(owner) > order.index(workload):
            fix = (
                f"name {owner} before {workload} in workloads.containers, so that it frees the "
                "port first, or take the port from it in a run before"
            )
            found.append((f"the workload {owner} on {one.address}", fix))
    return found


def _processes(
    subject: Subject, published: list[_Published], number: int, address: str
) -> list[tuple[str, str]]:
    """Listening processes, but for those of Docker that hold a container's port."""
    # With a socket of IPv4 there, one on :: is of IPv6 alone, also where ss is missing to say so.
    of_ipv4 = any(s.port == number and ":" not in s.address for s in subject.facts.listeners)
    return [
        (_process(socket), "stop that service, or choose another host port or address")
        for socket in subject.facts.listeners
        if socket.port == number
        and overlap(socket.address, address, dual=socket.dual and not of_ipv4)
        and not _of_docker(socket, published)
    ]


def _of_docker(socket: Listener, published: list[_Published]) -> bool:
    """Whether Docker holds a socket for a container; without its proxy dockerd itself does."""
    return socket.process in _DOCKERS and any(
        one.first <= socket.port <= one.last and overlap(socket.address, one.address, dual=True)
        for one in published
    )


def _process(socket: Listener) -> str:
    return f"{socket.process or 'a process'} (pid {socket.pid or 'unknown'}) on {socket.address}"


def _published(container: Container) -> Iterator[_Published]:
    for address, first, last, protocol in _PUBLISHED.findall(container.ports):
        if protocol == "tcp":
            bare = address.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104
            yield _Published(container, bare, int(first), int(last or first))
