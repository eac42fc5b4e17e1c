"""The checks, in the order in which their problems are shown. Pure: facts in, problems out."""

from __future__ import annotations

from torchrack.errors import Problem
from torchrack.preflight.checks import (
    capacity,
    docker_networks,
    engine,
    gpus,
    network,
    packages,
    ports,
    storage,
    system,
)
from torchrack.preflight.subject import Check, Subject

ALWAYS: tuple[Check, ...] = (system.operating_system, system.clock, gpus.present, gpus.known)
"""Checks that need no dpkg."""

LOCKED: tuple[Check, ...] = (gpus.drivable, gpus.idle)
"""Debian's that need the driver's exact version; before there is a lock, the contract decides."""

DEBIAN: tuple[Check, ...] = (
    system.secure_boot,
    system.disk,
    packages.lock,
    packages.broken,
    packages.foreign_docker,
    engine.starts,
    packages.runfile_driver,
    packages.second_source,
    capacity.gpus,
    capacity.cpus,
    capacity.memory,
    ports.free,
    storage.volumes,
    storage.shares,
    network.reachable,
    docker_networks.free,
)
"""Checks of a system with dpkg."""


def check(subject: Subject) -> list[Problem]:
    """Return all problems of one host."""
    checks = list(ALWAYS)
    if subject.facts.debian:
        checks += [*(LOCKED if "." in subject.settings.driver.version else ()), *DEBIAN]
    return [problem for single in checks for problem in single(subject)]
