"""What files/onboard/hardware.sh printed, as values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from torchrack import gpus, nvidia_smi
from torchrack.onboard.hardware.model import (
    UNKNOWN,
    Disk,
    GpuFacts,
    Hardware,
    Machine,
    Nic,
    Processors,
)

_SECTOR = 512
"""Bytes that sysfs counts a disk's size in, whatever its own sectors are
(Documentation/ABI/stable/sysfs-block)."""
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_EMPTY = re.compile(
    r"(to be filled by o\.?e\.?m\.?|default string|not (specified|applicable|available|present)|"
    r"(system |chassis |base board )?(serial number|product name|manufacturer|version)|"
    r"none|n/a|unknown|null|o\.?e\.?m\.?|empty|invalid|[0x. *-]+|0?123456789)?",
    re.IGNORECASE,
)
"""What makers leave in SMBIOS where a value belongs."""
_VIRTUAL_DISK = re.compile(r"QEMU|virtual", re.IGNORECASE)
_OPTICAL = re.compile(r"(sr|fd|ram)\d")

Row = list[str]


def parse(lines: Sequence[str]) -> Hardware:
    """Return what the script printed; what is missing or makes no sense is unknown.

    Args:
        lines: its standard output.
    """
    sections = _sections(lines)
    system = _values(sections["system"])
    memory = _number(system.get("memory_kib", ""))
    return Hardware(
        machine=_machine(_values(sections["dmi"]), sections["bmc"]),
        processors=_processors(_colons(sections["cpu"])),
        memory=memory * 1024 if memory else None,
        system=system.get("system") or UNKNOWN,
        kernel=system.get("kernel") or UNKNOWN,
        disks=_disks(_rows(sections["disks"])),
        nics=_nics(_rows(sections["nics"])),
        gpus=_gpus(_rows(sections["pci"]), sections["smi"]),
    )


def _machine(dmi: Mapping[str, str], bmc: Iterable[str]) -> Machine:
    controller = list(bmc)
    lan = _colons(line[4:] for line in controller if line.startswith("lan "))
    info = _colons(line[3:] for line in controller if line.startswith("mc "))
    firmware = (dmi.get("bios_vendor"), dmi.get("bios_version"), dmi.get("bios_date"))
    return Machine(
        vendor=_told(dmi.get("sys_vendor")),
        product=_told(dmi.get("product_name"), dmi.get("model")),
        serial=_told(
            dmi.get("product_serial"), dmi.get("chassis_serial"), dmi.get("devicetree_serial")
        ),
        board=_joined(dmi.get("board_vendor"), dmi.get("board_name")),
        firmware=_joined(*firmware),
        boot=_told(dmi.get("boot")),
        virtual=dmi.get("virtual") or UNKNOWN,  # "none" is an answer here
        bmc_address=_told(lan.get("IP Address")),
        bmc_firmware=_told(
            info.get("Firmware Revision"), _values(controller).get("sysfs_firmware")
        ),
    )


def _processors(cpu: Mapping[str, str]) -> Processors:
    sockets = _number(cpu.get("Socket(s)", "")) or _number(cpu.get("Cluster(s)", ""))
    each = _number(cpu.get("Core(s) per socket", "")) or _number(cpu.get("Core(s) per cluster", ""))
    return Processors(
        model=_told(cpu.get("Model name")),
        sockets=sockets,
        cores=sockets * each if sockets and each else None,
        threads=_number(cpu.get("CPU(s)", "")),
    )


def _disks(rows: Iterable[Row]) -> tuple[Disk, ...]:
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
    size = _number(sectors)
    return Disk(
        name=name,
        model=_told(model),
        serial=_told(serial, udev.get("ID_SCSI_SERIAL"), udev.get("ID_SERIAL_SHORT")),
        firmware=_told(firmware),
        kind=_kind(name, model, path, rotational),
        size=None if size is None else size * _SECTOR,
    )


def _kind(name: str, model: str, path: str, rotational: str) -> str:
    if "/virtio" in path or name.startswith("xvd") or _VIRTUAL_DISK.search(model):
        return "virtual"
    if name.startswith("nvme"):
        return "NVMe"
    return {"0": "SSD", "1": "HDD"}.get(rotational, UNKNOWN)


def _nics(rows: Iterable[Row]) -> tuple[Nic, ...]:
    found: dict[str, tuple[str, Row]] = {}
    ethtool: dict[str, dict[str, str]] = defaultdict(dict)
    for kind, name, *fields in rows:
        if kind in ("net", "ib") and len(fields) == 6:
            found[name] = (kind, fields)
        elif kind == "ethtool":
            ethtool[name] |= _colons(fields)
    return tuple(_nic(name, *found[name], ethtool[name]) for name in sorted(found))


def _nic(name: str, kind: str, fields: Row, ethtool: Mapping[str, str]) -> Nic:
    mac, path, driver, firmware, speed, state = fields
    addresses = _PCI.findall(path)
    if kind == "ib":  # "400 Gb/sec (4X NDR)", "4: ACTIVE"
        gigabits = re.match(r"[\d.]+", speed)
        megabits = round(float(gigabits[0]) * 1000) if gigabits else None
        link = {"ACTIVE": "up", "DOWN": "down"}.get(state.rpartition(" ")[2], UNKNOWN)
    else:
        megabits = _number(speed)  # -1 without a link
        link = state if state in ("up", "down") else UNKNOWN
    return Nic(
        name=name,
        mac=_told(mac),
        pci=addresses[-1] if addresses else UNKNOWN,
        driver=_told(driver),
        firmware=_told(ethtool.get("firmware-version"), firmware),
        speed=megabits if link == "up" else None,
        link=link,
    )


def _gpus(rows: Iterable[Row], smi: Sequence[str]) -> tuple[GpuFacts, ...]:
    """Return the GPUs of the PCI bus, with what nvidia-smi adds as far as it answered."""
    known: dict[str, nvidia_smi.Identity] = {}
    if smi and smi[-1] == "rc 0":
        try:
            known = {one.address: one for one in nvidia_smi.identities("\n".join(smi[:-1]))}
        except ValueError:
            known = {}  # the GPU check tells what is wrong with it
    found = {row[0]: row[1].removeprefix("0x") for row in rows if len(row) == 2}
    return tuple(
        _gpu(address, found.get(address), known.get(address))
        for address in sorted(found.keys() | known.keys())
    )


def _gpu(address: str, device: str | None, said: nvidia_smi.Identity | None) -> GpuFacts:
    if said is None:
        listed = gpus.lookup(device) if device else None
        return GpuFacts(address, listed.product if listed else f"NVIDIA 10de:{device}")
    return GpuFacts(
        address,
        name=said.name,
        uuid=said.uuid or UNKNOWN,
        serial=said.serial or UNKNOWN,
        vbios=said.vbios or UNKNOWN,
        memory=said.memory,
    )


def _sections(lines: Iterable[str]) -> dict[str, list[str]]:
    """Lines by section; what a login shell prints before the first is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    name = ""
    for line in lines:
        if line.startswith("==rc "):
            found[name].append(line[2:])
        elif line.startswith("=="):
            name = line[2:]
        elif line.strip():
            found[name].append(line)
    return found


def _values(lines: Iterable[str]) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition("=") for line in lines)}


def _colons(lines: Iterable[str]) -> dict[str, str]:
    """Return "Key   : value" lines; a line without a key goes on with the one before, unread."""
    found: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip():
            found.setdefault(key.strip(), value.strip())
    return found


def _rows(lines: Iterable[str]) -> list[Row]:
    return [row for row in (line.split("\t") for line in lines) if len(row) > 1]


def _told(*values: str | None) -> str:
    """Return the first value that says something."""
    told = (value.strip() for value in values if value)
    return next((value for value in told if not _EMPTY.fullmatch(value)), UNKNOWN)


def _joined(*values: str | None) -> str:
    told = [value for value in map(_told, values) if value != UNKNOWN]
    return " ".join(told) or UNKNOWN


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
