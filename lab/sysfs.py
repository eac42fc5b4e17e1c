"""A server's PCI bus as a directory tree, to be bound over /sys/bus/pci/devices."""

import struct
from pathlib import Path

from lab.pci import PciFunction

_MIB = 1 << 20
_CPUS = {0: ("0-31", "00000000,ffffffff"), 1: ("32-63", "ffffffff,00000000")}
_MEMORY_64BIT_PREFETCHABLE = (
    0x0014220C  # IORESOURCE_MEM | PREFETCH | MEM_64 as the kernel prints it
)


def write(folder: Path, functions: list[PciFunction]) -> None:
    """Make one directory for each of `functions` in the new directory `folder`.

    The files are those which the kernel shows and programs read (lspci among them); without a
    driver bound to a function there is no `driver` link.
    """
    folder.mkdir(parents=True)
    for index, function in enumerate(functions):
        device = folder / function.address
        device.mkdir()
        for name, text in _texts(index, function).items():
            (device / name).write_text(f"{text}\n")
            (device / name).chmod(0o444)
        (device / "config").write_bytes(_config(function))
        (device / "subsystem").symlink_to("/sys/bus/pci")


def _texts(index: int, function: PciFunction) -> dict[str, str]:
    alias = (
        f"pci:v{function.vendor:08X}d{function.device:08X}"
        f"sv{function.subsystem_vendor:08X}sd{function.subsystem_device:08X}"
        f"bc{function.class_ >> 16:02X}sc{function.class_ >> 8 & 0xFF:02X}"
        f"i{function.class_ & 0xFF:02X}"
    )
    cpu_list, cpu_mask = _CPUS[function.numa_node]
    texts = {
        "vendor": f"{function.vendor:#06x}",
        "device": f"{function.device:#06x}",
        "class": f"{function.class_:#08x}",
        "subsystem_vendor": f"{function.subsystem_vendor:#06x}",
        "subsystem_device": f"{function.subsystem_device:#06x}",
        "revision": "0xa1",
        "numa_node": str(function.numa_node),
        "local_cpulist": cpu_list,
        "local_cpus": cpu_mask,
        "irq": "16",
        "enable": "0",
        "modalias": alias,
        "power_state": "D0",
        "resource": _resource(index, function),
        "uevent": f"PCI_CLASS={function.class_:X}\n"
        f"PCI_ID={function.vendor:04X}:{function.device:04X}\n"
        f"PCI_SUBSYS_ID={function.subsystem_vendor:04X}:{function.subsystem_device:04X}\n"
        f"PCI_SLOT_NAME={function.address}\nMODALIAS={alias}",
    }
    if function.class_ >> 16 == 0x03:
        texts["boot_vga"] = str(int(function.model == "board"))
    if function.link is not None:
        speed, lanes = function.link
        for when in ("current", "max"):
            texts[f"{when}_link_speed"] = f"{speed:.1f} GT/s PCIe"
            texts[f"{when}_link_width"] = str(lanes)
    return texts


def _resource(index: int, function: PciFunction) -> str:
    """Return the 13 regions of a function: start, end and flags of each."""
    regions = ["0x0000000000000000 0x0000000000000000 0x0000000000000000"] * 13
    start = (0x20 + index) << 40  # a TiB for each function
    for number, size in enumerate(function.bars):
        start = -(-start // (size * _MIB)) * size * _MIB  # regions are aligned to their size
        end = start + size * _MIB - 1
        regions[number * 2] = f"{start:#018x} {end:#018x} {_MEMORY_64BIT_PREFETCHABLE:#018x}"
        start = end + 1
    return "\n".join(regions)


def _config(function: PciFunction) -> bytes:
    """Return the standard header of the configuration space (PCI 3.0, 6.1), type 0."""
    header = bytearray(64)
    struct.pack_into("<HHHH", header, 0x00, function.vendor, function.device, 0x0006, 0x0010)
    struct.pack_into("<I", header, 0x08, function.class_ << 8 | 0xA1)
    if int(function.address[-1]) or function.model.startswith("rtx"):
        header[0x0E] = 0x80  # a device with several functions
    struct.pack_into("<HH", header, 0x2C, function.subsystem_vendor, function.subsystem_device)
    return bytes(header)
