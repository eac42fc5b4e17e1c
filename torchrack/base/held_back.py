"""Which packages are kept from moving by themselves: the GPU stack, the engine, the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from torchrack import safe_yaml
from torchrack.facts.packages import Package


@dataclass(frozen=True)
class HeldBack:
    """The table ``held_back.yaml``.

    Args:
        blocked: regular expressions for unattended-upgrades, matched from the start of a name.
        kernel: dpkg patterns of the kernel's packages.
        not_kernel: patterns that they also match and that are none.
    """

    blocked: tuple[str, ...]
    kernel: tuple[str, ...]
    not_kernel: tuple[str, ...]


@cache
def table() -> HeldBack:
    """Return the table."""
    text = Path(__file__).with_name("held_back.yaml").read_text(encoding="utf-8")
    return HeldBack(**{key: tuple(rows) for key, rows in safe_yaml.load(text).items()})


def kernel_packages(packages: dict[str, Package]) -> dict[str, Package]:
    """Return those installed packages that belong to the kernel."""
    return {
        name: package
        for name, package in packages.items()
        if package.installed and not any(fnmatchcase(name, p) for p in table().not_kernel)
    }
