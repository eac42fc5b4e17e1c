"""Which driver a host wants, and whether what it has is that: decisions without a connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

from torchrack import safe_yaml
from torchrack.apt.repository import Repository
from torchrack.driver_names import parts
from torchrack.errors import HostError, Problem
from torchrack.facts.packages import Package
from torchrack.facts.survey import Survey
from torchrack.gpus import Flavour, best_flavour, obstacle
from torchrack.knowledge import Knowledge, builtin
from torchrack.settings.driver import Driver

PINNING = "nvidia-driver-pinning-"
"""How the names of NVIDIA's packages begin that keep apt at one version."""


@dataclass(frozen=True)
class Module:
    """A kernel module: version ("580.159.04") and flavour."""

    version: str
    flavour: Flavour

    def __str__(self) -> str:
        return f"{self.version} ({self.flavour})"


@dataclass(frozen=True)
class Choice:
    """The driver for one host.

    Args:
        module: version and flavour of the kernel module.
        pinning: the package that keeps apt at this version.
        packages: the packages to name; their dependencies follow at the same version.
        unwanted: packages of the other flavour, which conflict with these.
        exact: package to exact Debian version, for those that the lock has.
    """

    module: Module
    pinning: str
    packages: tuple[str, ...]
    unwanted: tuple[str, ...] = ()
    exact: Mapping[str, str] = field(default_factory=dict)

    @property
    def pattern(self) -> str:
        """What the version of each driver package matches; revisions differ between packages."""
        return f"{self.module.version}-*"

    def version(self, package: str) -> str:
        """Return a package's exact version where the lock has one, else a pattern for it."""
        return self.exact.get(package, self.pattern)

    def fits(self, package: str, version: str) -> bool:
        """Whether a version of a package is the chosen one; a pattern stands for any epoch."""
        wanted = self.version(package)
        return any(fnmatchcase(one, wanted) for one in (version, version.partition(":")[2]))


def repository(settings: Driver, survey: Survey) -> Repository:
    """Return NVIDIA's CUDA repository for a host (its layout: NVIDIA Driver Installation Guide)."""
    machine = {"amd64": "x86_64", "arm64": "sbsa"}[survey.architecture]
    path = f"compute/cuda/repos/{survey.distribution}/{machine}/"
    uri = f"{settings.repository.rstrip('/')}/{path}"
    return Repository(
        name="nvidia-driver",
        title="NVIDIA's driver repository",
        uri=uri,
        suite="/",
        components=(),
        architecture=survey.architecture,
        key_url=f"{uri}{settings.key_fingerprint[-8:].lower()}.pub",
        key_fingerprint=settings.key_fingerprint,
        conflicts=r"compute/cuda/repos|graphics-drivers/ppa|ppa\S*/graphics-drivers",
    )


def choose(
    settings: Driver,
    survey: Survey,
    *,
    host: str,
    exact: Mapping[str, str] | None = None,
    known: Knowledge | None = None,
) -> Choice:
    """Choose flavour and packages for a host.

    Args:
        settings: the ``driver`` section.
        survey: the host's system and PCI bus.
        host: its name, for messages.
        exact: package to exact Debian version, out of the lock.
        known: the tables; None: those that ship.

    Raises:
        HostError: no GPU, one that the table does not know, or one that this driver can't drive.
    """
    tables = known or builtin()
    there = [(function, tables.gpu(function.device)) for function in survey.gpus]
    gpus = [gpu for _, gpu in there if gpu]
    unknown = [f"{f.address} (10de:{f.device})" for f, gpu in there if not gpu]
    if not gpus or unknown:
        raise HostError(
            Problem(
                where=host,
                what="NVIDIA GPU",
                found=f"unknown device {', '.join(unknown)}" if unknown else "none",
                needed="GPUs that torchrack/gpus.yml knows",
                fix="derive the table from a newer pci.ids, or take the device out of the host",
            )
        )
    branch = int(settings.version.partition(".")[0])
    flavour = best_flavour(gpus) if settings.flavour == "auto" else settings.flavour
    for gpu in gpus:
        if reason := obstacle(gpu, branch, flavour):
            raise HostError(
                Problem(
                    where=host,
                    what=f"Driver {settings.version} ({flavour}) for {gpu.product}",
                    found=reason,
                    needed="a driver that drives every GPU of the host",
                    fix="choose another version or flavour in the driver settings",
                )
            )
    names = _row(_table()[survey.os], branch)["packages"]
    other = "proprietary" if flavour == "open" else "open"
    extra = [_table()["daemon"]]
    if survey.nvswitches:
        extra.append(_row(_table()["fabric_manager"], branch)["package"])
    return Choice(
        module=Module(settings.version, flavour),
        pinning=f"{PINNING}{settings.version}",
        packages=_filled([*names[flavour][settings.components], *extra], branch),
        unwanted=_filled(names[other]["only"], branch),
        exact=exact or {},
    )


def every_package(os: str, branches: Iterable[int]) -> list[str]:
    """Return the names of all packages that a driver of one of the branches could need.

    Args:
        os: ID of os-release.
        branches: driver branches.
    """
    names = [_table()["daemon"]]
    for branch in branches:
        packages = _row(_table()[os], branch)["packages"]
        for flavour in packages.values():
            names += _filled([*flavour["compute"], *flavour["full"]], branch)
        names += _filled([_row(_table()["fabric_manager"], branch)["package"]], branch)
    return list(dict.fromkeys(names))


def read_loaded(line: str) -> Module | None:
    """Read the first line of /proc/driver/nvidia/version; nothing loaded gives an empty one.

    ``NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue ...``, or ``NVIDIA UNIX Open
    Kernel Module for x86_64  580.159.04  Release Build ...`` (open-gpu-kernel-modules, nv.c).
    """
    match = re.search(r"Kernel Module\b.*?\s(\d+\.\d+(?:\.\d+)?)\s", line + " ")
    if not match:
        return None
    return Module(match[1], "open" if "Open Kernel Module" in line else "proprietary")


def read_modinfo(version: str, license_: str) -> Module | None:
    """Read modinfo's version and license; the open module says "Dual MIT/GPL"."""
    if not version:
        return None
    return Module(version, "open" if "GPL" in license_ else "proprietary")


def lacking(
    wanted: Module, on_disk: Mapping[str, Module | None], images: Sequence[str]
) -> list[str]:
    """Return the kernels that could boot next and would not load the wanted module.

    Args:
        wanted: the module.
        on_disk: for each kernel, the module it would load.
        images: kernels in /boot; without any (a network boot) it is those of ``on_disk``.
    """
    return [kernel for kernel in images or on_disk if on_disk.get(kernel) != wanted]


def driver_packages(packages: Mapping[str, Package]) -> dict[str, str]:
    """Return those packages that are part of a driver, with the driver's version."""
    return parts({name: (one.version, one.source) for name, one in packages.items()})


@cache
def _table() -> dict[str, Any]:
    text = resources.files("torchrack").joinpath("driver_packages.yml").read_text(encoding="utf-8")
    table: dict[str, Any] = safe_yaml.load(text)
    return table


def _filled(names: Iterable[str], branch: int) -> tuple[str, ...]:
    return tuple(name.format(branch=branch) for name in names)


def _row(rows: Iterable[dict[str, Any]], branch: int) -> dict[str, Any]:
    return next(r for r in rows if r["branches"][0] <= branch <= r["branches"][1])
