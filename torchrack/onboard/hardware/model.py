"""What a server is made of, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "unknown"
"""Stands where neither the kernel nor a tool told a value."""


@dataclass(frozen=True)
class Machine:
    """The machine as its firmware describes it (SMBIOS), and its management controller.

    Args:
        vendor: who made it.
        product: its model.
        serial: the system's serial number; the chassis' where the system has none.
        board: vendor and model of the main board.
        firmware: vendor, version and date of the BIOS or UEFI.
        boot: "UEFI" or "BIOS".
        virtual: kind of virtual machine or container ("kvm"); "none" on bare metal.
        bmc_address: IP address of the management controller (IPMI).
        bmc_firmware: its firmware's version.
    """

    vendor: str = UNKNOWN
    product: str = UNKNOWN
    serial: str = UNKNOWN
    board: str = UNKNOWN
    firmware: str = UNKNOWN
    boot: str = UNKNOWN
    virtual: str = UNKNOWN
    bmc_address: str = UNKNOWN
    bmc_firmware: str = UNKNOWN


@dataclass(frozen=True)
class Processors:
    """The processors: model, how many are plugged in, cores of all, threads of all."""

    model: str = UNKNOWN
    sockets: int | None = None
    cores: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Disk:
    """A disk.

    Args:
        name: the kernel's name ("nvme0n1").
        model: vendor's name of it.
        serial: serial number.
        firmware: version of its firmware.
        kind: "NVMe", "SSD", "HDD" or "virtual".
        size: bytes.
    """

    name: str
    model: str = UNKNOWN
    serial: str = UNKNOWN
    firmware: str = UNKNOWN
    kind: str = UNKNOWN
    size: int | None = None


@dataclass(frozen=True)
class Nic:
    """A network port of the machine itself, Ethernet or InfiniBand.

    Args:
        name: the kernel's name ("enp1s0f0").
        mac: hardware address, the permanent one where it is known.
        pci: PCI address ("0000:1a:00.0").
        driver: kernel module.
        firmware: version of its firmware.
        speed: megabits a second; None without a link, or where it is not told.
        link: "up", "down" or "unknown".
    """

    name: str
    mac: str = UNKNOWN
    pci: str = UNKNOWN
    driver: str = UNKNOWN
    firmware: str = UNKNOWN
    speed: int | None = None
    link: str = UNKNOWN


@dataclass(frozen=True)
class GpuFacts:
    """A GPU: what the PCI bus shows, and what nvidia-smi adds to it.

    Args:
        address: PCI address in sysfs's form ("0000:1a:00.0").
        name: the product.
        uuid: "GPU-...".
        serial: serial number of the board; consumer boards have none.
        vbios: version of its firmware.
        memory: bytes; None where nvidia-smi does not tell.
    """

    address: str
    name: str = UNKNOWN
    uuid: str = UNKNOWN
    serial: str = UNKNOWN
    vbios: str = UNKNOWN
    memory: int | None = None


@dataclass(frozen=True)
class Hardware:
    """What a server is made of.

    Args:
        machine: machine, firmware and management controller.
        processors: its processors.
        memory: what the kernel has, bytes (some less than what is plugged in).
        system: name and version of the operating system.
        kernel: release of the running kernel.
        disks: its disks, by name.
        nics: its network ports, by name.
        gpus: NVIDIA GPUs on the PCI bus, by address.
    """

    machine: Machine = Machine()
    processors: Processors = Processors()
    memory: int | None = None
    system: str = UNKNOWN
    kernel: str = UNKNOWN
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    gpus: tuple[GpuFacts, ...] = ()
