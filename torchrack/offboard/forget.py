"""Take a host out of its fleet's files: inventory, lock, pinned keys."""

from __future__ import annotations

from pathlib import Path

from torchrack import hosts_file
from torchrack.errors import ProblemsError, TorchrackError
from torchrack.exclusive import exclusive
from torchrack.inventory import FleetHost
from torchrack.lock import file as lock_file
from torchrack.lock.model import Lock
from torchrack.onboard import pins


def stands_in(host: FleetHost) -> Path | None:
    """Return the hosts file that a host stands in; None where a person wrote it down elsewhere.

    Raises:
        ProblemsError: the hosts file is wrong.
    """
    path = Path(host.data.get("_hosts_file") or hosts_file.path_of(host.data["_inventory_file"]))
    return path if any(host.name in entries for entries in hosts_file.read(path).values()) else None


def forget(host: FleetHost) -> tuple[list[str], list[str]]:
    """Take a host out; return what was done, and what a person has to do yet.

    Where its entry is a line of Python, that line has to go first: without lock and pin the
    fleet's next run would be refused.

    Raises:
        TorchrackError: a file is wrong or can't be written; the others may have been changed.
    """
    inventory = Path(host.data["_inventory_file"])
    shown = lock_file.shown(inventory)
    entry = stands_in(host)
    if entry is None:
        return [], [
            f"take {host.name} out of {shown}, where a person wrote it down; then run "
            f"torchrack lock {shown}, and {_unpin_by_hand(host)}"
        ]
    try:
        hosts_file.remove(entry, host.name)
        done = [f"{host.name} is out of {lock_file.shown(entry)}"]
        if _unlock(host, inventory):
            done.append(f"{host.name} is out of {lock_file.shown(host.data['_lock_file'])}")
        known = Path(host.data["ssh_known_hosts_file"])
        if pins.unpin(known, host.data["ssh_hostname"], host.data["ssh_port"]):
            done.append(f"its host key is out of {lock_file.shown(known)}")
    except ProblemsError:
        raise
    except OSError as error:
        raise TorchrackError(f"{error.filename} can't be written: {error.strerror}") from None
    return done, []


def without(lock: Lock, name: str) -> Lock:
    """Return a lock without a host; a group that was its alone goes."""
    groups = [
        group.model_copy(update={"hosts": tuple(one for one in group.hosts if one != name)})
        for group in lock.groups
    ]
    return lock.model_copy(update={"groups": tuple(group for group in groups if group.hosts)})


def _unlock(host: FleetHost, inventory: Path) -> bool:
    path = Path(host.data["_lock_file"])
    with exclusive(path.parent):
        lock = lock_file.read(path)
        if lock is None or lock.group(host.name) is None:
            return False
        lock_file.write(path, without(lock, host.name), inventory)
    return True


def _unpin_by_hand(host: FleetHost) -> str:
    address, port = host.data["ssh_hostname"], host.data["ssh_port"]
    where = address if port == 22 else f"'[{address}]:{port}'"
    return f"ssh-keygen -R {where} -f {lock_file.shown(host.data['ssh_known_hosts_file'])}"
