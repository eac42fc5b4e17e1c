"""Which Docker packages a host gets, what must not be there beside them, and what we configure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torchrack.apt.repository import Repository
from torchrack.docker.daemon_json import Json, merge
from torchrack.docker.version import OLDEST, major
from torchrack.errors import HostError, Problem
from torchrack.facts.packages import Package
from torchrack.facts.survey import Survey
from torchrack.settings.docker import Docker

ENGINES = {"docker-ce": "docker-ce", "distro": "docker.io"}
"""The engine's package by source."""

PACKAGES = (
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker.io",
    "docker-cli",
    "containerd",
    "runc",
    "iptables",
)
"""Every package that one of the sources needs."""


def too_old(host: str, version: str) -> HostError:
    """The error for an engine that can't hand GPUs to containers our way."""
    return HostError(
        Problem(
            where=host,
            what="Docker engine",
            found=version,
            needed=f"version {OLDEST} or newer, which knows CDI devices",
            fix='set docker.source = "docker-ce" and a newer docker.version',
        )
    )


def unavailable(host: str, settings: Docker, versions: tuple[str, ...]) -> HostError:
    """The error for a version that apt knows nothing of, though it knows the package."""
    package = ENGINES[settings.source]
    offered = ", ".join(dict.fromkeys(versions))
    if all(major(version) < OLDEST for version in versions):
        return too_old(host, f"{package} {offered}, nothing newer in this host's apt")
    return HostError(
        Problem(
            where=host,
            what="Docker engine",
            found=f"{package} {offered} in this host's apt",
            needed=f"version {settings.version}",
            fix="set docker.version to one of these, or docker.source to the other source",
        )
    )


def foreign(settings: Docker, present: Mapping[str, Package]) -> list[str]:
    """Return the installed packages of the other source, which apt would remove."""
    others = {"docker-ce": ["docker.io"], "distro": ["docker-ce", "containerd.io"]}
    return [name for name in others[settings.source] if name in present and present[name].installed]


def wanted(settings: Docker, known: Iterable[str]) -> dict[str, str | None]:
    """Return the packages to hold, with their versions.

    Args:
        settings: the section.
        known: names of the packages that the host has or can have.
    """
    if settings.source == "docker-ce":
        return {
            "docker-ce": settings.version,
            "docker-ce-cli": settings.version,
            "containerd.io": settings.containerd_version,
        }
    packages: dict[str, str | None] = {"docker.io": settings.version}
    # From Debian 13 the client is a package of its own, which docker.io only recommends.
    if "docker-cli" in known:
        packages["docker-cli"] = settings.version
    return packages | {"containerd": None, "runc": None}


def repository(settings: Docker, survey: Survey) -> Repository:
    """Return Docker's repository for a host (docs.docker.com/engine/install)."""
    base = f"{settings.repository.rstrip('/')}/linux/{survey.os}"
    return Repository(
        name="docker",
        title="Docker's repository",
        uri=base,
        suite=survey.codename,
        components=("stable",),
        architecture=survey.architecture,
        key_url=f"{base}/gpg",
        key_fingerprint=settings.key_fingerprint,
        conflicts=r"download\.docker\.com|" + re.escape(f"{base}"),
    )


def configuration(settings: Docker) -> Json:
    """Return the keys of daemon.json that we own; ``extra`` has the last word."""
    keys: Json = {
        "log-driver": settings.log_driver,
        "live-restore": settings.live_restore,
        "no-new-privileges": settings.no_new_privileges,
        "userland-proxy": False,
        "icc": False,
        "default-ulimits": {
            "nofile": {"Name": "nofile", "Soft": settings.nofile, "Hard": settings.nofile}
        },
        "features": {"cdi": True},
    }
    if settings.log_driver != "journald":
        keys["log-opts"] = {
            "max-size": _docker_size(settings.log_max_size),
            "max-file": str(settings.log_max_file),
        }
    if settings.address_pools:
        keys["default-address-pools"] = [
            {"base": pool, "size": 24} for pool in settings.address_pools
        ]
    return merge(keys, dict(settings.extra), {})


def _docker_size(size: int) -> str:
    """Bytes as docker/go-units reads them: k, m and g are powers of 1024."""
    for unit, factor in (("g", 2**30), ("m", 2**20), ("k", 2**10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
