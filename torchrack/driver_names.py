"""Which packages are parts of a driver: by exact name, or by source package, and by version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from torchrack import safe_yaml

NOT_THE_DRIVER = re.compile(
    r"nvidia-container|libnvidia-container|nvidia-driver-pinning|nvidia-docker|nvidia-cuda-"
)
"""Packages with NVIDIA's name that have versions of their own."""

_DRIVER_NAME = re.compile(r"nvidia|^libcuda|^libnvcuvid|^cuda-drivers")

_DRIVER_VERSION = re.compile(r"(?:\d+:)?(?P<version>\d{3}\.\d{2,3}(?:\.\d{2})?)-")
"""A Debian version whose upstream part is a driver's ("580.159.04-1ubuntu1")."""

_SOURCE = re.compile(
    r"nvidia-graphics-drivers(-\d{3}(-server)?|-tesla(-\d{3})?|-legacy-\d{3}xx)?"
    r"|(nvidia-)?fabric-?manager(-\d{3})?|libnvidia-nscq(-\d{3})?"
)
"""Source packages of which everything at a driver's version is a part of the driver."""

_PIN = re.compile(r"nvidia-driver-pinning-\d{3}(?P<full>\.\d{2,3}(\.\d{2})?)?")

_PREBUILT = re.compile(r"linux-(modules|objects|signatures)-nvidia-\d{3}(-server)?(-open)?-\S+")
"""Ubuntu's kernel modules, which have the kernel's version."""


def upstream(version: str) -> str | None:
    """Return the driver's version ("580.159.04") in a Debian version, None where it is none."""
    match = _DRIVER_VERSION.match(version)
    return match["version"] if match else None


def may_be_driver(package: str, version: str) -> bool:
    """Whether a package could be a part of a driver: reason to refuse it, none to remove it."""
    named = _DRIVER_NAME.search(package) is not None and NOT_THE_DRIVER.match(package) is None
    return named and upstream(version) is not None


def is_part(package: str, version: str, source: str = "") -> bool:
    """Whether a package is a part of the driver of its version. Tools are none: see `is_tool`.

    Args:
        package: its name.
        version: its Debian version.
        source: the name of its source package, where that is known.
    """
    if upstream(version) is None or is_tool(package) or NOT_THE_DRIVER.match(package):
        return False
    named = _parts().fullmatch(package) is not None
    return named or _SOURCE.fullmatch(source) is not None


def is_tool(package: str) -> bool:
    """Whether it is a tool that belongs to a driver only where it is at the driver's version."""
    return package in _table()["tools"]


def parts(packages: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return the packages that are parts of a driver, with the driver's version.

    Args:
        packages: name to version and source package ("" where that is not known).
    """
    found = {
        name: upstream(version) or ""
        for name, (version, source) in packages.items()
        if is_part(name, version, source)
    }
    drivers = set(found.values())
    for name, (version, _) in packages.items():
        if is_tool(name) and upstream(version) in drivers:
            found[name] = upstream(version) or ""
    return {name: found[name] for name in packages if name in found}


def companions() -> list[str]:
    """Return the names of what a distribution's driver brings along, which goes by hand."""
    return _table()["companions"]


def is_prebuilt(package: str) -> bool:
    """Whether it holds modules for one kernel, which Ubuntu builds and signs."""
    return _PREBUILT.fullmatch(package) is not None


def is_pin(package: str, *, full: bool = False) -> bool:
    """Whether it is one of NVIDIA's packages that keep apt at a driver.

    Args:
        package: its name.
        full: whether only those of a full version count, as we install them, and none of a branch.
    """
    match = _PIN.fullmatch(package)
    return match is not None and (not full or match["full"] is not None)


@cache
def _table() -> dict[str, list[str]]:
    text = resources.files("torchrack").joinpath("driver_parts.yml").read_text(encoding="utf-8")
    table: dict[str, list[str]] = safe_yaml.load(text)
    return table


@cache
def _parts() -> re.Pattern[str]:
    table = _table()
    branch = r"-\d{3}(-server)?"
    names = [f"{re.escape(name)}({branch})?" for name in table["suffixed"]]
    names += [f"{re.escape(name)}({branch})?-open" for name in table["open"]]
    names += map(re.escape, table["exact"])
    names.append(rf"(firmware-nvidia|nvidia-firmware){branch}-(gsp|\d{{3}}\.[\d.]+)")
    return re.compile("|".join(names))
