"""The lock of a fleet, and the exact settings of its hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host

from torchrack.errors import Problem, ProblemsError
from torchrack.inventory import FleetHost, load_fleet
from torchrack.lock import apply, file
from torchrack.lock.model import Group, Lock
from torchrack.preflight.facts import HostFacts
from torchrack.settings.model import Settings, of


def lock_of(data: Mapping[str, Any]) -> Lock | None:
    """Return the lock of a host's fleet, None without one.

    Args:
        data: the host's data, with what :func:`torchrack.inventory.check_fleet` noted in it.

    Raises:
        ProblemsError: the file is no lock.
    """
    path = Path(data["_lock_file"])
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _read(path, changed)


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Lock | None:
    return file.read(path)


def command(data: Mapping[str, Any]) -> str:
    """Return the command that locks a host's fleet."""
    return f"torchrack lock {file.shown(data['_inventory_file'])}"


def problems(hosts: Iterable[tuple[str, Mapping[str, Any], Settings]]) -> list[Problem]:
    """Return why the lock does not fit hosts, each thing once; no host is asked.

    Args:
        hosts: name, data, and settings as the inventory says them.
    """
    found = []
    for name, data, settings in hosts:
        if "_lock_file" not in data:
            needed = "check_fleet(__file__, globals()) at its end"
            found.append(Problem(name, "Inventory", "no check of it", needed, "add that line"))
            continue
        try:
            lock = lock_of(data)
        except ProblemsError as error:
            found += error.problems
            continue
        shown = file.shown(data["_lock_file"])
        found += apply.problems(lock, name, settings, file=shown, command=command(data))
    return list(dict.fromkeys(found))


def new_hosts(fleet: Iterable[FleetHost]) -> list[Problem]:
    """Return a problem for each host that its fleet's lock, which is there, does not know yet.

    Raises:
        ProblemsError: the file is no lock.
    """
    found = []
    for host in fleet:
        lock = lock_of(host.data)
        if lock is not None and lock.group(host.name) is None:
            found += problems([(host.name, host.data, host.settings)])
    return found


def locked_fleet(inventory: str | Path, names: Collection[str] = ()) -> list[FleetHost]:
    """Read an inventory with its lock: hosts whose settings leave nothing open.

    Args:
        inventory: path of the inventory.
        names: only these hosts, all where there are none; the others need not be locked.

    Raises:
        ProblemsError: the lock is missing, or not for these settings.
    """
    fleet = load_fleet(inventory)
    return exact([host for host in fleet if not names or host.name in names], inventory)


def exact(fleet: Sequence[FleetHost], inventory: str | Path) -> list[FleetHost]:
    """Return hosts whose settings leave nothing open.

    Args:
        fleet: the hosts, with their settings as the inventory says them.
        inventory: path of the inventory, for messages.

    Raises:
        ProblemsError: the lock is missing, or not for these settings.
    """
    if found := problems((host.name, host.data, host.settings) for host in fleet):
        raise ProblemsError(f"The lock of {file.shown(inventory)} does not fit it.", found)
    return [
        replace(host, settings=_exact(host.name, host.data, host.settings)[0]) for host in fleet
    ]


def changed(host: Host, facts: HostFacts) -> list[Problem]:
    """Return what of a host of a run is not as it was when it was locked.

    Args:
        host: the host.
        facts: what it is now.
    """
    now = apply.found_of(facts)
    return apply.changes(group_of(host), now, host.name, command=command(host.data.dict()))


def settings_of(host: Host) -> Settings:
    """Return the exact settings of a host of a run, which preflight has found locked."""
    return _exact(host.name, host.data.dict(), of(host))[0]


def group_of(host: Host) -> Group:
    """Return the group that a host of a run is in."""
    return _exact(host.name, host.data.dict(), of(host))[1]


def _exact(name: str, data: Mapping[str, Any], settings: Settings) -> tuple[Settings, Group]:
    lock = lock_of(data)
    group = lock.group(name) if lock else None
    if lock is None or group is None:
        raise ProblemsError(f"{name} is not locked: run {command(data)}", [])
    return apply.exact(settings, lock, group), group
