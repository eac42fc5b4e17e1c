"""One server under two names of an inventory: by addresses and pinned keys, and by what it says.

Two runs would work on one dpkg, and each would remove the containers that only the other declares.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from paramiko import HostKeys

from torchrack.errors import Problem
from torchrack.facts.survey import Survey

Hosts = Mapping[str, Mapping[str, Any]]
"""Names with their connection data."""

_NEEDED = "a server of its own"
_TAKE_OUT = (
    "take one of the two out of the inventory or its hosts file by hand (torchrack offboard would "
    "work on the server itself)"
)
NEW_KEYS = (
    "mkdir /etc/ssh/old && mv /etc/ssh/ssh_host_*_key* /etc/ssh/old/ && ssh-keygen -A && "
    "systemctl try-restart ssh"
)
"""Gives a copy of a server host keys of its own, as root; the old ones are kept."""
_CLONED = (
    "if they are two servers, one is a copy of the other: at its console, as root, "
    f"{NEW_KEYS}; then pin its new key"
)


def problems(hosts: Hosts) -> list[Problem]:
    """Return a problem for each pair of names that lead to one server.

    Args:
        hosts: all hosts of the inventory, whatever a command is limited to.
    """
    found: dict[tuple[str, str], Problem] = {}
    for name, other, place in _at_one_place(hosts):
        text = f"{place}, which is {other}'s"
        found[name, other] = Problem(name, "Address", text, _NEEDED, _TAKE_OUT)
    for name, other, key in _with_one_key(hosts):
        text = f"the {key} that is pinned for {other} as well"
        fix = f"{_TAKE_OUT}; {_CLONED}"
        found.setdefault((name, other), Problem(name, "Host key", text, _NEEDED, fix))
    return list(found.values())


def owners(hosts: Hosts, kind: str, key: str) -> list[str]:
    """Return the hosts for which a key is pinned.

    Args:
        hosts: with their connection data.
        kind: the key's type, "ssh-ed25519".
        key: the key in base64.
    """
    files = {str(data.get("ssh_known_hosts_file")) for data in hosts.values()}
    places = [
        (file, name)
        for file in files
        for there, listed in _pins(Path(file).expanduser())
        if there == f"{kind} {key}"
        for name in listed
    ]
    return [name for name, data in hosts.items() if _has(data, places)]


def canonical(address: str) -> str:
    """Return one spelling for all of an address: letters, dots, zeros, IPv4 in IPv6.

    Args:
        address: host name or IP address.
    """
    plain = address.strip().rstrip(".").lower()
    try:
        found = ipaddress.ip_address(plain)
    except ValueError:
        # "10.7" and "0x0a000007" are addresses to every program that connects.
        if re.fullmatch(r"(0x[0-9a-f]+|\d+)(\.(0x[0-9a-f]+|\d+)){0,3}", plain):
            try:
                return socket.inet_ntoa(socket.inet_aton(plain))
            except OSError:
                return plain
        return plain
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _at_one_place(hosts: Hosts) -> Iterable[tuple[str, str, str]]:
    first: dict[tuple[str, Any], str] = {}
    for name, data in hosts.items():
        place = canonical(str(data.get("ssh_hostname"))), data.get("ssh_port")
        other = first.setdefault(place, name)
        if other != name:
            yield name, other, f"{data.get('ssh_hostname')} port {data.get('ssh_port')}"


def _with_one_key(hosts: Hosts) -> Iterable[tuple[str, str, str]]:
    """Pairs of names for which known_hosts files pin one and the same key."""
    named: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file in {str(data.get("ssh_known_hosts_file")) for data in hosts.values()}:
        for key, listed in _pins(Path(file).expanduser()):
            named[key] += [(file, name) for name in listed]
    for key, places in named.items():
        if len(places) < 2:
            continue
        owners = [name for name, data in hosts.items() if _has(data, places)]
        for other, name in combinations(owners, 2):
            yield name, other, f"{key.split()[0]} host key"


def _pins(file: Path) -> Iterable[tuple[str, list[str]]]:
    """The keys of a known_hosts file with the names that each line has for them."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # a missing file is a problem of its own
        return
    for line in lines:
        fields = line.split()
        if len(fields) >= 3 and not line.lstrip().startswith(("#", "@")):
            yield " ".join(fields[1:3]), fields[0].split(",")


def _has(data: Mapping[str, Any], places: Iterable[tuple[str, str]]) -> bool:
    """Whether a key is pinned for a host: its name in its own file, which may be hashed."""
    address, port = data.get("ssh_hostname"), data.get("ssh_port")
    name = str(address) if port == 22 else f"[{address}]:{port}"
    own = str(data.get("ssh_known_hosts_file"))
    return any(
        file == own
        and listed == (HostKeys.hash_host(name, listed) if listed.startswith("|1|") else name)
        for file, listed in places
    )


def by_answers(found: Mapping[str, Survey]) -> list[Problem]:
    """Return a problem for each name that leads to a server which another name leads to as well.

    One boot of one kernel is one server. An equal machine-id alone is no sign: copies of one image
    can have it in common.

    Args:
        found: what each host said.
    """
    groups = _groups(found, lambda one: (one.machine, one.boot) if one.boot else None)
    return [
        Problem(
            name,
            "Server",
            f"the server that {', '.join(other for other in names if other != name)} is: one "
            f"machine-id ({found[name].machine or 'none'}), and one boot of one kernel",
            _NEEDED,
            _TAKE_OUT,
        )
        for names in groups
        for name in names
    ]


def copies(found: Mapping[str, Survey]) -> list[list[str]]:
    """Return the names of servers that have one machine-id, though each is a server of its own.

    DHCP servers know hosts by it, and may give one address to two of them.

    Args:
        found: what each host said.
    """
    alone = {name: one for name, one in found.items() if one.machine and one.boot}
    groups = _groups(alone, lambda one: one.machine)
    return [names for names in groups if len({alone[name].boot for name in names}) > 1]


def _groups(found: Mapping[str, Survey], key: Callable[[Survey], object]) -> list[list[str]]:
    groups: dict[object, list[str]] = defaultdict(list)
    for name, one in found.items():
        groups[key(one)].append(name)
    return [names for value, names in groups.items() if value is not None and len(names) > 1]
