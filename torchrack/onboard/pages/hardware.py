"""The hardware of a server on its page."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.onboard.hardware import Hardware
from torchrack.onboard.pages.blocks import Facts, Section, Table
from torchrack.onboard.pages.details import Details
from torchrack.onboard.pages.words import disk_size, memory_size, number, speed


def hardware_sections(details: Details) -> Iterator[Section]:
    """Yield the sections on machine, GPUs, disks and network; none before they are known."""
    found = details.hardware
    if found is None:
        return
    yield Section("Machine", (_machine(found),))
    if found.gpus:
        headings = ("PCI", "Name", "UUID", "Serial number", "VBIOS", "Memory")
        gpus = (
            (gpu.address, gpu.name, gpu.uuid, gpu.serial, gpu.vbios, memory_size(gpu.memory))
            for gpu in found.gpus
        )
        yield Section("GPUs", (Table(headings, tuple(gpus)),))
    if found.disks:
        headings = ("Name", "Model", "Kind", "Size", "Serial number", "Firmware")
        disks = (
            (disk.name, disk.model, disk.kind, disk_size(disk.size), disk.serial, disk.firmware)
            for disk in found.disks
        )
        yield Section("Disks", (Table(headings, tuple(disks)),))
    if found.nics:
        of_ports = ("Name", "MAC", "PCI", "Driver", "Firmware", "Link", "Speed")
        ports = (
            (nic.name, nic.mac, nic.pci, nic.driver, nic.firmware, nic.link, speed(nic.speed))
            for nic in found.nics
        )
        yield Section("Network", (Table(of_ports, tuple(ports)),))


def _machine(found: Hardware) -> Facts:
    machine, cpu = found.machine, found.processors
    return Facts(
        (
            ("Vendor", machine.vendor),
            ("Product", machine.product),
            ("Serial number", machine.serial),
            ("Main board", machine.board),
            ("Firmware", machine.firmware),
            ("Boots by", machine.boot),
            ("Management address", machine.bmc_address),
            ("Management firmware", machine.bmc_firmware),
            ("Virtual machine", "no" if machine.virtual == "none" else machine.virtual),
            ("Processor", cpu.model),
            (
                "Sockets, cores, threads",
                ", ".join(map(number, (cpu.sockets, cpu.cores, cpu.threads))),
            ),
            ("Memory", memory_size(found.memory)),
            ("System", found.system),
            ("Kernel", found.kernel),
        )
    )
