"""Load the module that is on the disk, as the kernel does at boot.

Run once a boot by nvidia-lab-module.service. Describes the driver below /run/nvidia-lab/driver,
binds that over /proc/driver and makes the device nodes. All of it is gone after a boot, as a module
is.
"""

import hashlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

from gpus import driver, models, paths, state

NVIDIA_MAJOR = 195
# The kernel gives nvidia-uvm a free major; 511 is the first it tries.
UVM_MAJOR = 511
NVSWITCH_MAJOR = 509
WORDING = {
    "open": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build"
    "  (dvs-builder)  {date}",
    "proprietary": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  {date}",
}


def log(message: str) -> None:
    """Say what the kernel's log would."""
    print(f"NVRM: {message}", file=sys.stderr)


def _sysfs(directory: Path, name: str) -> str:
    return (directory / name).read_text().strip()


def _gpus_on_the_bus() -> list[Path]:
    return [
        directory
        for directory in sorted(paths.PCI.glob("*"))
        if _sysfs(directory, "vendor") == "0x10de"
        and _sysfs(directory, "class")[:6] in ("0x0300", "0x0302")
    ]


def _uuid(address: str) -> str:
    machine = (paths.ROOT / "etc/machine-id").read_text().strip()
    digest = hashlib.sha256(f"{machine} {address}".encode()).hexdigest()
    return f"GPU-{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _information(address: str, minor: int, model: models.Model, version: str) -> str:
    rows = {
        "Model": model.name,
        "IRQ": str(100 + minor),
        "GPU UUID": _uuid(address),
        "Video BIOS": model.vbios,
        "Bus Type": "PCIe",
        "DMA Size": "52 bits",
        "DMA Mask": "0xfffffffffffff",
        "Bus Location": address,
        "Device Minor": str(minor),
        "GPU Firmware": version,
        "GPU Excluded": "No",
    }
    return "".join(f"{key + ':':<15} {value}\n" for key, value in rows.items())


def _node(name: str, major: int, minor: int) -> None:
    path = paths.DEV / name
    path.unlink(missing_ok=True)
    if Path("/") != paths.ROOT:
        path.touch()
        return
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    path.chmod(0o666)


def _probe(version: str, flavour: str) -> list[tuple[str, models.Model]] | None:
    """Return the GPUs that the module drives; None if the kernel would refuse to load it."""
    driven: list[tuple[str, models.Model]] = []
    bound = False
    for directory in _gpus_on_the_bus():
        device = _sysfs(directory, "device").removeprefix("0x")
        model = models.by_device(device)
        reason = "not supported by this driver"
        if model is not None:
            reason = model.refused_by(flavour, int(version.split(".", maxsplit=1)[0]))
        if model is not None and not reason:
            driven.append((directory.name, model))
            continue
        log(
            f"The NVIDIA GPU {directory.name} (PCI ID: 10de:{device}) "
            f"installed in this system is {reason}."
        )
        # This refusal comes late, from the GPU's firmware: the module stays loaded without a GPU.
        bound = bound or reason.startswith("requires use")
    if not driven and not bound:
        log("None of the NVIDIA devices were initialized.")
        return None
    return driven


def _describe(version: str, flavour: str, driven: list[tuple[str, models.Model]]) -> None:
    target = paths.KERNEL / "nvidia"
    (target / "gpus").mkdir(parents=True)
    date = "Wed Oct  1 12:00:00 UTC 2025"
    wording = WORDING[flavour].format(version=version, date=date)
    (target / "version").write_text(
        f"{wording}\nGCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
    )
    (target / "params").write_text(
        "ResmanDebugLevel: 4294967295\nModifyDeviceFiles: 1\nDeviceFileMode: 438\n"
    )
    for minor, (address, model) in enumerate(driven):
        directory = target / "gpus" / address
        directory.mkdir()
        (directory / "information").write_text(_information(address, minor, model, version))
        _node(f"nvidia{minor}", NVIDIA_MAJOR, minor)
    for number, directory in enumerate(driver.nvswitches()):
        (paths.KERNEL / "nvidia-nvswitch/devices" / directory.name).mkdir(parents=True)
        _node(f"nvidia-nvswitch{number}", NVSWITCH_MAJOR, number)
        _node("nvidia-nvswitchctl", NVSWITCH_MAJOR, 255)


def main() -> int:
    """Load the module; return 0 also when there is none, as a boot without a driver succeeds."""
    on_disk = driver.disk_module()
    if on_disk is None or driver.loaded_version() is not None:
        return 0
    version, flavour = on_disk
    lasting = state.read(paths.LASTING_STATE)
    refused = lasting.pop("load", {}).get("error")
    if refused:
        print(f"modprobe: ERROR: could not insert 'nvidia': {refused}", file=sys.stderr)
        return 1
    driven = _probe(version, flavour)
    if driven is None:
        print("modprobe: ERROR: could not insert 'nvidia': No such device", file=sys.stderr)
        return 1
    _describe(version, flavour, driven)
    _node("nvidiactl", NVIDIA_MAJOR, 255)
    _node("nvidia-modeset", NVIDIA_MAJOR, 254)
    _node("nvidia-uvm", UVM_MAJOR, 0)
    _node("nvidia-uvm-tools", UVM_MAJOR, 1)
    if lasting or not paths.STATE.exists():
        state.write(lasting)
    if Path("/") == paths.ROOT:
        subprocess.run(["mount", "--bind", paths.KERNEL, paths.PROC_DRIVER], check=True)
    print(f"nvidia {version} ({flavour}) loaded for {len(driven)} GPUs at {time.monotonic():.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
