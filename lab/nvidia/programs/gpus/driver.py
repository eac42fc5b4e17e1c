"""The driver as it is loaded, and as it lies on the disk."""

import re
from dataclasses import dataclass
from pathlib import Path

from gpus import paths

_VERSION = re.compile(r"Kernel Module(?: for x86_64)?\s+(\d+\.\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Device:
    """A GPU that the loaded module drives; `address` is the PCI address in sysfs's form."""

    address: str
    minor: int
    name: str
    uuid: str
    vbios: str

    @property
    def bus_id(self) -> str:
        """The PCI address in NVML's form: eight digits of domain, upper case."""
        return f"0000{self.address}".upper()


def loaded_version() -> str | None:
    """Return the version of the loaded module, None if none is loaded."""
    try:
        text = (paths.proc_nvidia() / "version").read_text()
    except OSError:
        return None
    match = _VERSION.search(text)
    return match[1] if match else None


def devices() -> list[Device]:
    """Return the GPUs that the loaded module drives, in the order of the bus."""
    found = []
    for directory in sorted((paths.proc_nvidia() / "gpus").glob("*")):
        information = {}
        for line in (directory / "information").read_text().splitlines():
            key, _, value = line.partition(":")
            information[key.strip()] = value.strip()
        found.append(
            Device(
                address=directory.name,
                minor=int(information["Device Minor"]),
                name=information["Model"],
                uuid=information["GPU UUID"],
                vbios=information["Video BIOS"],
            )
        )
    return found


def library_version() -> str | None:
    """Return the version of the libnvidia-ml.so.1 that a program loads, None without one."""
    link = paths.LIBRARIES / "libnvidia-ml.so.1"
    if not link.exists():
        return None
    return link.resolve().name.partition(".so.")[2]


def disk_module() -> tuple[str, str] | None:
    """Return version and flavour of the running kernel's module on the disk, None without one."""
    path = paths.MODULES / "updates/dkms/nvidia.ko"
    if not path.is_file():
        return None
    content = path.read_bytes()
    version = _modinfo(content, b"version")
    return version, "open" if "GPL" in _modinfo(content, b"license") else "proprietary"


def _modinfo(content: bytes, key: bytes) -> str:
    match = re.search(rb"(?:^|\0)" + key + rb"=([^\0]*)", content)
    return match[1].decode() if match else ""


def nvswitches() -> list[Path]:
    """Return sysfs's directories of the NVSwitches on the bus: NVIDIA's bridges, class 0x0680."""
    found = []
    for directory in sorted(paths.PCI.glob("*")):
        vendor = (directory / "vendor").read_text().strip()
        class_ = (directory / "class").read_text().strip()
        if vendor == "0x10de" and class_.startswith("0x0680"):
            found.append(directory)
    return found
