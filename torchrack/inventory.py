"""What an inventory file is made of, checked whole before the first connection.

An inventory is a Python file that pyinfra reads::

    from torchrack.inventory import check_fleet, host

    gpu = [
        host("gpu01", address="192.0.2.11", user="admin", key="~/.ssh/lab"),
    ]

    check_fleet(__file__, globals())

Every list is a group; host keys are pinned in ``known_hosts`` beside the inventory file. The
fleet's lock lies beside it as well, with ``.lock.yml`` in the place of ``.py``, or where a variable
``lock_file`` of the inventory says.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchrack.connect import connection_data
from torchrack.errors import Problem
from torchrack.report import print_problems
from torchrack.settings.check import check_settings
from torchrack.settings.load import group_data_folders, load_folder
from torchrack.settings.model import SECTIONS, Settings, merge
from torchrack.settings.section import Section

HostEntry = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class FleetHost:
    """A host of an inventory: its name, connection data, and settings merged from all layers."""

    name: str
    data: dict[str, Any]
    settings: Settings


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
    layers, found = _group_data(Path(inventory_file))
    problems += found + _stray_lists(inventory_file, names)
    groups = {name: value for name, value in names.items() if _is_group(name, value)}
    if not problems:
        for entry in _merged(groups, layers, Path(inventory_file).stem):
            problems += check_settings(entry.name, entry.settings)
            problems += _unknown_sections(entry.name, entry.data)
    if not any(groups.values()):
        problems.append(
            Problem(inventory_file, "Inventory", "no host", "at least one", "add a list of host()")
        )
    problems = list(dict.fromkeys(problems))  # what a group file says wrong, it says for each host
    if problems:
        print_problems("Settings", problems)
        sys.exit(f"{len(problems)} problem(s) in the settings; no host was contacted.")
    _note_files(groups, Path(inventory_file), names.get("lock_file"))


def _note_files(groups: Mapping[str, Any], inventory: Path, lock: str | Path | None) -> None:
    """Tell each host where its inventory and its lock are: pyinfra does not."""
    files = {
        "_inventory_file": str(inventory.resolve()),
        "_lock_file": str(Path(lock or inventory.with_suffix(".lock.yml")).resolve()),
    }
    for entries in groups.values():
        for _, data in entries:
            data.update(files)


def load_fleet(inventory_file: str | Path) -> list[FleetHost]:
    """Read an inventory without pyinfra: its hosts with their data and merged settings.

    Args:
        inventory_file: path of the inventory, checked as a run would check it.
    """
    path = Path(inventory_file).resolve()
    names = runpy.run_path(str(path))
    groups = {name: value for name, value in names.items() if _is_group(name, value)}
    layers, _ = _group_data(path)
    return _merged(groups, layers, path.stem)


def _group_data(inventory_file: Path) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    layers: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for folder in group_data_folders(inventory_file):
        loaded, found = load_folder(folder)
        problems += found
        for group, data in loaded.items():
            layers.setdefault(group, {}).update(data)
    return layers, problems


def _merged(
    groups: Mapping[str, Any], layers: Mapping[str, dict[str, Any]], stem: str
) -> list[FleetHost]:
    """Every host with its settings; layers override each other in pyinfra's order."""
    data: dict[str, dict[str, Any]] = {}
    member: dict[str, list[str]] = {}
    for group, entries in groups.items():
        for name, own in entries:
            data.setdefault(name, {}).update(own)
            member.setdefault(name, []).append(group)
    fleet = []
    for name, own in data.items():
        order = dict.fromkeys(["all", *member[name], stem])
        fleet.append(FleetHost(name, own, merge([*(layers.get(g, {}) for g in order), own])))
    return fleet


def _is_group(name: str, value: Any) -> bool:
    return not name.startswith("_") and isinstance(value, list)


def _stray_lists(inventory_file: str, names: Mapping[str, Any]) -> list[Problem]:
    """Public lists and tuples that are no hosts: pyinfra would take their items for host names."""
    return [
        Problem(
            inventory_file,
            f"List {name}",
            repr(value)[:60],
            "entries made by host(), or a name that begins with _",
            f"rename it to _{name} if it is no group of hosts",
        )
        for name, value in names.items()
        if not name.startswith("_")
        and isinstance(value, (list, tuple))
        and not (isinstance(value, list) and all(map(_is_entry, value)))
    ]


def _is_entry(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict)


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


__all__ = ["FleetHost", "check_fleet", "host", "load_fleet"]
