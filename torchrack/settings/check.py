"""Problems that only show when all settings of a host are seen together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from torchrack.docker_version import OLDEST, major
from torchrack.errors import Problem
from torchrack.settings.images import REFERENCE
from torchrack.settings.model import Settings


def check_settings(host: str, settings: Settings) -> list[Problem]:
    """Return all problems in the settings of one host; pure, no connection is made.

    Args:
        host: the host's name, for the messages.
        settings: its merged settings.
    """
    checks: Iterable[Callable[[str, Settings], list[Problem]]] = (
        _image_references,
        _workload_images,
        _duplicate_names,
        _port_clashes,
        _docker_version,
    )
    return [problem for check in checks for problem in check(host, settings)]


def _image_references(host: str, settings: Settings) -> list[Problem]:
    return [
        Problem(
            host,
            f"images.catalog[{name!r}]",
            repr(reference),
            "registry/name[:tag]@sha256:<64 hex digits>",
            "pin the image by its digest",
        )
        for name, reference in settings.images.catalog.items()
        if not re.match(REFERENCE, reference)
    ]


def _workload_images(host: str, settings: Settings) -> list[Problem]:
    known = ", ".join(settings.images.catalog) or "nothing"
    return [
        Problem(
            host,
            f"workload {workload.name}: image",
            repr(workload.image),
            f"a name from images.catalog ({known})",
            "add it to the catalog or correct the name",
        )
        for workload in settings.workloads.containers
        if workload.image not in settings.images.catalog
    ]


def _duplicate_names(host: str, settings: Settings) -> list[Problem]:
    names = [workload.name for workload in settings.workloads.containers]
    return [
        Problem(host, "workloads", f"{name} twice", "names that differ", "rename one of them")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]


def _port_clashes(host: str, settings: Settings) -> list[Problem]:
    users: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for workload in settings.workloads.containers:
        for port in workload.ports:
            users[port.host].append((port.address, workload.name))
    problems = []
    for number, bound in sorted(users.items()):
        for index, (address, name) in enumerate(bound):
            for other, other_name in bound[:index]:
                if address == other or "0.0.0.0" in (address, other):  # noqa: S104
                    problems.append(
                        Problem(
                            host,
                            f"workload {name}: port {number}",
                            f"also published by {other_name}",
                            "one workload a port",
                            "choose another host port",
                        )
                    )
    return problems


def _docker_version(host: str, settings: Settings) -> list[Problem]:
    docker = settings.docker
    epoch = re.match(r"\d+:", docker.version)
    problems = []
    if (docker.source == "docker-ce") != bool(epoch):
        example = "5:29.6.1*" if docker.source == "docker-ce" else "26.1.5*"
        problems.append(
            Problem(
                host,
                "docker.version",
                repr(docker.version),
                f'a version of docker.source = "{docker.source}", as "{example}"',
                "name one that apt-cache madison shows on the host",
            )
        )
    if major(docker.version) < OLDEST:
        problems.append(
            Problem(
                host,
                "docker.version",
                repr(docker.version),
                f"version {OLDEST} or newer, which knows CDI devices",
                "choose a newer one",
            )
        )
    return problems
