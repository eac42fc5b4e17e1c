"""Facts about the NVIDIA driver: what is loaded, what each kernel would load, what is installed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.driver import Module, read_loaded, read_modinfo
from torchrack.facts.packages import Package, Packages

PATTERNS = ["*nvidia*", "libcuda*", "libnvcuvid*", "cuda-drivers*"]
"""Globs that match the name of every package of a driver in both families (and of others)."""


@dataclass(frozen=True)
class DriverState:
    """The driver of a host.

    Args:
        boot_id: the kernel's id of this boot.
        loaded: the loaded module.
        on_disk: for each kernel that could boot, and the running one, the module it would load.
        images: releases of the kernels in /boot.
        packages: packages whose names match :data:`PATTERNS`, half installed ones too, but none of
            which nothing or the configuration alone is left.
        headers: kernels whose headers are there, which DKMS needs.
    """

    boot_id: str
    loaded: Module | None
    on_disk: dict[str, Module | None]
    images: tuple[str, ...]
    packages: dict[str, Package]
    headers: frozenset[str] = frozenset()


class DriverFact(FactBase[DriverState]):
    """The driver as it is loaded, on disk and in dpkg's database, in one round trip."""

    def command(self) -> str:
        """Read /proc, modinfo for each kernel, and dpkg."""
        packages = Packages().command(PATTERNS)
        return (
            "echo boot=$(cat /proc/sys/kernel/random/boot_id); "
            'echo "loaded=$(head -n 1 /proc/driver/nvidia/version 2>/dev/null)"; '
            'images=; for i in /boot/vmlinuz-*; do case "$i" in *.old|*.dpkg-*) continue;; esac; '
            '[ -e "$i" ] && images="$images ${i#/boot/vmlinuz-}"; done; echo "images=$images"; '
            'headers=; for b in /lib/modules/*/build; do [ -e "$b" ] || continue; b=${b%/build}; '
            'headers="$headers ${b##*/}"; done; echo "headers=$headers"; '
            'for k in $(printf "%s\\n" "$(uname -r)" $images | sort -u); do '
            'echo "disk=$k|$(modinfo -k "$k" -F version nvidia 2>/dev/null)|'
            '$(modinfo -k "$k" -F license nvidia 2>/dev/null)"; done; ' + packages
        )

    def process(self, output: list[str]) -> DriverState:
        """Parse ``key=value`` lines, then dpkg's lines."""
        values: dict[str, str] = {}
        on_disk: dict[str, Module | None] = {}
        rest = []
        for line in output:
            key, equals, value = line.partition("=")
            if key == "disk":
                kernel, version, license_ = value.split("|")
                on_disk[kernel] = read_modinfo(version, license_)
            elif equals and "\t" not in line:
                values[key] = value
            else:
                rest.append(line)
        try:
            return DriverState(
                boot_id=values["boot"],
                loaded=read_loaded(values["loaded"]),
                on_disk=on_disk,
                images=tuple(values["images"].split()),
                packages=Packages().process([line for line in rest if _present(line)]),
                headers=frozenset(values["headers"].split()),
            )
        except (KeyError, ValueError) as error:
            raise FactProcessError(f"unexpected driver state {output!r} ({error})") from error


def _present(line: str) -> bool:
    """Whether dpkg's second status letter is neither n (not installed) nor c (configuration)."""
    return line.split("\t")[2][1:2] not in ("n", "c")


class AptVersions(FactBase[dict[str, list[str]]]):
    """The versions of packages that apt could install."""

    def command(self, packages: list[str]) -> str:
        """Ask ``apt-cache madison``."""
        return f"apt-cache madison {' '.join(map(shlex.quote, packages))} 2>/dev/null || true"

    def process(self, output: list[str]) -> dict[str, list[str]]:
        """Parse ``name | version | source``."""
        versions: dict[str, list[str]] = {}
        for line in output:
            name, version, _ = (part.strip() for part in line.split("|", 2))
            versions.setdefault(name, []).append(version)
        return versions


class KernelLog(FactBase[list[str]]):
    """The last lines in the kernel's log that speak of the GPU's driver."""

    def command(self) -> str:
        """Read dmesg."""
        return (
            "dmesg 2>/dev/null | grep -E 'NVRM|nvidia|nouveau|unsigned module|module verification' "
            "| tail -n 8; true"
        )

    def process(self, output: list[str]) -> list[str]:
        """Return the lines."""
        return output
