"""The Docker engine: checked, configured before its first start, installed, and kept up to date.

pyinfra has operations for containers and images, none for the daemon.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.docker import engine as docker_engine
from torchrack.docker.version import major
from torchrack.errors import HostError, Problem
from torchrack.facts.docker import Available, Engine
from torchrack.facts.gather import gather
from torchrack.operations import apt
from torchrack.operations.guard import Commands, operation
from torchrack.settings.docker import Docker

_UPDATE = "apt-get -q update -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any"


@operation
def check(*, settings: Docker) -> Commands:
    """Stop the host before any change if it can't get the engine that is asked for.

    Changes nothing. A host whose apt has no lists yet is let through: :func:`engine` asks again.

    Args:
        settings: the section.
    """
    now = gather(Engine, names=list(docker_engine.PACKAGES))
    package = docker_engine.ENGINES[settings.source]
    others = docker_engine.foreign(settings, now.packages)
    if others:
        raise HostError(
            Problem(
                where=host.name,
                what="Docker of another source",
                found=f"{', '.join(others)} installed",
                needed=f"{package}, which can't stand beside it",
                fix="set docker.source to the other source, or remove those packages (images and "
                "volumes stay in /var/lib/docker)",
            )
        )
    present = now.packages.get(package)
    if present and present.installed:
        _refuse_downgrade(settings, present.version)
        if fnmatchcase(present.version, settings.version):
            host.noop(f"{package} {present.version} is installed")
            return
    _refuse_missing(settings, gather(Available, names=[package]).get(package, ()))
    host.noop(f"{package} {settings.version} can be installed")
    yield from ()


@operation
def engine(*, settings: Docker) -> Commands:
    """Install the engine at its version, with its client, and hold it.

    Args:
        settings: the section.
    """
    now = gather(Engine, names=list(docker_engine.PACKAGES))
    # dpkg also knows names without a version: those that another package only mentions.
    present = [name for name, package in now.packages.items() if package.version]
    packages = docker_engine.wanted(settings, present)
    if docker_engine.installed({**packages, "iptables": None}, now.packages) and now.client:
        if all(now.packages[name].held for name in packages):
            host.noop(f"installed and held: {', '.join(packages)}")
            return
    else:
        yield StringCommand(_UPDATE, _timeout=INSTALL_TIMEOUT)
        known = gather(Available, names=list(docker_engine.PACKAGES))
        _refuse_missing(settings, known.get(docker_engine.ENGINES[settings.source], ()))
        # docker.io only recommends it, and without it the daemon does not start.
        yield from apt.packages._inner(versions={"iptables": None}, update=False)
        packages = docker_engine.wanted(settings, known)
    yield from apt.packages._inner(
        versions=packages,
        hold=True,
        update=False,
        allow_downgrade=True,  # within a major version; check() has refused the rest
    )


def _refuse_missing(settings: Docker, versions: tuple[str, ...]) -> None:
    if versions and not any(fnmatchcase(version, settings.version) for version in versions):
        raise docker_engine.unavailable(host.name, settings, versions)


def _refuse_downgrade(settings: Docker, installed: str) -> None:
    if major(settings.version) >= major(installed):
        return
    raise HostError(
        Problem(
            where=host.name,
            what="Docker engine",
            found=f"version {installed} installed",
            needed=f"version {settings.version}, an older major version",
            fix="set docker.version to the installed one; Docker does not promise that an older "
            "engine reads what a newer one wrote to /var/lib/docker",
        )
    )
