"""Servers as they were at some moment: kept under a label, and started from again.

A snapshot has all that it takes to start: the disk, the PCI bus, the host keys and the description.
It fits the lab it was taken in, and those that use that lab's services: addresses of the mirror and
the registry, and their keys, are on the disk.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab import atomic, disk, identity, pool
from lab.errors import LabError
from lab.state import Host, Lab

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?")
_IDENTITY, _BUS, _DISK, _DESCRIPTION = "identity", "pci", "rootfs", "host.json"
# What a server has of its own however it was made.
_OWN = {"address", "port", "newcomer", "password_file", "user_data"}


@dataclass(frozen=True)
class Snapshot:
    """A server that was kept: the label, the server's name, the folder with all that it is."""

    label: str
    name: str
    folder: Path

    @property
    def host(self) -> Host:
        """The server's description when it was kept."""
        return Host.model_validate_json((self.folder / _DESCRIPTION).read_text())


def take(lab: Lab, name: str, label: str) -> None:
    """Keep the server `name`, on or off, as `label`, in place of what was kept so.

    Raises:
        LabError: the label is none.
    """
    if not _LABEL.fullmatch(label):
        raise LabError(f"{label!r} is no label: small letters, digits, '-' and '.'")
    folder = _folder(lab) / label / name
    aside = folder.with_name(f"{name}.new")
    _remove(aside)
    aside.mkdir(parents=True)
    disk.keep(lab, name, aside / _DISK)
    for part in (_IDENTITY, _BUS):
        shutil.copytree(lab.machine_dir(name) / part, aside / part, symlinks=True)
    password = lab.hosts[name].password_file
    if password is not None:
        shutil.copyfile(password, aside / "password")
        (aside / "password").chmod(0o600)
    atomic.write(aside / _DESCRIPTION, lab.hosts[name].model_dump_json(indent=2), mode=0o600)
    _remove(folder)
    aside.rename(folder)


def listed(lab: Lab) -> list[Snapshot]:
    """Return what was kept in this lab, or in the one whose services it uses."""
    return [
        Snapshot(path.parent.parent.name, path.parent.name, path.parent)
        for path in sorted(_folder(lab).glob(f"*/*/{_DESCRIPTION}"))
    ]


def find(lab: Lab, label: str, name: str) -> Snapshot:
    """Return the server `name` as it was kept as `label`.

    Raises:
        LabError: nothing was kept so.
    """
    kept = listed(lab)
    for snapshot in kept:
        if (snapshot.label, snapshot.name) == (label, name):
            return snapshot
    there = ", ".join(f"{one.name} {one.label}" for one in kept) or "none"
    raise LabError(f"no snapshot {label} of {name}; there are: {there}")


def restore(lab: Lab, name: str, snapshot: Snapshot) -> None:
    """Make the server `name`, which is off, what was kept; its address stays.

    Where another server was kept, `name` gets host keys, a machine id and a host name of its own.
    """
    kept, own = snapshot.host, lab.hosts[name]
    lab.hosts[name] = kept.model_copy(
        update=own.model_dump(include=_OWN - {"password_file"}) | {"password_file": None}
    )
    folder = lab.machine_dir(name)
    same = snapshot.name == name
    if same:
        _copy_part(snapshot.folder / _IDENTITY, folder / _IDENTITY)
    else:
        identity.ensure_host_keys(folder / _IDENTITY, name)
    _copy_part(snapshot.folder / _BUS, folder / _BUS)
    password = snapshot.folder / "password"
    if password.exists():
        file = identity.keep_password(lab, name, password.read_text())
        lab.hosts[name].password_file = file
    disk.take(lab, name, snapshot.folder / _DISK, rename=not same)
    lab.hosts[name].host_key = identity.host_key(folder / _IDENTITY)
    lab.hosts[name].host_key_sha256 = identity.fingerprint(lab.hosts[name].host_key)


def forget(lab: Lab, label: str) -> None:
    """Remove all that was kept as `label`."""
    for snapshot in listed(lab):
        if snapshot.label == label:
            _remove(snapshot.folder)
    shutil.rmtree(_folder(lab) / label, ignore_errors=True)


def forget_all(lab_id: str) -> None:
    """Remove all snapshots of a lab."""
    folder = pool.ensure() / "snapshots" / lab_id
    for one in folder.glob("*/*"):
        _remove(one)
    shutil.rmtree(folder, ignore_errors=True)


def _folder(lab: Lab) -> Path:
    return pool.ensure() / "snapshots" / (lab.services_of or lab.id)


def _remove(folder: Path) -> None:
    if folder.exists():
        pool.remove(folder / _DISK)
        shutil.rmtree(folder)


def _copy_part(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
