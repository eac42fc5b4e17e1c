"""A directory that looks to the simulated programs like a server's root."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.nvidia import deb, elf

H200, RTX4090, P100, RTX5090, UNKNOWN = "2335", "2684", "15f8", "2b85", "3fff"


@dataclass(frozen=True)
class Result:
    """How a program ended."""

    status: int
    stdout: str
    stderr: str


class Server:
    """A server's root with GPUs on its bus; a driver is put on its disk and loaded on request."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self._programs = directory / "bin"
        for name in ("dev", "etc", "proc/driver", "usr/lib/x86_64-linux-gnu"):
            (self.root / name).mkdir(parents=True)
        self._programs.mkdir()
        (self.root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")

    def plug(self, device: str, *addresses: str, class_: str = "0x030200") -> None:
        """Put NVIDIA devices of one kind on the bus, at short addresses such as 1a:00.0."""
        for address in addresses:
            directory = self.root / "sys/bus/pci/devices" / f"0000:{address}"
            directory.mkdir(parents=True)
            values = {"vendor": "0x10de", "device": f"0x{device}", "class": class_}
            for name, value in values.items():
                (directory / name).write_text(f"{value}\n")

    def put_module(self, version: str, flavour: str = "open") -> None:
        """Put a kernel module on the disk."""
        directory = self.root / "lib/modules" / platform.release() / "updates/dkms"
        directory.mkdir(parents=True, exist_ok=True)
        content = elf.kernel_module({"version": version, "license": deb.MODULE_LICENSE[flavour]})
        (directory / "nvidia.ko").write_bytes(content)

    def put_library(self, version: str, name: str = "libnvidia-ml") -> None:
        """Put a driver library on the disk, with its links, in place of another version's."""
        directory = self.root / "usr/lib/x86_64-linux-gnu"
        (directory / f"{name}.so.{version}").write_bytes(elf.shared_object(f"{name}.so.1"))
        link = directory / f"{name}.so.1"
        link.unlink(missing_ok=True)
        link.symlink_to(f"{name}.so.{version}")

    @property
    def _state_file(self) -> Path:
        return self.root / "run/nvidia-lab/state.json"

    def state(self) -> dict[str, object]:
        """Return the state of the hardware."""
        if not self._state_file.exists():
            return {}
        state: dict[str, object] = json.loads(self._state_file.read_text())
        return state

    def set(self, **state: object) -> None:
        """Set the state of the hardware."""
        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        self._state_file.write_text(json.dumps(state))

    def run(self, program: str, *arguments: str) -> Result:
        """Run one of the simulated programs, by the name of its directory."""
        path = self._programs / program
        if not path.exists():
            path.write_bytes(deb.program(program))
            path.chmod(0o755)
        done = subprocess.run(
            [path, *arguments],
            env={**os.environ, "NVIDIA_LAB_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def install(self, version: str, flavour: str = "open") -> None:
        """Put a whole driver on the disk."""
        self.put_module(version, flavour)
        self.put_library(version)

    def load(self) -> Result:
        """Load what is on the disk, as a boot does."""
        return self.run("kernel")
