"""What files/onboard/hardware.sh printed, as values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from torchrack import gpus, nvidia_smi
from torchrack.onboard.hardware.disks import disks_of
from torchrack.onboard.hardware.lines import (
    Row,
    colons,
    joined,
    number,
    rows,
    told,
    values,
)
from torchrack.onboard.hardware.model import UNKNOWN, GpuFacts, Hardware, Machine, Processors
from torchrack.onboard.hardware.nics import nics_of
from torchrack.sections import sections, with_status


def parse(lines: Sequence[str]) -> Hardware:
    """Return what the script printed; what is missing or makes no sense is unknown.

    Args:
        lines: its standard output.
    """
    found = defaultdict(list, sections(lines))
    system = values(found["system"])
    memory = number(system.get("memory_kib", ""))
    return Hardware(
        machine=_machine(values(found["dmi"]), found["bmc"]),
        processors=_processors(colons(found["cpu"])),
        memory=memory * 1024 if memory else None,
        system=system.get("system") or UNKNOWN,
        kernel=system.get("kernel") or UNKNOWN,
        disks=disks_of(rows(found["disks"])),
        nics=nics_of(rows(found["nics"])),
        gpus=_gpus(rows(found["pci"]), found["smi"]),
    )


def _machine(dmi: Mapping[str, str], bmc: Iterable[str]) -> Machine:
    controller = list(bmc)
    lan = colons(line[4:] for line in controller if line.startswith("lan "))
    info = colons(line[3:] for line in controller if line.startswith("mc "))
    firmware = (dmi.get("bios_vendor"), dmi.get("bios_version"), dmi.get("bios_date"))
    return Machine(
        vendor=told(dmi.get("sys_vendor")),
        product=told(dmi.get("product_name"), dmi.get("model")),
        serial=told(
            dmi.get("product_serial"), dmi.get("chassis_serial"), dmi.get("devicetree_serial")
        ),
        board=joined(dmi.get("board_vendor"), dmi.get("board_name")),
        firmware=joined(*firmware),
        boot=told(dmi.get("boot")),
        virtual=dmi.get("virtual") or UNKNOWN,  # "none" is an answer here
        bmc_address=told(lan.get("IP Address")),
        bmc_firmware=told(info.get("Firmware Revision"), values(controller).get("sysfs_firmware")),
    )


def _processors(cpu: Mapping[str, str]) -> Processors:
    sockets = number(cpu.get("Socket(s)", "")) or number(cpu.get("Cluster(s)", ""))
    each = number(cpu.get("Core(s) per socket", "")) or number(cpu.get("Core(s) per cluster", ""))
    return Processors(
        model=told(cpu.get("Model name")),
        sockets=sockets,
        cores=sockets * each if sockets and each else None,
        threads=number(cpu.get("CPU(s)", "")),
    )


def _gpus(rows: Iterable[Row], smi: Sequence[str]) -> tuple[GpuFacts, ...]:
    """Return the GPUs of the PCI bus, with what nvidia-smi adds as far as it answered."""
    known: dict[str, nvidia_smi.Identity] = {}
    _, text = with_status(smi)
    with suppress(ValueError):  # the GPU check reports what is wrong with it
        known = {one.address: one for one in nvidia_smi.identities("\n".join(text))}
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
