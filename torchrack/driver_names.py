"""Which packages are parts of a driver, told by their names and versions."""

from __future__ import annotations

import re

NOT_THE_DRIVER = re.compile(
    r"nvidia-container|libnvidia-container|nvidia-driver-pinning|nvidia-docker|nvidia-cuda-"
)
"""Packages with NVIDIA's name that have versions of their own."""

DRIVER_NAME = re.compile(r"nvidia|^libcuda|^libnvcuvid|^cuda-drivers")

DRIVER_VERSION = re.compile(r"(?:\d+:)?(?P<version>\d{3}\.\d{2,3}(?:\.\d{2})?)-")
"""A Debian version whose upstream part is a driver's ("580.159.04-1ubuntu1")."""

REMOVABLE = rf"^(?!.*({NOT_THE_DRIVER.pattern})).*({DRIVER_NAME.pattern})"
"""Parts of a driver, for a change of flavour, branch or source."""


def upstream(version: str) -> str | None:
    """Return the driver's version ("580.159.04") in a Debian version, None where it is none."""
    match = DRIVER_VERSION.match(version)
    return match["version"] if match else None


def is_driver(package: str, version: str) -> bool:
    """Whether a package of this version is a part of a driver."""
    named = DRIVER_NAME.search(package) is not None and NOT_THE_DRIVER.match(package) is None
    return named and upstream(version) is not None
