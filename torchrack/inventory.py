"""What an inventory file is made of, checked whole before the first connection.

An inventory is a Python file that pyinfra reads::

    from torchrack.inventory import check_fleet, host

    gpu = [
        host("gpu01", address="192.0.2.11", user="admin", key="~/.ssh/lab"),
    ]

    check_fleet(__file__, globals())

Every list is a group; host keys are pinned in ``known_hosts`` beside the inventory file.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchrack.connect import connection_data
from torchrack.errors import Problem
from torchrack.report import print_problems
from torchrack.settings.check import check_settings
from torchrack.settings.load import group_data_folders, load_folder
from torchrack.settings.model import SECTIONS, merge
from torchrack.settings.section import Section

HostEntry = tuple[str, dict[str, Any]]

_problems: list[Problem] = []


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
        known_hosts: the fleet's own known_hosts file with the host's key.
        port: TCP port of sshd.
        key: path of the private key to log in with.
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
    _problems.extend(_connection_problems(name, data))
    return name, data | settings


def check_fleet(inventory_file: str, names: Mapping[str, Any]) -> None:
    """Check all settings of all hosts; with any problem print all of them and exit with status 1.

    Args:
        inventory_file: the inventory's ``__file__``.
        names: the inventory's ``globals()``.
    """
    problems = [*_problems]
    _problems.clear()
    groups = {k: v for k, v in names.items() if _is_group(k, v)}
    layers: dict[str, dict[str, Any]] = {}
    for folder in group_data_folders(Path(inventory_file)):
        loaded, found = load_folder(folder)
        problems += found
        for group, data in loaded.items():
            layers.setdefault(group, {}).update(data)
    if not problems:
        for name, (data, host_groups) in _hosts(groups, Path(inventory_file).stem).items():
            host_layers = [layers.get(group, {}) for group in ["all", *host_groups]]
            problems += check_settings(name, merge([*host_layers, data]))
            problems += _unknown_sections(name, data)
    if not any(groups.values()):
        problems.append(
            Problem(inventory_file, "Inventory", "no host", "at least one", "add a list of host()")
        )
    if problems:
        print_problems("Settings", problems)
        sys.exit(f"{len(problems)} problem(s) in the settings; no host was contacted.")


def _is_group(name: str, value: Any) -> bool:
    return not name.startswith("_") and isinstance(value, list)


def _hosts(groups: Mapping[str, Any], stem: str) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Every host's data and groups, in the order in which pyinfra lets them override each other."""
    result: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for group, entries in groups.items():
        for name, data in entries:
            result.setdefault(name, ({}, []))[0].update(data)
            result[name][1].append(group)
    for _, host_groups in result.values():
        if stem not in host_groups:
            host_groups.append(stem)
    return result


def _unknown_sections(name: str, data: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(
            where=name,
            what=f"Setting {key}",
            found=type(value).__name__,
            needed=f"one of {', '.join(SECTIONS)}, each of its own type",
            fix="rename or remove it",
        )
        for key, value in data.items()
        if not key.startswith(("ssh_", "_"))
        and not (key in SECTIONS and isinstance(value, SECTIONS[key]))
    ]


def _connection_problems(name: str, data: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for what, field in (("SSH key", "ssh_key"), ("known_hosts file", "ssh_known_hosts_file")):
        path = data.get(field)
        if path and not Path(path).is_file():
            problems.append(
                Problem(name, what, f"no file {path}", "a readable file", "correct the path")
            )
    port = data["ssh_port"]
    if not isinstance(port, int) or not 1 <= port <= 65535:
        problems.append(
            Problem(name, "SSH port", repr(port), "a number from 1 to 65535", "correct the port")
        )
    return problems


__all__ = ["check_fleet", "host"]
