"""The equivalent of NVIDIA's cuda-keyring package, holding the lab's key."""

import base64
from pathlib import Path

from lab.nvidia import deb
from lab.nvidia.catalog import Package

PIN = "Package: *\nPin: release l=NVIDIA CUDA\nPin-Priority: 600\n"


def dearmor(armoured: str) -> bytes:
    """Return the binary form of an ASCII-armoured key (RFC 4880, 6.2)."""
    lines = armoured.strip().splitlines()
    body = lines[lines.index("") + 1 : -1]
    return base64.b64decode("".join(line for line in body if not line.startswith("=")))


def keyring_package(suite: str, public_key: str, directory: Path) -> Path:
    """Build cuda-keyring_1.1-1_all.deb for a suite into `directory` and return its path.

    Its source list names NVIDIA's own address, as the real one does: a lab host that installs it
    gets a second, unreachable source, which is the left-over that a deploy must cope with.
    """
    address = f"https://developer.download.nvidia.com/compute/cuda/repos/{suite}/x86_64/"
    source = f"deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] {address} /\n"
    package = Package(
        name="cuda-keyring",
        source="cuda-keyring",
        upstream="1.1",
        version="1.1-1",
        architecture="all",
        summary="GPG keyring for the CUDA repository",
        family="",
        conffiles=(f"/etc/apt/sources.list.d/cuda-{suite}-x86_64.list",),
    )
    return deb.build(
        package,
        directory,
        extra={
            "usr/share/keyrings/cuda-archive-keyring.gpg": dearmor(public_key),
            f"etc/apt/sources.list.d/cuda-{suite}-x86_64.list": source.encode(),
            "etc/apt/preferences.d/cuda-repository-pin-600": PIN.encode(),
        },
    )
