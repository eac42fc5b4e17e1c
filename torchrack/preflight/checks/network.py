"""Ports that workloads want, and the mirrors and registries that a host must reach."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torchrack.errors import Problem
from torchrack.preflight.checks.system import is_supported
from torchrack.preflight.facts import Listener, Reach
from torchrack.preflight.script import sources, wanted_ports
from torchrack.preflight.subject import Subject

_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
_APT_SOURCE = "apt source"


def ports(subject: Subject) -> Iterator[Problem]:
    """Nobody but our own workloads holds a port that a workload publishes."""
    ours = {
        number
        for container in subject.facts.containers
        if container.ours
        for number in _published(container.ports)
    }
    for number, uses in sorted(wanted_ports(subject.settings).items()):
        for address, workload in uses:
            for holder in _holders(subject, number, address):
                if number not in ours:
                    yield subject.problem(
                        f"Port {number}",
                        f"in use by {holder}",
                        f"free for the workload {workload} on {address}",
                        "stop that service, or choose another host port",
                    )


def _holders(subject: Subject, number: int, address: str) -> list[str]:
    sockets = [
        s for s in subject.facts.listeners if s.port == number and _overlap(s.address, address)
    ]
    # Without the userland proxy a published port has no listening socket.
    containers = [c.name for c in subject.facts.containers if number in _published(c.ports)]
    if containers:
        return [f"the container {name}" for name in containers]
    return sorted({_process(socket) for socket in sockets})


def _overlap(held: str, wanted: str) -> bool:
    return held == wanted or held in _ANY or wanted in _ANY


def _process(socket: Listener) -> str:
    return f"{socket.process or 'a process'} (pid {socket.pid or 'unknown'}) on {socket.address}"


def _published(text: str) -> set[int]:
    """Host ports in Docker's ``127.0.0.1:8888->8888/tcp, 0.0.0.0:9000-9002->9000-9002/tcp``."""
    numbers: set[int] = set()
    for first, last in re.findall(r":(\d+)(?:-(\d+))?->", text):
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def reachable(subject: Subject) -> Iterator[Problem]:
    """Every mirror and registry answers this host, with a certificate that it will trust."""
    if not subject.settings.preflight.check_reachability or not is_supported(subject):
        return
    answered = {reach.name: reach for reach in subject.facts.reach if reach.name != _APT_SOURCE}
    own_ca = {source.name for source in sources(subject.settings) if source.ca_file}
    for source in sources(subject.settings):
        reach = answered.get(source.name)
        if reach is None:
            yield subject.problem(
                source.name.capitalize(), "no answer from the check", "an answer", "run again"
            )
        else:
            yield from _judge(subject, reach, source.name in own_ca)
    seen: set[str] = set()
    for reach in subject.facts.reach:
        if reach.name == _APT_SOURCE and reach.url not in seen:
            seen.add(reach.url)
            yield from _judge(subject, reach, False)


def _judge(subject: Subject, reach: Reach, own_ca: bool) -> Iterator[Problem]:
    words = _reason(reach.output)
    what = reach.name[0].upper() + reach.name[1:]
    if reach.status == 0:
        return
    if re.search(r"\b401\b", words) and reach.name.startswith("registry "):
        return  # it wants a login, which the images stage has
    if re.search(r"\b404\b", words):
        if reach.name != _APT_SOURCE:  # a host's own sources need not have the file we ask for
            yield subject.problem(
                what,
                f"{reach.url} is not there (404)",
                "a repository for this operating system and architecture",
                "correct the repository's base URI in the settings, or mirror what is missing",
            )
        return
    if re.search("certificate", words, re.IGNORECASE):
        # A bare host has no CAs at all; the base stage brings the public ones.
        if subject.facts.ca_bundle or own_ca or subject.settings.base.ca_certificates:
            yield subject.problem(
                what,
                f"{reach.url}: {words}",
                "a certificate that is valid and signed by a CA this host trusts",
                "add the CA to base.ca_certificates (or to the registry's ca_file)",
            )
        return
    yield subject.problem(
        what,
        f"{reach.url} can't be reached from this host: {words}",
        "an answer",
        "check its DNS, routes, firewall and apt's proxy, or correct the address in the settings",
    )


def _reason(output: str) -> str:
    """apt-helper's words about the failure, without its progress."""
    if not output.strip():
        return "no answer within 15 s"
    text = re.sub(r"\s+", " ", output)
    match = re.search(r"(?:Err:\d+ \S+|E: Failed to fetch \S+) (.*?)(?: [WE]: |$)", text)
    return (match[1] if match else text).strip()[:300]
