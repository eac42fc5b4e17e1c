"""Problems that only show when all settings of a host are seen together."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from shutil import which

from torchrack.errors import Problem
from torchrack.fleet_folder import here
from torchrack.settings.addresses import overlap
from torchrack.settings.check_base import ca_certificates
from torchrack.settings.check_docker import docker_version
from torchrack.settings.check_knowledge import knowledge
from torchrack.settings.images import REFERENCE, TAGGED
from torchrack.settings.model import Settings
from torchrack.settings.secret import Secret, program
from torchrack.settings.workloads import Port, Workload


def check_settings(host: str, settings: Settings) -> list[Problem]:
    """Return all problems in the settings of one host; no connection is made.

    A problem is told with the file and line that named the field, where that is known.

    Args:
        host: the host's name.
        settings: its merged settings.
    """
    checks: Iterable[Callable[[str, Settings], Iterable[Problem]]] = (
        _image_references,
        _workload_images,
        _duplicate_names,
        _port_clashes,
        docker_version,
        _cpu_lists,
        _shared_memory,
        _registries,
        _files_here,
        _programs_here,
        ca_certificates,
        knowledge,
    )
    return [problem for check in checks for problem in check(host, settings)]


def _image_references(host: str, settings: Settings) -> Iterator[Problem]:
    for name, reference in settings.images.catalog.items():
        if not re.match(REFERENCE, reference) and not re.match(TAGGED, reference):
            yield Problem(
                settings.images.where("catalog") or host,
                f"images.catalog[{name!r}]",
                repr(reference),
                "registry/name:tag, or registry/name[:tag]@sha256:<64 hex digits>",
                "name registry, tag and, where no lock file is to choose it, the digest",
            )


def _workload_images(host: str, settings: Settings) -> Iterator[Problem]:
    known = ", ".join(settings.images.catalog) or "nothing"
    for workload in settings.workloads.containers:
        if workload.image not in settings.images.catalog:
            yield _of(
                host,
                workload,
                "image",
                found=repr(workload.image),
                needed=f"a name from images.catalog ({known})",
                fix="add it to the catalog or correct the name",
            )


def _duplicate_names(host: str, settings: Settings) -> Iterator[Problem]:
    seen: set[str] = set()
    for workload in settings.workloads.containers:
        if workload.name in seen:
            yield _of(
                host,
                workload,
                "name",
                found=f"{workload.name} twice",
                needed="names that differ",
                fix="rename one of them",
            )
        seen.add(workload.name)


def _port_clashes(host: str, settings: Settings) -> Iterator[Problem]:
    users: dict[int, list[tuple[Port, str]]] = defaultdict(list)
    for workload in settings.workloads.containers:
        for port in workload.ports:
            for other, other_name in users[port.host]:
                if overlap(port.address, other.address):
                    yield Problem(
                        port.where("host") or workload.where("ports") or host,
                        f"workload {workload.name}: port {port.host} on {port.address}",
                        f"also published by {other_name} on {other.address}",
                        "one workload a port",
                        "choose another host port",
                    )
            users[port.host].append((port, workload.name))


def _cpu_lists(host: str, settings: Settings) -> Iterator[Problem]:
    for workload in settings.workloads.containers:
        if workload.cpuset is None:
            continue
        chosen: set[int] = set()
        for part in workload.cpuset.split(","):
            first, _, last = part.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            if not numbers or chosen & set(numbers):
                yield _of(
                    host,
                    workload,
                    "cpuset",
                    found=f"{part} in {workload.cpuset!r}",
                    needed='ranges from low to high, each CPU once, as "0-7,16-23"',
                    fix="correct the list",
                )
            chosen |= set(numbers)
        if chosen and workload.cpus > len(chosen) and "cpus" in workload.model_fields_set:
            yield _of(
                host,
                workload,
                "cpus",
                found=f"{workload.cpus:g}, with {len(chosen)} CPU(s) in cpuset {workload.cpuset!r}",
                needed="at most as many as the list has",
                fix="lower cpus or lengthen cpuset",
            )


def _shared_memory(host: str, settings: Settings) -> Iterator[Problem]:
    for workload in settings.workloads.containers:
        if workload.shm_size > workload.memory:
            yield _of(
                host,
                workload,
                "shm_size",
                found=f"{workload.shm_size} bytes, with memory={workload.memory}",
                needed="at most the memory limit, which /dev/shm counts against",
                fix="raise memory or lower shm_size",
            )


def _registries(host: str, settings: Settings) -> Iterator[Problem]:
    addresses = [registry.address for registry in settings.images.registries]
    for address in sorted({a for a in addresses if addresses.count(a) > 1}):
        yield Problem(
            settings.images.where("registries") or host,
            "images.registries",
            f"{address} twice",
            "one entry a registry",
            "remove one of them",
        )


def _files_here(host: str, settings: Settings) -> Iterator[Problem]:
    """Files on this machine that a later stage would miss in the middle of a run."""
    for where, what, path in _named_files(settings):
        full = here(path)
        if not full.is_file() or not os.access(full, os.R_OK):
            found = "no such file" if not full.exists() else "a file that can't be read"
            fix = "correct the path, or make the file readable"
            yield Problem(where or host, what, f"{path}: {found}", "a file on this machine", fix)


def _named_files(settings: Settings) -> Iterator[tuple[str | None, str, str]]:
    for name, path in settings.base.ca_certificates.items():
        yield settings.base.where("ca_certificates"), f"base.ca_certificates[{name!r}]", path
    for section in (settings.driver, settings.docker, settings.toolkit):
        if section.key_file:
            yield section.where("key_file"), f"{section.stage}.key_file", section.key_file
    for registry in settings.images.registries:
        what = f"registry {registry.address}"
        if registry.ca_file:
            yield registry.where("ca_file"), f"{what}: ca_file", registry.ca_file
        yield from _secret_file(registry.where("password"), f"{what}: password", registry.password)
    for workload in settings.workloads.containers:
        what = f"workload {workload.name}: token"
        yield from _secret_file(workload.where("token"), what, workload.token)


def _programs_here(host: str, settings: Settings) -> Iterator[Problem]:
    """Programs that are to give secrets and are not on this machine."""
    secrets = [
        (r.where("password"), f"registry {r.address}: password", r.password)
        for r in settings.images.registries
    ] + [
        (w.where("token"), f"workload {w.name}: token", w.token)
        for w in settings.workloads.containers
    ]
    for where, what, secret in secrets:
        if (
            secret is not None
            and secret.source == "command"
            and not which(program(secret.words[0]))
        ):
            found, needed = f"no program {secret.words[0]}", "a program on this machine"
            yield Problem(where or host, what, found, needed, "install it, or correct the name")


def _secret_file(
    where: str | None, what: str, secret: Secret | None
) -> Iterator[tuple[str | None, str, str]]:
    if secret is not None and secret.source == "file":
        yield where, what, str(secret.name)


def _of(host: str, workload: Workload, field: str, *, found: str, needed: str, fix: str) -> Problem:
    where = workload.where(field) or host
    return Problem(where, f"workload {workload.name}: {field}", found, needed, fix)
