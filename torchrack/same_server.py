"""One server under two names of an inventory: by addresses and pinned keys, and by what it says.

A command that is limited to one of the names asks that one alone. What the server says is then held
against the keys that are pinned for the others, and not against their names: another inventory may
give the name to another server, and a renamed host has kept its key.

Two runs would work on one dpkg, and each would remove the containers that only the other declares.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from paramiko import HostKeys

from torchrack.errors import Problem
from torchrack.facts.survey import Survey
from torchrack.stamp import STAMP

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

_fleets: dict[str, Hosts] = {}
"""Inventory to all of its hosts, as it was checked."""


def keep(inventory: Path, hosts: Hosts) -> None:
    """Keep the hosts of an inventory that was checked, for commands that are limited to some."""
    _fleets[str(inventory)] = hosts


def fleet_of(data: Iterable[Mapping[str, Any]]) -> Hosts:
    """Return all hosts of the inventories that hosts come from.

    Args:
        data: data of the hosts, with what :func:`torchrack.inventory.check_fleet` noted in it.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for inventory in dict.fromkeys(str(one.get("_inventory_file")) for one in data):
        found |= _fleets.get(inventory, {})
    return found


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


def _pinned_as(data: Mapping[str, Any]) -> str:
    address, port = data.get("ssh_hostname"), data.get("ssh_port")
    return str(address) if port == 22 else f"[{address}]:{port}"


def _has(data: Mapping[str, Any], places: Iterable[tuple[str, str]]) -> bool:
    """Whether a key is pinned for a host: its name in its own file, which may be hashed."""
    name = _pinned_as(data)
    own = str(data.get("ssh_known_hosts_file"))
    return any(
        file == own
        and listed == (HostKeys.hash_host(name, listed) if listed.startswith("|1|") else name)
        for file, listed in places
    )


def refusals(found: Mapping[str, Survey], hosts: Hosts) -> list[Problem]:
    """Return a problem for each name whose server is another name's as well.

    Args:
        found: what each host said that was asked.
        hosts: all hosts of the inventory, with their connection data.
    """
    said = by_answers(found)
    names = {problem.where for problem in said}
    return said + [one for one in by_keys(found, hosts) if one.where not in names]


def by_keys(found: Mapping[str, Survey], hosts: Hosts) -> list[Problem]:
    """Return a problem for each host that has a key by which another host is known.

    That is a key of its own sshd, or the one that its last deploy was let in by. A second sshd has
    another key than the first, and a deploy by either leaves its trace for the other.

    Args:
        found: what each host said that was asked.
        hosts: all hosts of the inventory, with their connection data.
    """
    evidence = {name: _evidence(one) for name, one in found.items()}
    known = _owners(hosts, {key for keys in evidence.values() for key in keys})
    problems = []
    for name, keys in evidence.items():
        for key, (how, way_out) in keys.items():
            there = (one for one in known.get(key, ()) if one != name)
            others = [one for one in there if not _apart(found[name], found.get(one))]
            if others:
                text = f"the server that {', '.join(others)} is: {key.split()[0]} {how} it"
                fix = f"{_TAKE_OUT}; {way_out.format(name=name)}"
                problems.append(Problem(name, "Server", text, _NEEDED, fix))
                break
    return problems


def _evidence(one: Survey) -> dict[str, tuple[str, str]]:
    """The keys that a server is known by, with how each was found and what else may be the case."""
    hardware, _, key = one.stamped.partition(" ")
    # The stamp on a copy of a server is the other's.
    stamped = bool(key and one.machine) and hardware == one.hardware
    said = f"(in its {STAMP}: its last deploy came by that host key) is pinned for"
    fix = f"if {{name}} is a server of its own now, on it: sudo mv {STAMP} /root/, then run again"
    found = {key: (said, fix)} if stamped else {}
    own = "(a host key in its /etc/ssh) is pinned for", _CLONED
    return found | dict.fromkeys(one.keys, own)


def _apart(one: Survey, other: Survey | None) -> bool:
    """Whether two answers of one run show that they are two servers."""
    return bool(other and one.boot and other.boot and one.boot != other.boot)


def _owners(hosts: Hosts, keys: Collection[str]) -> dict[str, list[str]]:
    """Return those of the keys that are pinned for hosts, with these hosts.

    Hundreds of hosts have hundreds of keys: places are looked up, and only hashed ones tried.
    """
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, data in hosts.items():
        places[str(data.get("ssh_known_hosts_file")), _pinned_as(data)].append(name)
    found: dict[str, list[str]] = defaultdict(list)
    for file in {file for file, _ in places}:
        for key, listed in _pins(Path(file).expanduser()):
            if key not in keys:
                continue
            for place in listed:
                if place.startswith("|1|"):
                    found[key] += (n for n, data in hosts.items() if _has(data, [(file, place)]))
                else:
                    found[key] += places.get((file, place), ())
    return {key: list(dict.fromkeys(names)) for key, names in found.items()}


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
