"""Disks, from what sysfs and udev say of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from torchrack.onboard.hardware.lines import Row, number, told
from torchrack.onboard.hardware.model import UNKNOWN, Disk

_SECTOR = 512
"""Bytes that sysfs counts a disk's size in, whatever its own sectors are
(Documentation/ABI/stable/sysfs-block)."""
_VIRTUAL_DISK = re.compile(r"QEMU|virtual", re.IGNORECASE)
_OPTICAL = re.compile(r"(sr|fd|ram)\d")


def disks_of(rows: Iterable[Row]) -> tuple[Disk, ...]:
    """Return the disks, by name; drives for media are none.

    Args:
        rows: what sysfs and udev say of them.
    """
    found: dict[str, Row] = {}
    udev: dict[str, dict[str, str]] = defaultdict(dict)
    for kind, name, *fields in rows:
        if kind == "sysfs" and len(fields) == 7 and not _OPTICAL.match(name):
            found[name] = fields
        elif kind == "udev" and len(fields) == 2:
            udev[name][fields[0]] = fields[1]
    disks = [_disk(name, fields, udev[name]) for name, fields in sorted(found.items())]
    return tuple(disk for disk in disks if disk.size != 0)  # 0: a drive without its medium


def _disk(name: str, fields: Row, udev: Mapping[str, str]) -> Disk:
    model, serial, firmware, rotational, sectors, vendor, path = fields
    if udev.get("ID_BUS") == "ata":  # elsewhere sysfs has the whole of it
        model = udev.get("ID_MODEL", model).replace("_", " ")
        firmware = udev.get("ID_REVISION", firmware)
    elif not vendor.startswith("0x"):  # virtio has the PCI vendor's number there
        model = f"{vendor} {model}".strip()
    size = number(sectors)
    return Disk(
        name=name,
        model=told(model),
        serial=told(serial, udev.get("ID_SCSI_SERIAL"), udev.get("ID_SERIAL_SHORT")),
        firmware=told(firmware),
        kind=_kind(name, model, path, rotational),
        size=None if size is None else size * _SECTOR,
    )


def _kind(name: str, model: str, path: str, rotational: str) -> str:
    if "/virtio" in path or name.startswith("xvd") or _VIRTUAL_DISK.search(model):
        return "virtual"
    if name.startswith("nvme"):
        return "NVMe"
    return {"0": "SSD", "1": "HDD"}.get(rotational, UNKNOWN)
