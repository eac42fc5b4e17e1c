"""What an inventory file is made of, checked whole before the first connection.

An inventory is a Python file that pyinfra reads::

    from torchrack.inventory import check_fleet, host

    gpu = [
        host("gpu01", address="192.0.2.11", user="admin", key="~/.ssh/lab"),
    ]

    check_fleet(__file__, globals())

Every list is a group; host keys are pinned in ``known_hosts`` beside the inventory file. The
fleet's lock lies beside it as well, with ``.lock.yml`` in the place of ``.py``, or where a variable
``lock_file`` of the inventory says. Hosts that commands write down (``torchrack onboard``) stand in
a hosts file, which the inventory reads::

    gpu = hosts_of(__file__, "gpu", user="torchrack", key="~/.ssh/lab")
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchrack import (
    hosts_file,
    ordering,  # noqa: F401 - has to be there before a deploy file declares its first operation
    same_server,
    ssh_config,
)
from torchrack.errors import Problem, ProblemsError
from torchrack.fleet_folder import beside, enter, group_data_of, here
from torchrack.host_entries import HostEntry, OpenGroup, host, hosts_of, settle, taken
from torchrack.lock.file import shown
from torchrack.report import print_problems
from torchrack.settings.check import check_settings
from torchrack.settings.elsewhere import given_to_pyinfra, not_the_fleets
from torchrack.settings.load import load_folder
from torchrack.settings.model import SECTIONS, Settings, keep, merge


@dataclass(frozen=True)
class FleetHost:
    """A host of an inventory: its name, connection data, and settings merged from all layers."""

    name: str
    data: dict[str, Any]
    settings: Settings


_joining: list[OpenGroup] | None = None
"""The groups that take hosts, while an inventory is read that may have none yet."""


def check_fleet(inventory_file: str, names: Mapping[str, Any]) -> None:
    """Check all settings of all hosts; with any problem print all of them and exit with status 1.

    Args:
        inventory_file: the inventory's ``__file__``.
        names: the inventory's ``globals()``.
    """
    inventory = Path(inventory_file).resolve()
    enter(inventory)
    problems, opened = taken()
    groups = {name: value for name, value in names.items() if _is_group(name, value)}
    for entry in _entries(groups):
        problems += settle(*entry)
    layers, found = _group_data(inventory)
    problems += found + _stray_lists(inventory_file, names)
    problems += not_the_fleets(inventory, {"all", *groups, inventory.stem})
    problems += _unread(inventory_file, opened, groups) + _twice(groups)
    problems += ssh_config.problems()
    if _joining is not None:
        _joining.extend(opened)
    fleet = [] if problems else _merged(groups, layers, inventory.stem)
    for member in fleet:
        problems += check_settings(member.name, member.settings)
        problems += _unknown_sections(member.name, member.data)
    if not any(groups.values()) and _joining is None:
        problems.append(_empty(inventory_file, opened))
    _end(problems)
    _note(groups, fleet, inventory, names.get("lock_file"))


def _end(problems: Iterable[Problem]) -> None:
    """With any problem print all of them and exit; a group file says its own for each host."""
    if found := list(dict.fromkeys(problems)):
        print_problems("Settings", found)
        sys.exit(f"{len(found)} problem(s) in the settings; no host was contacted.")


def _note(
    groups: Mapping[str, Any], fleet: Sequence[FleetHost], inventory: Path, lock: str | Path | None
) -> None:
    """Tell each host where its inventory and its lock are, and what its groups say.

    pyinfra does not tell the first, and the second only where the current folder is the fleet's.
    """
    files = {
        "_inventory_file": str(inventory),
        "_lock_file": str(here(lock or beside(inventory, ".lock.yml")).resolve()),
    }
    plain = {
        one.name: {name: value for name, value in one.data.items() if name not in SECTIONS}
        for one in fleet
    }
    for one in fleet:
        keep(inventory, one.name, one.settings)
    same_server.keep(inventory, {one.name: one.data for one in fleet})
    for entries in groups.values():
        for name, data in entries:
            data.update(plain[name] | files)


def load_fleet(inventory_file: str | Path) -> list[FleetHost]:
    """Read an inventory without pyinfra: its hosts with their data and merged settings.

    Args:
        inventory_file: path of the inventory, checked as a run would check it.

    Raises:
        SystemExit: check_fleet found problems, or was not called; all have been printed.
    """
    path = Path(inventory_file).resolve()
    enter(path)
    names = runpy.run_path(str(path))
    groups = {name: value for name, value in names.items() if _is_group(name, value)}
    _end(_unchecked(inventory_file, groups))
    layers, _ = _group_data(path)
    return _merged(groups, layers, path.stem)


def load_open(inventory_file: str | Path) -> tuple[list[FleetHost], list[OpenGroup]]:
    """Read an inventory that hosts are to join: its hosts, and the groups that take more.

    As :func:`load_fleet`, but a fleet without a host is one that its first host can join.

    Args:
        inventory_file: path of the inventory.
    """
    global _joining  # noqa: PLW0603 - an inventory has no other way to reach the caller
    opened: list[OpenGroup] = []
    _joining = opened
    try:
        return load_fleet(inventory_file), opened
    finally:
        _joining = None


def _unchecked(inventory_file: str | Path, groups: Mapping[str, Any]) -> Iterator[Problem]:
    """An inventory that does not end with check_fleet, which notes itself on each host."""
    if names := [name for name, data in _entries(groups) if "_inventory_file" not in data]:
        found = f"no check_fleet() after the hosts {', '.join(names[:5])}"
        needed = "check_fleet(__file__, globals()) as its last line"
        yield Problem(shown(inventory_file), "Inventory", found, needed, "add that line")


def _empty(inventory_file: str, opened: Iterable[OpenGroup]) -> Problem:
    inventory = shown(inventory_file)
    fix = (
        f"torchrack onboard {inventory} --name gpu01 --address ADDRESS"
        if opened
        else "add a list of host()"
    )
    return Problem(inventory, "Inventory", "no host", "at least one", fix)


def _unread(
    inventory_file: str, opened: Iterable[OpenGroup], groups: Mapping[str, Any]
) -> list[Problem]:
    """Hosts that were written down and that the inventory leaves out, or puts elsewhere."""
    problems = []
    read: dict[Path, set[str]] = {hosts_file.path_of(inventory_file).resolve(): set()}
    for group in opened:
        read.setdefault(group.hosts_file, set()).add(group.name)
        if group.name not in groups:
            what, needed = f"Group {group.name}", f"a variable {group.name} that takes its hosts"
            fix = f'write {group.name} = hosts_of(__file__, "{group.name}", ...)'
            problems.append(Problem(shown(inventory_file), what, "none", needed, fix))
    for file, names in read.items():
        try:
            there = hosts_file.read(file)
        except ProblemsError as error:
            problems += error.problems  # told once, where hosts_of has told them too
            continue
        problems += [
            Problem(
                shown(file),
                f"Group {group}",
                f"{len(there[group])} host(s) that {shown(inventory_file)} does not read",
                f'{group} = hosts_of(__file__, "{group}", ...) in the inventory',
                "add that line to the inventory, or move the hosts to a group that it reads",
            )
            for group in there
            if there[group] and group not in names
        ]
    return problems


def _twice(groups: Mapping[str, Any]) -> list[Problem]:
    """Two hosts of one name, and two names of one server."""
    problems = []
    seen: dict[str, dict[str, Any]] = {}
    for name, data in _entries(groups):
        other = seen.setdefault(name, data)
        if _place(other) != _place(data) or other.get("_hosts_file") != data.get("_hosts_file"):
            found = f"two hosts, at {_place(other)} and {_place(data)}"
            fix = "rename one, or take one out of the inventory or its hosts file"
            problems.append(Problem(name, "Name", found, "one host of that name", fix))
    problems += same_server.problems(seen)
    return problems


def _place(data: Mapping[str, Any]) -> str:
    return f"{data.get('ssh_hostname')} port {data.get('ssh_port')}"


def _group_data(inventory_file: Path) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    layers: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for folder in [*group_data_of(inventory_file), *given_to_pyinfra()]:
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
        found = [*(layers.get(group, {}) for group in order), own]
        plain = {k: v for layer in found for k, v in layer.items() if k not in SECTIONS}
        fleet.append(FleetHost(name, plain | own, merge(found)))
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


def _entries(groups: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return (entry for group in groups.values() for entry in group if _is_entry(entry))


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


__all__ = [
    "FleetHost",
    "HostEntry",
    "OpenGroup",
    "check_fleet",
    "host",
    "hosts_of",
    "load_fleet",
    "load_open",
]
