"""The hosts of an inventory, one by one or out of a hosts file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchrack import hosts_file as written
from torchrack.connect import connection_data
from torchrack.errors import Problem, ProblemsError
from torchrack.fleet_folder import beside, enter, here
from torchrack.lock.file import shown
from torchrack.settings.section import Section

HostEntry = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class OpenGroup:
    """A group that takes hosts from a hosts file: one that a command can add hosts to.

    Args:
        name: the group's.
        hosts_file: the file.
        known_hosts: where the keys of its hosts are pinned.
        user: the login of hosts whose entry names none.
        key: the private key of hosts whose entry names none.
    """

    name: str
    hosts_file: Path
    known_hosts: Path
    user: str | None
    key: str | None


_problems: list[Problem] = []
_opened: list[OpenGroup] = []


def host(
    name: str,
    *,
    address: str,
    user: str,
    known_hosts: str | Path,
    port: int = 22,
    key: str | Path | None = None,
    agent: bool = False,
    **settings: Section,
) -> HostEntry:
    """Declare a host.

    Args:
        name: the name it has in reports and in ``--limit``.
        address: host name or IP address to connect to.
        user: login with sudo.
        known_hosts: the fleet's own known_hosts file with the host's key; a relative path begins
            in the fleet's folder.
        port: TCP port of sshd.
        key: path of the private key to log in with, as ``known_hosts``.
        agent: whether keys of the SSH agent may be used.
        settings: sections for this host alone (``docker=Docker(...)``).

    Returns:
        The pair of name and data that pyinfra wants.
    """
    data = connection_data(
        address=address,
        port=port,
        user=user,
        known_hosts=str(Path(known_hosts).expanduser()),
        key=str(Path(key).expanduser()) if key else None,
        agent=agent,
    )
    return name, data | settings


def hosts_of(
    inventory_file: str,
    group: str,
    *,
    user: str | None = None,
    key: str | Path | None = None,
    agent: bool = False,
    known_hosts: str | Path | None = None,
    hosts_file: str | Path | None = None,
    **settings: Section,
) -> list[HostEntry]:
    """Return the hosts of a group of the hosts file; none where there is no file yet.

    Args:
        inventory_file: the inventory's ``__file__``.
        group: the group, which has to have the name of the variable that it goes into.
        user: login with sudo, of hosts whose entry names none.
        key: path of the private key of hosts whose entry names none.
        agent: whether keys of the SSH agent may be used, where the entry does not say.
        known_hosts: the fleet's own known_hosts file; left out, ``.known_hosts`` in the place of
            the inventory's ``.py``.
        hosts_file: the hosts file; left out, ``.hosts.yml`` in the place of ``.py``.
        settings: sections for each of these hosts (``docker=Docker(...)``).
    """
    enter(inventory_file)
    file = here(hosts_file or written.path_of(inventory_file)).resolve()
    pins = here(known_hosts or beside(inventory_file, ".known_hosts"))
    _opened.append(OpenGroup(group, file, pins, user, str(key) if key else None))
    try:
        entries = written.read(file).get(group, {})
    except ProblemsError as error:
        _problems.extend(error.problems)
        return []
    hosts = []
    for name, entry in entries.items():
        login = entry.user or user
        if login is None:
            fix = f"name it in {shown(file)}, or for all: hosts_of(..., user=...)"
            _problems.append(Problem(name, "Login", "no user", "a login with sudo", fix))
            continue
        _, data = host(
            name,
            address=entry.address,
            port=entry.port,
            user=login,
            key=entry.key or key,
            agent=agent if entry.agent is None else entry.agent,
            known_hosts=entry.known_hosts or pins,
            **settings,
        )
        noted = {"_hosts_file": str(file), "_first_login": entry.first_login}
        hosts.append((name, data | noted))
    return hosts


def taken() -> tuple[list[Problem], list[OpenGroup]]:
    """Return what is wrong with the hosts declared since the last call, and the groups read."""
    found = [*_problems], [*_opened]
    _problems.clear()
    _opened.clear()
    return found


def settle(name: str, data: dict[str, Any]) -> list[Problem]:
    """Have a host's files begin in the fleet's folder; return what is wrong with its connection.

    Args:
        name: the host's name.
        data: its data, as :func:`host` made them.
    """
    problems = []
    for what, field in (("SSH key", "ssh_key"), ("known_hosts file", "ssh_known_hosts_file")):
        path = data.get(field)
        if not path:
            continue
        data[field] = str(here(path))
        if not Path(data[field]).is_file():
            found = f"no file {data[field]}"
            problems.append(Problem(name, what, found, "a readable file", "correct the path"))
    port = data["ssh_port"]
    if not isinstance(port, int) or not 1 <= port <= 65535:
        problems.append(
            Problem(name, "SSH port", repr(port), "a number from 1 to 65535", "correct the port")
        )
    return problems
